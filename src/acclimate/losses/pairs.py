"""What losses of pairs share: normalised descriptors, and which pairs of a batch match."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from acclimate.layers.full_precision import full_precision


class Pairs(NamedTuple):
    """Which of the ordered pairs of a batch are of one identity and which of two, (N, N) bool each.

    An item and itself are in neither, nor is a pair with an item labelled -1: it has no identity.
    """

    positive: Tensor
    negative: Tensor


def pairs_of(labels: Tensor) -> Pairs:
    """The pairs of a batch by their labels, (N,) int64, -1 = without identity.

    >>> pairs = pairs_of(torch.tensor([0, 0, 1, -1]))
    >>> pairs.positive.nonzero().tolist()
    [[0, 1], [1, 0]]
    >>> int(pairs.negative.sum())
    4
    """
    known = labels >= 0
    counted = known[:, None] & known
    same = labels[:, None] == labels
    other = ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    return Pairs(counted & same & other, counted & ~same)


@full_precision
def unit(descriptors: Tensor) -> Tensor:
    """(N, D) descriptors of length 1, in float32 at least; one of length 0 stays 0.

    A descriptor of length 0 has no direction to keep: it is divided by 1, so that its gradient is
    bounded, which a division by the smallest allowed length would multiply by the inverse of that.

    >>> unit(torch.tensor([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    lengths = torch.linalg.vector_norm(descriptors, dim=1, keepdim=True)
    return descriptors / torch.where(lengths > 1e-12, lengths, 1.0)


@full_precision
def cosine_similarities(descriptors: Tensor) -> Tensor:
    """Cosines of all pairs of (N, D) descriptors: (N, N), float32 at least, rounded from [-1, 1].

    >>> cosine_similarities(torch.tensor([[1.0, 0.0], [0.0, 2.0]])).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    directions = unit(descriptors)
    similarities: Tensor = directions @ directions.T
    return similarities


def mean_where(values: Tensor, chosen: Tensor) -> Tensor:
    """The mean of those of ``values`` that are ``chosen`` (bool, same shape), 0-d; 0 where none is.

    >>> mean_where(torch.tensor([1.0, 5.0]), torch.tensor([False, True])).item()
    5.0
    """
    return (values * chosen).sum() / chosen.sum().clamp_min(1)
