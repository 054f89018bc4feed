"""How far the target's predicted class shares lie from the source's labels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from acclimate.validators.base import Evidence, validator


def share_distance(target_logits: Tensor, source_shares: Sequence[float]) -> float:
    """Total variation in [0, 1] between predicted class shares and the source's.

    Args:
        target_logits: (N, K).
        source_shares: K numbers that sum to 1.

    >>> share_distance(torch.tensor([[9.0, 0.0], [9.0, 0.0]]), [0.5, 0.5])
    0.5
    """
    counts = torch.bincount(target_logits.argmax(1), minlength=len(source_shares)).double()
    expected = torch.tensor(source_shares, dtype=torch.float64)
    return 0.5 * float((counts / counts.sum() - expected).abs().sum())


@validator("class-shares")
def class_shares(evidence: Evidence) -> float:
    """Nearness of predicted class shares to the source's: −total variation, in [-1, 0].

    Assumes that classes are about as frequent on the target as in the source.
    """
    classes = evidence.target_logits.shape[1]
    counts = torch.bincount(evidence.source_labels, minlength=classes).double()
    return -share_distance(evidence.target_logits, (counts / counts.sum()).tolist())
