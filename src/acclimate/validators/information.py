"""Scores from the target's predictions alone: certain, varied, or both."""

from __future__ import annotations

import math

from acclimate.losses import information
from acclimate.validators.base import Evidence, validator


@validator("entropy")
def negative_entropy(evidence: Evidence) -> float:
    """Certainty of the target predictions: −mean entropy / log K, in [-1, 0] (Morerio et al., 2018)."""
    return -float(information.entropy(evidence.target_logits.double())) / _scale(evidence)


@validator("diversity")
def diversity(evidence: Evidence) -> float:
    """Spread of the target predictions: entropy of the mean / log K, in [0, 1] (Wu et al., 2020)."""
    return float(information.diversity(evidence.target_logits.double())) / _scale(evidence)


@validator("information-maximisation")
def information_maximisation(evidence: Evidence) -> float:
    """Certain and varied target predictions: mutual information / log K, in [0, 1] (Musgrave et al., 2022)."""
    return diversity(evidence) + negative_entropy(evidence)


def _scale(evidence: Evidence) -> float:
    return math.log(max(2, evidence.target_logits.shape[1]))
