"""How far the target's predicted class shares lie from the source's labels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from acclimate.validators.base import Evidence, validator


def predicted_shares(logits: Tensor) -> list[float]:
    """The share of items for which each of the K classes is predicted; ``logits``: (N, K).

    >>> predicted_shares(torch.tensor([[9.0, 0.0], [0.0, 9.0], [9.0, 0.0], [9.0, 0.0]]))
    [0.75, 0.25]
    """
    counts = torch.bincount(logits.argmax(1), minlength=logits.shape[1]).double()
    shares: list[float] = (counts / counts.sum()).tolist()
    return shares


def label_shares(labels: Tensor, classes: int) -> list[float]:
    """The share of each of so many ``classes`` among (N,) labels."""
    counts = torch.bincount(labels, minlength=classes).double()
    shares: list[float] = (counts / counts.sum()).tolist()
    return shares


def share_distance(target_logits: Tensor, source_shares: Sequence[float]) -> float:
    """Total variation in [0, 1] between predicted class shares and the source's.

    Args:
        target_logits: (N, K).
        source_shares: K numbers that sum to 1.

    >>> share_distance(torch.tensor([[9.0, 0.0], [9.0, 0.0]]), [0.5, 0.5])
    0.5
    """
    predicted, expected = (
        torch.tensor(each, dtype=torch.float64)
        for each in (predicted_shares(target_logits), source_shares)
    )
    return 0.5 * float((predicted - expected).abs().sum())


def far_fewer(predicted: float, expected: float) -> bool:
    """Whether effective numbers of classes, each 1 or more, differ by a collapse.

    A single class is the least there can be, so what is compared is what lies above it.

    >>> far_fewer(1.0, 2.0), far_fewer(4.0, 10.0), far_fewer(6.0, 10.0)
    (True, True, False)
    """
    return predicted - 1 < 0.4 * (expected - 1)


def effective_classes(shares: Sequence[float]) -> float:
    """Exponential of the entropy of class shares: 1 when one class takes all, K when all are alike.

    >>> round(effective_classes([0.5, 0.5, 0.0]), 6)
    2.0
    """
    return math.exp(-sum(share * math.log(share) for share in shares if share > 0))


@validator("class-shares")
def class_shares(evidence: Evidence) -> float:
    """Nearness of predicted class shares to the source's: −total variation, in [-1, 0].

    Assumes that classes are about as frequent on the target as in the source.
    """
    classes = evidence.target_logits.shape[1]
    return -share_distance(evidence.target_logits, label_shares(evidence.source_labels, classes))
