"""Domain confusion: a domain classifier is to find both domains equally likely."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from acclimate.layers.full_precision import full_precision


@full_precision
def domain_confusion(source_logits: Tensor, target_logits: Tensor) -> Tensor:
    """Cross-entropy of the predicted domain against the uniform distribution, at least log 2.

    Tzeng et al., 2015, section 3.1, as a mean over items; each domain weighs one half, also where
    the batches are of unequal size.

    Args:
        source_logits: (S,) or (S, 1) logits of "this is target".
        target_logits: (T,) or (T, 1) likewise.

    >>> import torch
    >>> round(domain_confusion(torch.zeros(4), torch.zeros(2)).item(), 4)
    0.6931
    """
    # -(log q + log(1 - q)) / 2 with q = sigmoid(z)
    each = [0.5 * (F.softplus(z) + F.softplus(-z)) for z in (source_logits, target_logits)]
    return 0.5 * (each[0].mean() + each[1].mean())
