"""Telling the domains apart, where items with certain predictions count more."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def certainty_weights(logits: Tensor) -> Tensor:
    """1 + exp(−H) of each item's prediction, H its entropy in nats: (N,) float32 in (1, 2], no gradient.

    Long et al., CDAN, 2018, section 3, "entropy conditioning".

    Args:
        logits: (N, K).

    >>> import torch
    >>> certainty_weights(torch.tensor([[0.0, 0.0], [90.0, 0.0]]))
    tensor([1.5000, 2.0000])
    """
    log_probabilities = logits.detach().float().log_softmax(1)
    entropies = -(log_probabilities.exp() * log_probabilities).sum(1)
    return 1.0 + (-entropies).exp()


def weighted_domain_classification(
    source_logits: Tensor, source_weights: Tensor, target_logits: Tensor, target_weights: Tensor
) -> Tensor:
    """Binary cross-entropy with source labelled 0 and target 1, each domain weighing one half.

    With weights of mean 1 in each domain this is the weighted mean of each; with weights of 1 it
    is ``domain_classification``.

    Args:
        source_logits: (S,) or (S, 1) logits of "this is target".
        source_weights: (S,).
        target_logits: (T,) or (T, 1) likewise.
        target_weights: (T,).

    >>> import torch
    >>> ones = torch.ones(4)
    >>> round(weighted_domain_classification(torch.zeros(4, 1), ones, torch.zeros(4, 1), ones).item(), 4)
    0.6931
    """
    source = (source_weights * F.softplus(source_logits.float().flatten())).mean()
    target = (target_weights * F.softplus(-target_logits.float().flatten())).mean()
    return 0.5 * (source + target)
