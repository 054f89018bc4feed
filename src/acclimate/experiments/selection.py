"""How far label-free choices, estimates and verdicts can be trusted, where the truth is known.

A grid of tasks × recipes × algorithms × seeds is trained, every checkpoint stored; each validator then
chooses among the checkpoints as a user would have to, and its choice is held against what target
labels say. Those labels serve this comparison only.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acclimate.core.records import RunRecord, read_record
from acclimate.experiments.estimates import Guessed, guessed
from acclimate.training.evaluate import read_evidence
from acclimate.training.fit import fit
from acclimate.training.observer import Observer
from acclimate.training.select import DEFAULT_ENSEMBLE, ENSEMBLE
from acclimate.training.settings import FitSettings, make_settings
from acclimate.validators import Evidence, validators
from acclimate.validators.ensemble import ensemble

Floats = NDArray[np.float64]
SOURCE_ONLY = "source-only"
LAST = "last checkpoint"
#: a change of accuracy that counts, for the verdict
MATTERS = 0.02


@dataclass(frozen=True)
class SelectionTask:
    """Two domains and the budget of a run on them."""

    name: str
    source: str
    target: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    needs_files: bool = False
    #: of pictures, which can be augmented
    pictures: bool = True


_SHORT = {"steps": 300, "evaluations": 10, "log_every": 50}
# built-in digits have 8 by 8 pixels; half the default network's widths at 16 take seconds
_SMALL = {
    **_SHORT,
    "size": 16,
    "network": "compact-cnn",
    "network_options": {"widths": (16, 32, 64)},
}
_LONGER = {"steps": 1000, "evaluations": 10, "log_every": 100}

TASKS = (
    SelectionTask("digits-to-digits-m", "digits", "digits-m", _SMALL),
    SelectionTask("digits-m-to-digits", "digits-m", "digits", _SMALL),
    SelectionTask("fonts-to-digits", "font-digits", "digits", _SMALL),
    SelectionTask("digits-to-fonts", "digits", "font-digits", _SMALL),
    SelectionTask("digits-to-skewed", "digits", "digits-m-skewed", _SMALL),
    SelectionTask("moons", "moons", "moons-rotated", _SHORT, pictures=False),
    SelectionTask("blobs", "blobs", "blobs-imbalanced", _SHORT, pictures=False),
    SelectionTask("mnist-to-mnist-m", "mnist", "mnist-m", _LONGER, needs_files=True),
    SelectionTask("svhn-to-mnist", "svhn", "mnist", _LONGER, needs_files=True),
)

#: the recipe that users get; one with little augmentation, which leaves more of the gap to the
#: algorithm; and a bare one, without a weight average, under which adaptation does harm now and then
RECIPES: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "light": {"augmentation": "light"},
    "bare": {
        "preprocessing": "mean",
        "augmentation": "none",
        "averaging": 0.0,
        "optimiser": "sgd",
        "learning_rate": 0.01,
    },
}

OF_PICTURES = ("light",)

ALGORITHMS = (
    SOURCE_ONLY,
    "adabn",
    "dann",
    "cdan",
    "deep-coral",
    "dan",
    "mcc",
    "information-maximisation",
    "self-training",
    "dann-self-training",
)


@dataclass(frozen=True)
class SelectionJob:
    """One run of the grid."""

    task: SelectionTask
    recipe: str
    algorithm: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.task.name}/{self.recipe}/{self.algorithm} seed {self.seed}"

    def folder(self, runs: Path, algorithm: str | None = None) -> Path:
        return (
            runs
            / self.task.name
            / self.recipe
            / f"seed-{self.seed}"
            / (algorithm or self.algorithm)
        )

    def settings(self, device: str = "auto") -> FitSettings:
        values = {**RECIPES[self.recipe], **self.task.settings}
        return make_settings(
            source=self.task.source,
            target=self.task.target,
            algorithm=self.algorithm,
            seed=self.seed,
            device=device,
            **values,
        )


def jobs(
    tasks: Iterable[SelectionTask],
    recipes: Iterable[str] = RECIPES,
    algorithms: Iterable[str] = ALGORITHMS,
    seeds: Iterable[int] = range(3),
) -> list[SelectionJob]:
    """The grid, seed by seed; source-only first, which the verdicts are held against.

    A recipe that is another one with other augmentation is left out where there are no pictures.
    """
    tasks, recipes = list(tasks), list(recipes)
    names = list(dict.fromkeys([SOURCE_ONLY, *algorithms]))
    return [
        SelectionJob(task, recipe, name, seed)
        for seed in seeds
        for task in tasks
        for recipe in recipes
        if task.pictures or recipe not in OF_PICTURES
        for name in names
    ]


def run(
    job: SelectionJob,
    runs: Path,
    *,
    device: str = "auto",
    observer: Observer | None = None,
    command: str = "",
) -> RunRecord:
    """Train one run of the grid, or take it as it is where it is finished."""
    folder = job.folder(runs)
    folder.parent.mkdir(parents=True, exist_ok=True)
    reference = job.algorithm != SOURCE_ONLY and job.folder(runs, SOURCE_ONLY)
    return fit(
        job.settings(device),
        folder,
        baseline=reference,
        resume=True,
        observer=observer,
        command=command,
    )


@dataclass(frozen=True)
class Scored:
    """The checkpoints of one finished run, with every validator's scores in the order of steps.

    ``guessed``: what estimators see in the chosen one; ``None`` for an oracle.
    """

    job: SelectionJob
    record: RunRecord
    accuracies: Floats
    scores: Mapping[str, Floats]
    guessed: Guessed | None = None


def scored(job: SelectionJob, runs: Path, names: Sequence[str]) -> Scored:
    """Replay the validators called ``names`` on every checkpoint of a finished run."""
    folder = job.folder(runs)
    record = read_record(folder)
    evidence = [
        read_evidence(folder / "evaluations" / f"step-{each.step:08d}.npz")
        for each in record.evaluations
    ]
    known = [each.oracle_target_accuracy for each in record.evaluations]
    scores = {name: _scores(name, evidence) for name in names}
    return Scored(
        job, record, np.array(known, dtype=np.float64), scores, _guessed(job, record, evidence)
    )


def _guessed(job: SelectionJob, record: RunRecord, evidence: Sequence[Evidence]) -> Guessed | None:
    truth = record.oracle_target_metrics
    if record.uses_target_labels or record.chosen is None or truth is None:
        return None
    place = [each.step for each in record.evaluations].index(record.chosen.step)
    twin = (job.task.name, job.recipe, job.algorithm)
    return guessed(twin, evidence[place], record.estimate, truth.accuracy)


def _scores(name: str, evidence: Sequence[Evidence]) -> Floats:
    return np.array([validators.get(name).score(each) for each in evidence])


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
    """One line for each validator, for their ensemble, and for taking the last checkpoint."""
    groups = _groups(found)
    rules: dict[str, Callable[[Sequence[Scored]], Floats]] = {
        name: _by_name(name) for name in names
    }
    if set(DEFAULT_ENSEMBLE) <= set(names):
        rules[ENSEMBLE] = _by_ranks
    lines = [_trust(name, rule, found, groups) for name, rule in rules.items()]
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
        correlations.append(weighted_spearman(scores, accuracies))
    return Trust(name, _mean(within), _mean(among), max(among), _mean(correlations))


def regret(scores: Floats, accuracies: Floats) -> float:
    """Accuracy lost by the checkpoint of the largest score; of equal ones the last.

    >>> regret(np.array([0.1, 0.5, 0.5]), np.array([0.9, 0.2, 0.7])).__round__(3)
    0.2
    """
    chosen = len(scores) - 1 - int(np.argmax(scores[::-1]))
    return float(accuracies.max() - accuracies[chosen])


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
            if base is None or each is base or each.record.verdict is None:
                continue
            change = _accuracy(each) - _accuracy(base)
            counted[_truth(change)][each.record.verdict.outcome] += 1
    return counted


_TRUTHS = ("helped", "little", "hurt")


def _truth(change: float) -> str:
    return "helped" if change > MATTERS else "hurt" if change < -MATTERS else "little"


def _accuracy(each: Scored) -> float:
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
        accuracies = [_accuracy(each) for each in runs]
        outcomes = [each.record.verdict.outcome for each in runs if each.record.verdict]
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


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))
