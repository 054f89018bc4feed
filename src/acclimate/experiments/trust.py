"""What rules of choice, and verdicts, gave over a grid of runs whose truth is known."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from acclimate.algorithms import combination
from acclimate.experiments.selection import SOURCE_ONLY, Scored, best_checkpoint
from acclimate.training.select import DEFAULT_ENSEMBLE, ENSEMBLE, STEADINESS, steadiness
from acclimate.validators.ensemble import ensemble

Floats = NDArray[np.float64]
LAST = "last checkpoint"
#: a change of accuracy that counts, for the verdict
MATTERS = 0.02


@dataclass(frozen=True)
class Trust:
    """What one rule of choice gave. Regrets in accuracy, 0.01 is a point.

    ``within``: mean regret of choosing the checkpoint of one run. ``among``: of choosing one
    checkpoint among those of all algorithms (of one task, recipe and seed). ``worst``: the largest of the
    latter. ``correlation``: mean weighted Spearman correlation with target accuracy among them.
    """

    validator: str
    within: float
    among: float | None
    worst: float | None
    correlation: float | None


def trust(found: Sequence[Scored], names: Sequence[str]) -> list[Trust]:
    """One line for each validator, for their ensemble, for steadiness, and for the last checkpoint."""
    # an oracle's checkpoints are not among what a user can choose from
    found = [each for each in found if not combination.make(each.job.algorithm, {}).oracle]
    groups = _groups(found)
    rules: dict[str, Callable[[Sequence[Scored]], Floats]] = {
        name: _by_name(name) for name in names
    }
    if set(DEFAULT_ENSEMBLE) <= set(names):
        rules[ENSEMBLE] = _by_ranks
    lines = [_trust(name, rule, found, groups) for name, rule in rules.items()]
    if "knn" in names and all(each.record.target_consistency is not None for each in found):
        lines.append(_trust(STEADINESS, _by_steadiness, found, groups))
    last = _mean([float(each.accuracies.max() - each.accuracies[-1]) for each in found])
    return [*lines, Trust(LAST, last, None, None, None)]


def _groups(found: Sequence[Scored]) -> list[list[Scored]]:
    groups: dict[tuple[str, str, int], list[Scored]] = {}
    for each in found:
        key = (each.job.task.name, each.job.recipe, each.job.seed)
        groups.setdefault(key, []).append(each)
    return list(groups.values())


def _by_name(name: str) -> Callable[[Sequence[Scored]], Floats]:
    return lambda runs: np.concatenate([each.scores[name] for each in runs])


def _by_ranks(runs: Sequence[Scored]) -> Floats:
    joint = {name: _by_name(name)(runs).tolist() for name in DEFAULT_ENSEMBLE}
    return np.array(ensemble(joint))


def _by_steadiness(runs: Sequence[Scored]) -> Floats:
    """Of the checkpoints that runs kept; no other one can be chosen."""
    scores = [np.full(len(each.accuracies), -np.inf) for each in runs]
    for each, values in zip(runs, scores, strict=True):
        assert each.record.target_consistency is not None
        neighbours = float(each.scores["knn"][each.choice])
        values[each.choice] = steadiness(each.record.target_consistency, neighbours)
    return np.concatenate(scores)


def _trust(
    name: str,
    rule: Callable[[Sequence[Scored]], Floats],
    found: Sequence[Scored],
    groups: Sequence[Sequence[Scored]],
) -> Trust:
    within = [regret(rule([each]), each.accuracies) for each in found]
    among, correlations = [], []
    for group in groups:
        scores, accuracies = rule(group), np.concatenate([each.accuracies for each in group])
        among.append(regret(scores, accuracies))
        known = scores > -np.inf
        correlations.append(weighted_spearman(scores[known], accuracies[known]))
    return Trust(name, _mean(within), _mean(among), max(among), _mean(correlations))


def regret(scores: Floats, accuracies: Floats) -> float:
    """Accuracy lost by the checkpoint of the largest score; of equal ones the last.

    >>> regret(np.array([0.1, 0.5, 0.5]), np.array([0.9, 0.2, 0.7])).__round__(3)
    0.2
    """
    return float(accuracies.max() - accuracies[best_checkpoint(scores)])


def weighted_spearman(scores: Floats, accuracies: Floats) -> float:
    """Correlation of ranks in which the upper ranks count most, in [-1, 1]; 0 for equal values.

    Each item weighs the square of the larger of its two ranks, divided by their number: as Musgrave et
    al., "Three new validators and a large-scale benchmark ranking for unsupervised domain adaptation",
    2022, section 5, what is far down in both does not matter.
    """
    from scipy.stats import rankdata

    ranks = np.stack([rankdata(scores), rankdata(accuracies)]) / len(scores)
    weights = np.maximum(ranks[0], ranks[1]) ** 2
    centred = ranks - (ranks * weights).sum(1, keepdims=True) / weights.sum()
    covariance = (weights * centred) @ centred.T
    scale = float(np.sqrt(covariance[0, 0] * covariance[1, 1]))
    return float(covariance[0, 1] / scale) if scale > 1e-12 else 0.0


def confusion(found: Sequence[Scored]) -> dict[str, dict[str, int]]:
    """How often each verdict was given when adaptation truly helped, did nothing, or hurt.

    What truly happened is said from 2 points on: *helped*, *hurt*, and *little* between them.
    """
    counted = {truth: dict.fromkeys(("helped", "cannot tell", "hurt"), 0) for truth in _TRUTHS}
    for group in _groups(found):
        base = next((each for each in group if each.job.algorithm == SOURCE_ONLY), None)
        for each in group:
            if base is None or each is base or each.verdict is None:
                continue
            change = _accuracy(each) - _accuracy(base)
            counted[_truth(change)][each.verdict] += 1
    return counted


_TRUTHS = ("helped", "little", "hurt")


def _truth(change: float) -> str:
    return "helped" if change > MATTERS else "hurt" if change < -MATTERS else "little"


def _accuracy(each: Scored) -> float:
    """Of the model that the run kept, which the verdict is about."""
    assert each.record.oracle_target_metrics is not None
    return each.record.oracle_target_metrics.accuracy


@dataclass(frozen=True)
class Cell:
    """Target accuracy of one algorithm on one task and recipe over seeds."""

    task: str
    recipe: str
    algorithm: str
    seeds: int
    oracle_target_accuracy: float
    sd: float | None
    oracle_best: float
    verdicts: dict[str, int]


def cells(found: Sequence[Scored]) -> list[Cell]:
    """The table of algorithms × tasks, at the label-free choice and at the best checkpoint."""
    groups: dict[tuple[str, str, str], list[Scored]] = {}
    for each in found:
        key = (each.job.task.name, each.job.recipe, each.job.algorithm)
        groups.setdefault(key, []).append(each)
    table = []
    for (task, recipe, algorithm), runs in groups.items():
        accuracies = [float(each.accuracies[each.choice]) for each in runs]
        outcomes = [each.verdict for each in runs if each.verdict]
        table.append(
            Cell(
                task,
                recipe,
                algorithm,
                len(runs),
                _mean(accuracies),
                statistics.stdev(accuracies) if len(accuracies) > 1 else None,
                _mean([float(each.accuracies.max()) for each in runs]),
                {outcome: outcomes.count(outcome) for outcome in dict.fromkeys(outcomes)},
            )
        )
    return table


@dataclass(frozen=True)
class Change:
    """What an algorithm did to target accuracy against source-only, over tasks, recipes and seeds.

    Both at their label-free choice. ``sd``: sample standard deviation over the runs; ``helped`` and
    ``hurt``: runs that changed by more than 2 points.
    """

    algorithm: str
    oracle: bool
    runs: int
    mean: float
    sd: float | None
    worst: float
    helped: int
    hurt: int


def changes(found: Sequence[Scored]) -> list[Change]:
    """One line for each algorithm that stands beside source-only somewhere, the best first."""
    gained: dict[str, list[float]] = {}
    oracles = set()
    for group in _groups(found):
        base = next((each for each in group if each.job.algorithm == SOURCE_ONLY), None)
        for each in group:
            if base is None or each is base:
                continue
            change = float(each.accuracies[each.choice] - base.accuracies[base.choice])
            gained.setdefault(each.job.algorithm, []).append(change)
            if each.record.uses_target_labels:
                oracles.add(each.job.algorithm)
    lines = [
        Change(
            algorithm,
            algorithm in oracles,
            len(values),
            _mean(values),
            statistics.stdev(values) if len(values) > 1 else None,
            min(values),
            sum(_truth(value) == "helped" for value in values),
            sum(_truth(value) == "hurt" for value in values),
        )
        for algorithm, values in gained.items()
    ]
    return sorted(lines, key=lambda line: -line.mean)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))
