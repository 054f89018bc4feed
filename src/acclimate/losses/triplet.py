"""Triplet loss with the hardest triplet of each item in a batch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from acclimate.losses.distances import squared_distances
from acclimate.losses.pairs import mean_where, pairs_of, unit

#: farther than any two points of the unit sphere
_BEYOND = 4.0


def batch_hard_triplet(
    descriptors: Tensor, labels: Tensor, *, margin: float | None = 0.3
) -> Tensor:
    """mean [m + d(a, farthest of its identity) − d(a, nearest of another)]₊ over the items a, 0-d.

    Hermans, Beyer and Leibe, "In defense of the triplet loss for person re-identification", 2017,
    equation 5, and with ``margin=None`` softplus instead of the hinge (section 2, "soft margin").
    Distances are Euclidean, in float32 at least. Items without another of their identity, or
    without any of another, do not count; 0 where none counts.

    Deviations: (1) descriptors are normalised first, so that distances are those of cosine
    similarities, in [0, 2]; the paper's are not. (2) The mean over items stands for the sum. (3)
    Where two descriptors are equal their distance, which has no gradient there, gets 0.

    Args:
        descriptors: (N, D), of any length, N at least 1.
        labels: (N,) int64 identities; an item labelled -1 has none and is in no triplet.
        margin: m, at least 0, or ``None``.

    >>> descriptors = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    >>> loss = batch_hard_triplet(descriptors, torch.tensor([0, 0, 1]), margin=0.3)
    >>> round(loss.item(), 4)  # the first is 2 from the third, the second √2 from both
    0.15
    """
    distances = _root(squared_distances(directions := unit(descriptors), directions))
    pairs = pairs_of(labels)
    farthest = distances.masked_fill(~pairs.positive, 0.0).amax(1)
    nearest = distances.masked_fill(~pairs.negative, _BEYOND).amin(1)
    excess = farthest - nearest
    each = F.softplus(excess) if margin is None else (excess + margin).relu()
    return mean_where(each, pairs.positive.any(1) & pairs.negative.any(1))


def _root(squares: Tensor) -> Tensor:
    """The square root, with the gradient 0 at 0 instead of an infinite one."""
    there = squares > 0
    return torch.where(there, squares, 1.0).sqrt() * there
