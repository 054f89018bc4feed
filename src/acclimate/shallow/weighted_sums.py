"""Weights in a box whose sum is in an interval: the nearest such, and those of the least sum."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from acclimate.shallow.base import Floats


class Bounds(NamedTuple):
    """Weights each in [0, ``largest``], together in [``least_total``, ``largest_total``]."""

    largest: float
    least_total: float
    largest_total: float


def nearest_within(values: Floats, bounds: Bounds) -> Floats:
    """(N,) → (N,): the Euclidean projection onto ``bounds``.

    clip(values − τ, 0, largest), with the τ that brings the sum to the bound it broke: exact, as
    the sum is linear in τ between the N + N values where an entry meets a side of the box.

    >>> nearest_within(np.array([3.0, 1.0, -1.0]), Bounds(2.0, 0.0, 2.0))
    array([2., 0., 0.])
    """
    clipped: Floats = values.clip(0, bounds.largest)
    total = min(max(clipped.sum(), bounds.least_total), bounds.largest_total)
    if total == clipped.sum():
        return clipped
    kinks = np.sort(np.concatenate([values, values - bounds.largest]))
    first, last = 0, len(kinks) - 1
    while last - first > 1:
        middle = (first + last) // 2
        if (values - kinks[middle]).clip(0, bounds.largest).sum() >= total:
            first = middle
        else:
            last = middle
    above, below = ((values - kinks[end]).clip(0, bounds.largest).sum() for end in (first, last))
    share = (above - total) / (above - below) if above > below else 0.0
    shift = kinks[first] + share * (kinks[last] - kinks[first])
    nearest: Floats = (values - shift).clip(0, bounds.largest)
    return nearest


def least_sum(costs: Floats, bounds: Bounds) -> float:
    """The least of costsᵀv over v within ``bounds``: the cheapest entries are filled first.

    >>> least_sum(np.array([-1.0, 2.0, -3.0]), Bounds(1.0, 0.0, 1.5))
    -3.5
    """
    costs = np.sort(costs)
    filled = bounds.largest * np.arange(len(costs))
    worth_it = (bounds.largest_total - filled).clip(0, bounds.largest)
    needed = (bounds.least_total - filled).clip(0, bounds.largest)
    return float(costs @ np.where(costs < 0, worth_it, needed))
