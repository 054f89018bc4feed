"""How far label-free choices, estimates and verdicts can be trusted, where the truth is known.

A grid of tasks × recipes × algorithms × seeds is trained, every checkpoint stored; each validator then
chooses among the checkpoints as a user would have to, and its choice is held against what target
labels say. Those labels serve this comparison only.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acclimate import __version__
from acclimate.algorithms import combination, names_for
from acclimate.core.errors import ConfigurationError, RecordError
from acclimate.core.files import write_text_atomically
from acclimate.core.records import Outcome, RunRecord, read_record
from acclimate.experiments.estimates import Guessed, guessed
from acclimate.training.evaluate import read_evidence
from acclimate.training.fit import fit
from acclimate.training.observer import Observer
from acclimate.training.parts import draws_target
from acclimate.training.settings import BY_DATA, FitSettings, make_settings
from acclimate.training.stored import evidence_path
from acclimate.training.task import replace_settings
from acclimate.validators import Evidence, validators
from acclimate.validators.verdict import judge

Floats = NDArray[np.float64]
SOURCE_ONLY = "source-only"
DEFAULT = "default"


@dataclass(frozen=True)
class SelectionTask:
    """Two domains and the budget of a run on them; ``settings`` are arguments of ``make_settings``."""

    name: str
    source: str
    target: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    needs_files: bool = False
    #: those that differ on it, the first for any other
    recipes: tuple[str, ...] = ("default", "light", "bare")
    #: algorithms that say they cannot be trained on it
    without: tuple[str, ...] = ()


_SHORT = {"steps": 300, "evaluations": 10, "log_every": 50}
# built-in digits have 8 by 8 pixels; half the default network's widths at 16 take seconds
_SMALL = {
    **_SHORT,
    "size": 16,
    "network": "compact-cnn",
    "network_options": {"widths": (16, 32, 64)},
}
_AS_STORED = {"steps": 300, "evaluations": 5, "log_every": 50}
# features of a frozen backbone are vectors by the time that anything is trained
_FROZEN = {
    **_SHORT,
    "protocol": "photos",
    "network_options": {"name": "tf_mobilenetv3_large_minimal_100", "freeze": "backbone"},
}
_VECTORS = ("default", "bare")

TASKS = (
    SelectionTask("digits-to-digits-m", "digits", "digits-m", _SMALL),
    SelectionTask("digits-m-to-digits", "digits-m", "digits", _SMALL),
    SelectionTask("fonts-to-digits", "font-digits", "digits", _SMALL),
    SelectionTask("digits-to-fonts", "digits", "font-digits", _SMALL),
    SelectionTask("digits-to-skewed", "digits", "digits-m-skewed", _SMALL),
    SelectionTask("moons", "moons", "moons-rotated", _SHORT, recipes=_VECTORS),
    SelectionTask("blobs", "blobs", "blobs-imbalanced", _SHORT, recipes=_VECTORS),
    SelectionTask("mnist-to-mnist-m", "mnist", "mnist-m", _AS_STORED, needs_files=True),
    SelectionTask("svhn-to-mnist", "svhn", "mnist", _AS_STORED, needs_files=True),
    SelectionTask(
        "books-to-kitchen",
        "amazon-books",
        "amazon-kitchen",
        _SHORT,
        needs_files=True,
        recipes=_VECTORS,
    ),
    SelectionTask(
        "photos-to-webcam",
        "office-caltech-10-amazon",
        "office-caltech-10-webcam",
        _FROZEN,
        needs_files=True,
        recipes=(DEFAULT,),
        without=("adabn",),  # there is no BatchNorm behind the features
    ),
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

#: below that of any first stage, as the pages of the algorithms advise
SECOND_STAGE_RATE = 1e-3

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


def every_algorithm() -> tuple[str, ...]:
    """All that train, source-only first and the oracle last; not what only makes a last layer."""
    named = [name for name in names_for("classification") if name != SOURCE_ONLY]
    made = {name: combination.make(name, {}) for name in named}
    training = [name for name in named if draws_target(made[name]) or made[name].oracle]
    return (SOURCE_ONLY, *sorted(training, key=lambda name: made[name].oracle))


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

    @property
    def first_stage(self) -> str | None:
        """The algorithm of the same grid whose model this one starts from."""
        return combination.make(self.algorithm, {}).first_stage

    def settings(self, runs: Path, device: str = "auto", weights: str = "hub") -> FitSettings:
        """``runs``: where the first stage of a second one lies. ``weights``: of a task's backbone."""
        values = {**RECIPES[self.recipe], **self.task.settings}
        if self.first_stage is not None:
            values["start_from"] = str(self.folder(runs, self.first_stage))
            values["learning_rate"] = SECOND_STAGE_RATE
        options = values.get("network_options", {})
        if "freeze" in options:
            values["network_options"] = {**options, "weights": weights}
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

    A recipe that makes no difference on a task is left out there; where none of those asked for
    does, the task has the first of its own.
    """
    tasks, recipes = list(tasks), list(recipes)
    names = list(dict.fromkeys([SOURCE_ONLY, *_with_first_stages(algorithms)]))
    return [
        SelectionJob(task, recipe, name, seed)
        for seed in seeds
        for task in tasks
        for recipe in [name for name in recipes if name in task.recipes] or task.recipes[:1]
        for name in names
        if name not in task.without
    ]


def _with_first_stages(algorithms: Iterable[str]) -> Iterator[str]:
    """Each second stage behind what trains its model."""
    for name in algorithms:
        first = combination.make(name, {}).first_stage
        yield from [name] if first is None else [first, name]


def run(
    job: SelectionJob,
    runs: Path,
    *,
    device: str = "auto",
    weights: str = "hub",
    observer: Observer | None = None,
    command: str = "",
) -> RunRecord:
    """Train one run of the grid, or take it as it is where it is finished."""
    folder = job.folder(runs)
    folder.parent.mkdir(parents=True, exist_ok=True)
    reference = job.algorithm != SOURCE_ONLY and job.folder(runs, SOURCE_ONLY)
    settings = job.settings(runs, device, weights)
    done = _finished(folder, settings)
    if done is not None:
        return done
    return fit(
        settings,
        folder,
        baseline=reference,
        resume=True,
        observer=observer,
        command=command,
    )


def _finished(folder: Path, settings: FitSettings) -> RunRecord | None:
    """The record of this very run where nothing is left to do; opening its data would take longer.

    What is unfinished, without the verdict it should have, or of other settings is for ``fit``.
    """
    try:
        record = read_record(folder)
        had = FitSettings.build(f"settings in {folder}", record.settings)
    except (RecordError, ConfigurationError):
        return None
    if settings.network in BY_DATA:  # the record has the one that it came to
        had = replace_settings(had, network=settings.network)
    judged = record.verdict is not None or record.uses_target_labels
    complete = record.status == "finished" and (judged or record.algorithm == SOURCE_ONLY)
    same = had.model_dump(mode="json") == settings.model_dump(mode="json")
    return record if complete and same else None


@dataclass(frozen=True)
class Scored:
    """The checkpoints of one finished run, with every validator's scores in the order of steps.

    ``choice``: which of them the default score takes. ``guessed``: what estimators see in that one;
    ``None`` for an oracle. ``verdict``: on the model that the run kept, by the behaviour in its record.
    """

    job: SelectionJob
    record: RunRecord
    accuracies: Floats
    scores: Mapping[str, Floats]
    choice: int
    guessed: Guessed | None = None
    verdict: Outcome | None = None


def scored(job: SelectionJob, runs: Path, names: Sequence[str]) -> Scored:
    """Replay the validators called ``names`` on every checkpoint; ``RecordError`` if it is not finished."""
    folder = job.folder(runs)
    record = read_record(folder)
    if record.status != "finished":
        raise RecordError(f"{folder} is {record.status}; call it again without --show")
    evidence = [read_evidence(evidence_path(folder, each.step)) for each in record.evaluations]
    known = [each.oracle_target_accuracy for each in record.evaluations]
    scores = _replayed(folder, names, evidence)
    accuracies = np.array(known, dtype=np.float64)
    choice = best_checkpoint(_scores(DEFAULT, evidence))
    guess = None
    if not record.uses_target_labels:
        twin = (job.task.name, job.recipe, job.algorithm)
        guess = guessed(twin, evidence[choice], float(accuracies[choice]))
    return Scored(job, record, accuracies, scores, choice, guess, _verdict(record))


def _verdict(record: RunRecord) -> Outcome | None:
    """By the present rule, from the behaviour that was measured when the run had ended."""
    said = record.verdict
    if said is None or said.before is None or said.after is None:
        return None if said is None else said.outcome
    items = record.target.items["evaluate"]
    return judge(said.before, said.after, items, warnings=record.warnings).outcome


def _scores(name: str, evidence: Sequence[Evidence]) -> Floats:
    return np.array([validators.get(name).score(each) for each in evidence])


def _replayed(
    folder: Path, names: Sequence[str], evidence: Sequence[Evidence]
) -> dict[str, Floats]:
    """Scores of all checkpoints. The dear ones are kept in ``scores.json``, to be found again."""
    path = folder / "scores.json"
    kept: dict[str, list[float]] = {}
    with suppress(OSError, ValueError):
        said = json.loads(path.read_text(encoding="utf-8"))
        if said["acclimate"] == __version__:
            kept = said["scores"]
    scores, dear = {}, {}
    for name in names:
        if validators.get(name).at_every_checkpoint:
            values = [validators.get(name).score(each) for each in evidence]
        elif len(kept.get(name, ())) == len(evidence):
            dear[name] = values = kept[name]
        else:
            dear[name] = values = [validators.get(name).score(each) for each in evidence]
        scores[name] = np.array(values, dtype=np.float64)
    known = {**kept, **dear}
    if known != kept:
        write_text_atomically(path, json.dumps({"acclimate": __version__, "scores": known}))
    return scores


def best_checkpoint(scores: Floats) -> int:
    """The largest, of equal ones the last; never NaN, the score of outputs that are not finite."""
    known = np.where(np.isnan(scores), -np.inf, scores)
    return len(scores) - 1 - int(np.argmax(known[::-1]))
