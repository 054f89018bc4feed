"""Gaussian kernels between the rows of two domains, and a width to start from."""

from __future__ import annotations

import numpy as np
from sklearn.metrics.pairwise import euclidean_distances

from acclimate.shallow.base import Floats

#: pairs of so many rows of each domain tell the median distance well enough
ROWS_OF_A_DOMAIN = 250


def squared_distances(rows: Floats, centres: Floats) -> Floats:
    """(N, D) and (M, D) → (N, M) ≥ 0, in double precision."""
    # |x|² + |c|² − 2xc loses its digits where all rows lie far from the origin
    origin = centres.mean(0, dtype=np.float64)
    found: Floats = euclidean_distances(rows - origin, centres - origin, squared=True)
    return found


def gaussian(squared: Floats, width: float) -> Floats:
    """exp(−squared / 2 width²), of squared distances of any shape.

    >>> gaussian(np.array([0.0, 2.0]), width=1.0).round(3)
    array([1.   , 0.368])
    """
    kernel: Floats = np.exp(squared / (-2 * width**2))
    return kernel


def median_distance(source: Floats, target: Floats) -> float:
    """The median distance of a source row from a target row, or 1 where all are the same.

    Of at most 250 rows of each, evenly spaced; the mean where most distances are 0. Not of all rows
    together: a kernel has to reach from domain to domain, however many rows lie close in one.

    >>> median_distance(np.array([[0.0], [1.0]]), np.array([[3.0], [3.0]]))
    2.5
    """
    rows = [each[:: -(-len(each) // ROWS_OF_A_DOMAIN)] for each in (source, target)]
    distances = np.sqrt(squared_distances(*rows))
    return float(np.median(distances)) or float(distances.mean()) or 1.0
