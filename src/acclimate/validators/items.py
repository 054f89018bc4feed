"""What several validators need of the items they look at."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from acclimate.validators.base import Evidence

Score = Callable[[Evidence], float]


def only_finite(function: Score) -> Score:
    """Decorator: the score of outputs that are not all finite is NaN, not an error or a good score.

    The networks of a run that diverged are evaluated like any other. Solvers refuse what is not
    finite, and the largest of logits that are all NaN is always the first: perfect agreement.
    """

    @functools.wraps(function)
    def score(evidence: Evidence) -> float:
        parts = [value for value in vars(evidence).values() if value is not None]
        finite = all(bool(torch.isfinite(part).all()) for part in parts)
        return function(evidence) if finite else math.nan

    return score


def in_order(evidence: Evidence) -> Evidence:
    """The same items in double precision, each domain sorted by its values, without the probes.

    What draws items at random then gets the same ones however they were ordered.
    """
    source = _order(
        evidence.source_features, evidence.source_logits, evidence.source_labels[:, None]
    )
    target = _order(evidence.target_features, evidence.target_logits)
    return Evidence(
        evidence.source_features.double()[source],
        evidence.source_logits.double()[source],
        evidence.source_labels[source],
        evidence.target_features.double()[target],
        evidence.target_logits.double()[target],
    )


def _order(*columns: Tensor) -> Tensor:
    rows = torch.cat([part.double() for part in columns], 1).numpy()
    return torch.from_numpy(np.lexsort(rows.T[::-1]))
