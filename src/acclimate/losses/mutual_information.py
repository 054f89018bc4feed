"""Mutual information of source and target features of one class: pairs, and the bound."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Pairs(NamedTuple):
    """One row for each source item, whether it is in a pair or not: shapes are always (S,).

    ``valid`` (bool): whether row i is a pair, of source item i and its three companions, which
    are indices (int64): ``target_same`` of the same class, ``source_other`` and ``target_other``
    of other classes. Where ``valid`` is false they point anywhere.
    """

    valid: Tensor
    target_same: Tensor
    source_other: Tensor
    target_other: Tensor


def same_class_pairs(source_labels: Tensor, target_labels: Tensor, confident: Tensor) -> Pairs:
    """Pair source items with confident target items of their class, and each with one of another.

    Class c has n = min(#source of c, #confident target of c, #source not of c, #confident target
    not of c) pairs. The first n of each of the four groups, in the order of the batch, make them:
    the k-th of one with the k-th of the others.

    Nothing here depends on values for its shape, so nothing waits for the device.

    Args:
        source_labels: (S,) int64.
        target_labels: (T,) int64, what a teacher takes the items for.
        confident: (T,) bool, which of them count.

    >>> source, target = torch.tensor([0, 0, 1]), torch.tensor([1, 0, 0])
    >>> pairs = same_class_pairs(source, target, torch.tensor([True, True, True]))
    >>> pairs.valid.tolist(), pairs.target_same[pairs.valid].tolist()
    ([True, False, True], [1, 0])
    >>> pairs.source_other[pairs.valid].tolist(), pairs.target_other[pairs.valid].tolist()
    ([2, 0], [0, 1])
    """
    source_same = source_labels[:, None] == source_labels
    alike = source_labels[:, None] == target_labels
    groups = (alike & confident, ~source_same, ~alike & confident)
    # how many of the same class come before source item i: the place of its pair in its class
    place = source_same.tril(-1).sum(1)
    # place < #source of its own class always holds
    smallest = torch.stack([group.sum(1) for group in groups]).amin(0)
    return Pairs(place < smallest, *(_at(group, place) for group in groups))


def _at(group: Tensor, place: Tensor) -> Tensor:
    """The column of the ``place``-th true value in each row of ``group``; anything if there is none."""
    reached = group & (group.cumsum(1) - 1 == place[:, None])
    return reached.byte().argmax(1)


def jensen_shannon_loss(same: Tensor, other: Tensor, valid: Tensor) -> Tensor:
    """The negated Jensen–Shannon bound: mean softplus(−``same``) + mean softplus(``other``).

    Nowozin et al., *f-GAN*, 2016, and Hjelm et al., *Deep InfoMax*, 2019, equation 4, as a
    minimisation. 2·log 2 where the critic says nothing, towards 0 where it tells all pairs apart,
    and exactly 0, with zero gradients, where no row is valid. Computed in float32 at least.

    Args:
        same: (N,) the critic's values for pairs of one class, logits.
        other: (N,) for pairs of two classes.
        valid: (N,) bool, the rows over which the means run.

    >>> values = torch.zeros(2)
    >>> round(jensen_shannon_loss(values, values, torch.tensor([True, False])).item(), 4)
    1.3863
    """
    exact = torch.promote_types(same.dtype, torch.float32)
    each = F.softplus(-same.to(exact)) + F.softplus(other.to(exact))
    return (each * valid).sum() / valid.sum().clamp_min(1)


def jensen_shannon_bound(loss: Tensor, valid: Tensor) -> Tensor:
    """The lower bound on the Jensen–Shannon divergence that ``loss`` stands for, in nats.

    At most log 2 = 0.693, where the critic tells pairs of one class from others without fault; 0
    where it says nothing, and 0 without any valid row.

    Args:
        loss: ``jensen_shannon_loss``, a scalar.
        valid: (N,) bool, as given there.

    >>> jensen_shannon_bound(torch.tensor(2 * math.log(2)), torch.tensor([True])).item()
    0.0
    """
    return torch.where(valid.any(), math.log(2) - 0.5 * loss.detach(), 0.0)
