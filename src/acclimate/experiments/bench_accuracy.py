"""Seconds of training to a target accuracy: our default recipe beside a plain loop."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acclimate.core.errors import RunError
from acclimate.core.files import write_text_atomically
from acclimate.core.records import Environment, Evaluation, RunRecord, Warned
from acclimate.experiments.plain_training import Look, PlainTraining
from acclimate.experiments.reproduce import Job, settings_of
from acclimate.experiments.tables import find_pair
from acclimate.training.devices import describe_environment, make_fabric
from acclimate.training.observer import Observer
from acclimate.training.run import Run
from acclimate.training.settings import FitSettings, make_settings
from acclimate.training.task import choose_network, open_task

#: DANN as published for MNIST → MNIST-M, DANN with mutual information, and nearly train-on-target
THRESHOLDS = (0.767, 0.876, 0.95)
CONDITIONS, RESULT = "conditions.json", "result.json"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Contest:
    """What is trained: our recipe and the plain loop's settings, on the same source and target."""

    ours: FitSettings
    plain: FitSettings


def contest_of(
    pair: str,
    *,
    steps: int | None = None,
    plain_epochs: float = 20.0,
    evaluations: int = 40,
    seed: int = 0,
    device: str = "auto",
) -> Contest:
    """The table's row ``best`` of ``pair``, and the paper's settings without our weight average.

    Raises ``UnknownNameError`` for a pair of no table.
    """
    table, found = find_pair(pair)
    changes: dict[str, Any] = {"evaluations": evaluations, "device": device}
    ours = changes if steps is None else {**changes, "steps": steps}
    plain = make_settings(
        "paper",
        source=found.source,
        target=found.target,
        seed=seed,
        epochs=plain_epochs,
        averaging=0.0,
        schedule=found.paper.get("schedule", "paper"),
        **changes,
    )
    return Contest(settings_of(Job(table, found, table.row("best"), seed), Path(), ours), plain)


@dataclass(frozen=True)
class AccuracyBench:
    """Both learning curves over seconds of training, and what follows from them.

    The curves are measured on some of the target's test items, ``ours_accuracy`` and
    ``plain_accuracy``, of the models handed over at the end, on all of them.
    """

    contest: Contest
    thresholds: tuple[float, ...]
    ours: list[Look]
    plain: list[Look]
    ours_accuracy: float
    plain_accuracy: float
    environment: Environment

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; ``None`` where a threshold was not reached."""
        lines = [self._line(threshold) for threshold in self.thresholds]
        return {
            "source": self.contest.ours.source,
            "target": self.contest.ours.target,
            "seed": self.contest.ours.seed,
            "thresholds": lines,
            "ratio": lines[0]["ratio"],
            "ours": {
                **_end(self.ours, self.ours_accuracy),
                "algorithm": self.contest.ours.algorithm,
                "network": self.contest.ours.network,
                "precision": self.environment.precision,
            },
            "plain": {
                **_end(self.plain, self.plain_accuracy),
                "algorithm": "dann",
                "network": "mnist-cnn",
                "precision": "32",
            },
            "threads": self.environment.threads,
            "processor": self.environment.processor,
            "device": self.environment.device,
            "torch": self.environment.torch,
        }

    def _line(self, threshold: float) -> dict[str, float | None]:
        ours, plain = (seconds_to(looks, threshold) for looks in (self.ours, self.plain))
        return {
            "oracle_target_accuracy": threshold,
            "ours_seconds": ours,
            "plain_seconds": plain,
            "ratio": plain / ours if ours and plain else None,
        }


def handed_over(looks: Sequence[Look]) -> list[Look]:
    """For every look, the one whose model a user would have then: the best score so far.

    Of equal scores the later one wins, as when a run chooses its checkpoint.
    """
    chosen: list[Look] = []
    for look in looks:
        keeps = chosen and look.score < chosen[-1].score
        chosen.append(chosen[-1] if keeps else look)
    return chosen


def seconds_to(looks: Sequence[Look], threshold: float) -> float | None:
    """Seconds of training until the model that would be handed over is at least so accurate."""
    for look, chosen in zip(looks, handed_over(looks), strict=True):
        if chosen.accuracy >= threshold:
            return look.seconds
    return None


def _end(looks: Sequence[Look], accuracy: float) -> dict[str, Any]:
    return {
        "seconds": looks[-1].seconds,
        "steps": looks[-1].step,
        "chosen_step": handed_over(looks)[-1].step,
        "oracle_target_accuracy": accuracy,
        "oracle_last_accuracy": looks[-1].accuracy,
    }


def bench_accuracy(
    contest: Contest,
    folder: Path,
    *,
    thresholds: Sequence[float] = THRESHOLDS,
    say: Say = lambda _: None,
    command: str = "",
) -> AccuracyBench:
    """Train both, a part of the one and a part of the other in turn, so that both meet the same load.

    The seconds are of training: opening the data and every evaluation are left out. The target's
    test labels are looked at for the accuracies alone. ``folder`` keeps both trainings; called
    again after an interruption, it goes on. ``say`` is told of every evaluation, one line each.

    Raises ``RunError`` where ``folder`` holds another measurement or one from another machine.
    """
    fabric = make_fabric(contest.ours)
    environment = describe_environment(fabric, contest.ours)
    claim(folder, contest, environment)
    task = open_task(contest.ours)
    settings = choose_network(contest.ours, task.spec)
    fabric.launch()
    plain = PlainTraining(task, contest.plain, fabric.device, folder / "plain")
    observer = _InTurn(plain, settings.validator, say)
    run = Run(task, settings, folder / "ours", fabric, observer, command)
    run.claim(resume=True)
    record = run.execute(resume=True)
    while plain.goes_on:
        _say_plain(plain.next_part(), say)
    assert record.oracle_target_metrics is not None  # as the plain loop has found labels
    result = AccuracyBench(
        Contest(settings, contest.plain),
        tuple(thresholds),
        looks_of(record),
        plain.looks,
        record.oracle_target_metrics.accuracy,
        plain.accuracy(),
        environment,
    )
    write_text_atomically(folder / RESULT, json.dumps(result.as_dict(), indent=1) + "\n")
    return result


def looks_of(record: RunRecord) -> list[Look]:
    """A run's evaluations, with the label-free score by which it chooses."""
    validator = record.settings["validator"]
    return [_look(evaluation, validator) for evaluation in record.evaluations]


def _look(evaluation: Evaluation, validator: str) -> Look:
    accuracy = evaluation.oracle_target_accuracy
    if accuracy is None:
        raise RunError("the target has no labels, so there is no accuracy to reach")
    return Look(evaluation.step, evaluation.seconds, evaluation.scores[validator], accuracy)


class _InTurn(Observer):
    """After every part of our run, a part of the plain loop; our clock stands still meanwhile."""

    def __init__(self, plain: PlainTraining, validator: str, say: Say) -> None:
        self._plain, self._validator, self._say = plain, validator, say

    def run_started(self, name: str, steps: int, start: int) -> None:
        self._say(f"ours: {name}, {steps:,} steps; plain loop: {self._plain.steps:,} steps")

    def evaluated(self, evaluation: Evaluation) -> None:
        look = _look(evaluation, self._validator)
        self._say(
            f"ours: step {look.step}, {look.seconds:.1f} s, target accuracy {look.accuracy:.3f} "
            f"(oracle), label-free score {look.score:.3f}"
        )
        if self._plain.goes_on:
            _say_plain(self._plain.next_part(), self._say)

    def warned(self, warning: Warned) -> None:
        self._say(f"ours: warning, step {warning.step}: {warning.message}")


def _say_plain(look: Look, say: Say) -> None:
    say(
        f"plain loop: step {look.step}, {look.seconds:.1f} s, target accuracy {look.accuracy:.3f} (oracle)"
    )


def claim(folder: Path, contest: Contest, environment: Environment) -> None:
    """Make ``folder`` this measurement's, or find that it is; ``RunError`` where it is another's."""
    now = {
        **{f"ours: {key}": value for key, value in contest.ours.model_dump(mode="json").items()},
        **{f"plain: {key}": value for key, value in contest.plain.model_dump(mode="json").items()},
        **environment.model_dump(mode="json"),
    }
    path = folder / CONDITIONS
    if not path.exists():
        if folder.exists() and (folder.is_file() or any(folder.iterdir())):
            raise RunError(f"{folder} holds no measurement to go on with; give a new --output")
        write_text_atomically(path, json.dumps(now, indent=1) + "\n")
        return
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
        changed = [key for key in now if before.get(key) != now[key]]
    except (OSError, ValueError, AttributeError) as error:
        raise RunError(f"{path} cannot be read ({error}); give a new --output") from error
    if changed:
        what = ", ".join(
            f"{key} was {before.get(key)!r} and is now {now[key]!r}" for key in changed
        )
        raise RunError(f"{folder} holds another measurement ({what}); give a new --output")
