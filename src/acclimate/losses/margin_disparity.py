"""Margin disparity: how far an auxiliary classifier can leave the classifier on the target alone."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def margin_disparity(
    source_logits: Tensor,
    source_classes: Tensor,
    target_logits: Tensor,
    target_classes: Tensor,
    gamma: float,
) -> Tensor:
    """γ·mean −log p(source class) + mean −log(1 − p(target class)) of the auxiliary classifier's p.

    Zhang et al., MDD, 2019, section 4, with the cross-entropies of its algorithm: minus the
    disparity that the auxiliary classifier maximises. It is to agree with the classifier on the
    source and to disagree on the target. −log(1 − p) is taken from the logits of the other
    classes, so it keeps its gradient where p is 1.

    Args:
        source_logits: (S, K) of the auxiliary classifier, K at least 2.
        source_classes: (S,) int64, what the classifier itself predicts there.
        target_logits: (T, K) likewise.
        target_classes: (T,) int64 likewise.
        gamma: the margin factor γ = exp ρ.

    >>> classes = torch.tensor([0, 1])
    >>> round(margin_disparity(torch.zeros(2, 2), classes, torch.zeros(2, 2), classes, 4.0).item(), 4)
    3.4657
    """
    agreement = F.cross_entropy(source_logits.float(), source_classes)
    logits = target_logits.float()
    every = torch.arange(logits.shape[1], device=logits.device)
    others = logits.masked_fill(target_classes[:, None] == every, -torch.inf)
    disagreement = (logits.logsumexp(1) - others.logsumexp(1)).mean()
    return gamma * agreement + disagreement
