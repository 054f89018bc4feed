"""Several validators' scores of the same candidates as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import rankdata


def ensemble(scores: Mapping[str, Sequence[float]]) -> list[float]:
    """Mean over validators of each candidate's rank, 0 for the lowest score and 1 for the highest.

    Ranks make scores of different scales comparable; equal scores share their mean rank. A
    validator that tells nothing, all of whose scores are equal, or that could not score every
    candidate (NaN), is left out; where none is left, all candidates get ½.

    Args:
        scores: for each validator its scores of the candidates, in the same order.

    Raises:
        ValueError: for validators with different numbers of scores.

    >>> ensemble({"entropy": [-0.5, -0.1, -0.3], "source-accuracy": [0.9, 0.8, 0.8]})
    [0.5, 0.625, 0.375]
    """
    counts = {len(values) for values in scores.values()}
    if len(counts) > 1:
        raise ValueError(f"validators scored different numbers of candidates: {sorted(counts)}")
    ranks = [
        (rankdata(values) - 1) / (len(values) - 1)
        for values in scores.values()
        if len(set(values)) > 1 and not np.isnan(values).any()
    ]
    if not ranks:
        return [0.5] * (counts.pop() if counts else 0)
    return [float(value) for value in np.mean(ranks, axis=0)]
