"""Estimate of accuracy on the target without its labels, with an interval."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from acclimate.core.records import Estimate

Floats = NDArray[np.float64]
METHOD = "average thresholded confidence"
_RESAMPLES = 200


def average_thresholded_confidence(
    source_confidence: Floats, source_correct: Floats, target_confidence: Floats
) -> float:
    """Share of target items above the confidence that as many source items exceed as are correct.

    Garg et al., "Leveraging unlabeled data to predict out-of-distribution performance", 2022,
    equations 1 and 2. All arguments are vectors; ``source_correct`` holds 0 and 1.

    >>> average_thresholded_confidence(
    ...     np.array([0.9, 0.8, 0.6, 0.3]), np.array([1, 1, 0, 0.0]), np.array([0.95, 0.5]))
    0.5
    """
    below = round((1.0 - source_correct.mean()) * len(source_confidence))
    if below == len(source_confidence):
        return 0.0
    ordered = np.sort(source_confidence)
    # between the two neighbours, so that exactly ``below`` source items lie under it
    threshold = ordered[0] if below == 0 else 0.5 * (ordered[below - 1] + ordered[below])
    above = float((target_confidence > threshold).mean())
    # of items right at it (a network that is sure of everything) as many count as in the source
    tied = int((source_confidence == threshold).sum())
    counted = len(source_confidence) - below - int((source_confidence > threshold).sum())
    share = counted / tied if tied else 1.0
    return above + share * float((target_confidence == threshold).mean())


def difference_of_confidences(
    source_confidence: Floats, source_correct: Floats, target_confidence: Floats
) -> float:
    """Source accuracy minus the drop in mean confidence, in [0, 1] (Guillory et al., 2021).

    >>> round(difference_of_confidences(
    ...     np.array([0.9, 0.9]), np.array([1.0, 1.0]), np.array([0.6, 0.8])), 6)
    0.8
    """
    drop = source_confidence.mean() - target_confidence.mean()
    return float(np.clip(source_correct.mean() - drop, 0.0, 1.0))


def temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature in [0.05, 20] that calibrates (N, K) logits on labelled items (Guo et al., 2017)."""
    log_grid = torch.linspace(np.log(0.05), np.log(20.0), 61, dtype=torch.float64)
    losses = [
        float(torch.nn.functional.cross_entropy(logits.double() / value.exp(), labels))
        for value in log_grid
    ]
    return float(log_grid[int(np.argmin(losses))].exp())


def estimate_accuracy(
    source_logits: Tensor,
    source_labels: Tensor,
    target_logits: Tensor,
    *,
    seed: int = 0,
    level: float = 0.9,
) -> Estimate:
    """Estimate by average thresholded confidence, with an interval that admits what it cannot know.

    Confidences are calibrated on the held-out source first. The interval is the hull of bootstrap
    intervals of three estimators (thresholded confidence, thresholded negative entropy,
    difference of confidences): resampling alone would only tell of sample size, while the error
    that matters is that of trusting one estimator under shift.

    Args:
        source_logits: (N, K) of held-out source items, ``source_labels`` (N,) int64.
        target_logits: (M, K).
        level: of each bootstrap interval.
    """
    heat = temperature(source_logits, source_labels)
    source, target = source_logits.double() / heat, target_logits.double() / heat
    correct = (source.argmax(1) == source_labels).double().numpy()
    largest = (_largest(source), _largest(target))
    entropy = (_negative_entropy(source), _negative_entropy(target))
    random = np.random.default_rng(seed)
    value = average_thresholded_confidence(largest[0], correct, largest[1])
    cases: list[tuple[Callable[[Floats, Floats, Floats], float], tuple[Floats, Floats]]] = [
        (average_thresholded_confidence, largest),
        (average_thresholded_confidence, entropy),
        (difference_of_confidences, largest),
    ]
    bounds = [_bootstrap(method, pair, correct, random, level) for method, pair in cases]
    low = min(value, *(bound[0] for bound in bounds))
    high = max(value, *(bound[1] for bound in bounds))
    return Estimate(method=METHOD, value=value, low=low, high=high)


def _largest(logits: Tensor) -> Floats:
    result: Floats = logits.softmax(1).amax(1).numpy()
    return result


def _negative_entropy(logits: Tensor) -> Floats:
    log_probabilities = logits.log_softmax(1)
    result: Floats = (log_probabilities.exp() * log_probabilities).sum(1).numpy()
    return result


def _bootstrap(
    method: Callable[[Floats, Floats, Floats], float],
    confidences: tuple[Floats, Floats],
    correct: Floats,
    random: np.random.Generator,
    level: float,
) -> tuple[float, float]:
    """Percentile interval, source and target items resampled independently."""
    source, target = confidences
    values = []
    for _ in range(_RESAMPLES):
        ours = random.integers(len(source), size=len(source))
        theirs = random.integers(len(target), size=len(target))
        values.append(method(source[ours], correct[ours], target[theirs]))
    tail = (1 - level) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)
