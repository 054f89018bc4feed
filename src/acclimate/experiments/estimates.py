"""How near each estimator of target accuracy came, over finished runs whose target has labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from acclimate.core.records import Estimate
from acclimate.validators import Evidence
from acclimate.validators.density_ratio import log_density_ratio
from acclimate.validators.estimate import AGREEMENT, estimate_accuracy, estimate_by
from acclimate.validators.estimators import ESTIMATORS, Seen, look

OURS = "the estimate"


@dataclass(frozen=True)
class Guessed:
    """What estimators look at in the chosen checkpoint of one run, and the truth (oracle).

    ``twin``: runs of one twin differ in nothing but the seed. ``predictions``: (M,) on stored
    target items, the same ones in all runs of a twin. ``estimate``: what a run says to its user.
    """

    twin: tuple[str, ...]
    seen: Seen
    predictions: Tensor
    estimate: Estimate
    truth: float


def guessed(twin: tuple[str, ...], evidence: Evidence, truth: float) -> Guessed:
    """Look at one run's chosen checkpoint."""
    predictions = evidence.target_logits.argmax(1)
    survived = None
    if evidence.changed_logits is not None:
        assert evidence.probed is not None
        survived = evidence.changed_logits.argmax(1) == predictions[evidence.probed]
    logits = evidence.source_logits, evidence.target_logits
    seen = look(logits[0], evidence.source_labels, logits[1], survived, weights=_weights(evidence))
    ours = estimate_accuracy(logits[0], evidence.source_labels, logits[1], survived)
    return Guessed(twin, seen, predictions, ours, truth)


def _weights(evidence: Evidence) -> NDArray[np.float64] | None:
    source, target = evidence.source_features.numpy(), evidence.target_features.numpy()
    if not (np.isfinite(source).all() and np.isfinite(target).all()):
        return None
    ratios = log_density_ratio(source, target)[0]
    weights: NDArray[np.float64] = np.exp(ratios - ratios.max())
    return weights


@dataclass(frozen=True)
class Honesty:
    """How near one estimator was; ``covered``: share of intervals that hold the truth."""

    estimator: str
    runs: int
    error: float
    bias: float
    covered: float
    width: float


def honesty(found: Sequence[Guessed]) -> list[Honesty]:
    """One line for the estimate that runs give, and one for each estimator alone."""
    ours = [(each.estimate, each.truth) for each in found]
    lines = [_honesty(OURS, ours)] if ours else []
    for name in ESTIMATORS:
        pairs = _agreements(found) if name == AGREEMENT else _alone(name, found)
        if pairs:
            lines.append(_honesty(name, pairs))
    return lines


def _alone(name: str, found: Sequence[Guessed]) -> list[tuple[Estimate, float]]:
    needed = {"importance weighting": "weights", "consistency": "survived"}.get(name, "correct")
    return [
        (estimate_by(name, each.seen), each.truth)
        for each in found
        if getattr(each.seen, needed) is not None
    ]


def _agreements(found: Sequence[Guessed]) -> list[tuple[Estimate, float]]:
    """Each run but the last of its twins against the next one."""
    twins: dict[tuple[str, ...], list[Guessed]] = {}
    for each in found:
        twins.setdefault(each.twin, []).append(each)
    pairs = []
    for runs in twins.values():
        for one, other in pairwise(runs):
            agreed = (one.predictions == other.predictions).double().numpy()
            seen = replace(one.seen, agreed=agreed)
            pairs.append((estimate_by(AGREEMENT, seen), one.truth))
    return pairs


def _honesty(name: str, pairs: Sequence[tuple[Estimate, float]]) -> Honesty:
    errors = np.array([estimate.value - truth for estimate, truth in pairs])
    return Honesty(
        estimator=name,
        runs=len(pairs),
        error=float(np.abs(errors).mean()),
        bias=float(errors.mean()),
        covered=float(np.mean([each.low <= truth <= each.high for each, truth in pairs])),
        width=float(np.mean([each.high - each.low for each, _ in pairs])),
    )
