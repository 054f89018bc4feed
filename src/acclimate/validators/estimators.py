"""Estimators of the accuracy on the target, each a function of items that can be drawn again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from acclimate.core.errors import ConfigurationError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Seen:
    """What estimators look at, item by item: N held-out source items, M target items.

    ``correct`` (N,) holds 0 and 1. Confidence is the largest probability, certainty the negative
    entropy, both calibrated. ``weights`` (N,): density ratios of the source items. ``survived``
    (M',): 1 where a prediction survives a small change of the input; ``agreed`` (M'',): 1 where
    another model's is the same. ``None`` where nobody looked.
    """

    correct: Floats
    source_confidence: Floats
    source_certainty: Floats
    target_confidence: Floats
    target_certainty: Floats
    weights: Floats | None = None
    survived: Floats | None = None
    agreed: Floats | None = None

    def drawn(self, random: np.random.Generator) -> Seen:
        """As many items, with replacement; source and target independently of each other."""
        indices: dict[int, NDArray[np.int64]] = {}

        def again(values: Floats | None, domain: int) -> Floats | None:
            if values is None:
                return None
            key = domain * 1_000_000_007 + len(values)
            if key not in indices:
                indices[key] = random.integers(len(values), size=len(values))
            return values[indices[key]]

        ours = ("correct", "source_confidence", "source_certainty", "weights")
        theirs = ("target_confidence", "target_certainty", "survived", "agreed")
        changes: dict[str, Any] = {name: again(getattr(self, name), 0) for name in ours}
        changes |= {name: again(getattr(self, name), 1) for name in theirs}
        return replace(self, **changes)


def look(
    source_logits: Tensor,
    source_labels: Tensor,
    target_logits: Tensor,
    survived: Tensor | None = None,
    agreed: Tensor | None = None,
    weights: Floats | None = None,
) -> Seen:
    """What the estimators look at, from (N, K) and (M, K) logits; calibrated on the held-out source."""
    heat = temperature(source_logits, source_labels)
    source, target = source_logits.double() / heat, target_logits.double() / heat
    correct = (source.argmax(1) == source_labels).double().numpy()
    return Seen(
        correct,
        _largest(source),
        _negative_entropy(source),
        _largest(target),
        _negative_entropy(target),
        weights,
        None if survived is None else survived.double().numpy(),
        None if agreed is None else agreed.double().numpy(),
    )


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


def importance_weighted(seen: Seen) -> float:
    """Accuracy of the source items, each counted by its density ratio (Sugiyama et al., 2007)."""
    weights = _known(seen.weights, "density ratios")
    return float(weights @ seen.correct / weights.sum())


def consistency(seen: Seen) -> float:
    """Share of target predictions that survive a small random change of the input."""
    return float(_known(seen.survived, "predictions of changed inputs").mean())


def agreement(seen: Seen) -> float:
    """Share of target items on which another seed's model predicts the same class.

    Jiang et al., "Assessing generalization of SGD via disagreement", 2022: of two models trained
    alike but for the seed, the expected disagreement is the expected error where their ensemble is
    calibrated.
    """
    return float(_known(seen.agreed, "predictions of another seed's model").mean())


#: by name; each takes what was seen and gives an accuracy in [0, 1]
ESTIMATORS: Mapping[str, Callable[[Seen], float]] = {
    "average thresholded confidence": lambda seen: average_thresholded_confidence(
        seen.source_confidence, seen.correct, seen.target_confidence
    ),
    "average thresholded entropy": lambda seen: average_thresholded_confidence(
        seen.source_certainty, seen.correct, seen.target_certainty
    ),
    "difference of confidences": lambda seen: difference_of_confidences(
        seen.source_confidence, seen.correct, seen.target_confidence
    ),
    "importance weighting": importance_weighted,
    "consistency": consistency,
    "agreement of two seeds": agreement,
}


def temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature in [0.05, 20] that calibrates (N, K) logits on labelled items (Guo et al., 2017).

    Where no item is wrong, the likelihood rises for ever as the temperature falls, and a model would be
    believed to be sure of everything. There one of N + 2 items counts as labelled at random (Platt,
    "Probabilistic outputs for support vector machines", 1999, section 2.2).
    """
    all_right = bool((logits.argmax(1) == labels).all())
    smoothing = 1 / (len(labels) + 2) if all_right else 0.0
    log_grid = torch.linspace(np.log(0.05), np.log(20.0), 61, dtype=torch.float64)
    losses = [
        float(cross_entropy(logits.double() / value.exp(), labels, label_smoothing=smoothing))
        for value in log_grid
    ]
    return float(log_grid[int(np.argmin(losses))].exp())


def _known(values: Floats | None, what: str) -> Floats:
    if values is None:
        raise ConfigurationError(f"this estimate needs {what}; nobody looked")
    return values


def _largest(logits: Tensor) -> Floats:
    result: Floats = logits.softmax(1).amax(1).numpy()
    return result


def _negative_entropy(logits: Tensor) -> Floats:
    log_probabilities = logits.log_softmax(1)
    result: Floats = (log_probabilities.exp() * log_probabilities).sum(1).numpy()
    return result
