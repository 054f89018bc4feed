"""Telling the domains apart: the loss of the domain classifier."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from acclimate.layers.full_precision import full_precision


@full_precision
def domain_classification(source_logits: Tensor, target_logits: Tensor) -> Tensor:
    """Binary cross-entropy with source labelled 0 and target 1, each domain weighing one half.

    Ganin et al., JMLR 17(59), 2016, equation 9, as a minimisation. With batches of equal size it
    is the mean over the joint batch, as in the paper; with unequal ones neither domain drowns
    the other (a deviation).

    Args:
        source_logits: (S,) or (S, 1) logits of "this is target".
        target_logits: (T,) or (T, 1) likewise.

    >>> import torch
    >>> round(domain_classification(torch.zeros(4), torch.zeros(2)).item(), 4)
    0.6931
    """
    source = F.softplus(source_logits).mean()
    target = F.softplus(-target_logits).mean()
    return 0.5 * (source + target)


def domain_accuracy(source_logits: Tensor, target_logits: Tensor) -> Tensor:
    """Balanced accuracy of the domain classifier, in [0, 1]; 0.5 means it cannot tell.

    >>> import torch
    >>> domain_accuracy(torch.tensor([-1.0, -1.0]), torch.tensor([1.0, -1.0])).item()
    0.75
    """
    source = (source_logits.detach() <= 0).float().mean()
    target = (target_logits.detach() > 0).float().mean()
    return 0.5 * (source + target)
