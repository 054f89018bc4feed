"""Cross-entropy to labels of which some are surer than others."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def weighted_cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean of the items' cross-entropy, a scalar; exactly 0 where all weights are 0.

    Liang et al., "Domain adaptation with auxiliary target domain-oriented classifier", 2021, the
    loss of neighbourhood aggregation, with weights relative to the batch as in the authors' code.

    Args:
        logits: (N, K).
        labels: (N,) int64.
        weights: (N,), 0 or more; no gradient flows into them.

    >>> import torch
    >>> labels, weights = torch.tensor([0, 1]), torch.tensor([0.3, 0.0])
    >>> round(weighted_cross_entropy(torch.zeros(2, 2), labels, weights).item(), 4)
    0.6931
    """
    weights = weights.detach()
    each = F.cross_entropy(logits, labels, reduction="none")
    return (weights * each).sum() / weights.sum().clamp_min(1e-12)
