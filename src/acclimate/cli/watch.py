"""A run on the terminal: one bar with what matters, warnings as lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Generic, TypeVar

from acclimate.cli import console
from acclimate.core.errors import DataError, DivergedError, ModelFileError, RunError
from acclimate.core.records import Evaluation, RunRecord, Warned
from acclimate.training.observer import Observer

if TYPE_CHECKING:
    from rich.progress import TaskID


Job = TypeVar("Job")


class TerminalObserver(Observer):
    """Draws a bar on standard error; use as a context manager around the runs."""

    def __init__(self) -> None:
        self._progress = console.progress()
        self._task: TaskID | None = None
        self._name = ""

    def __enter__(self) -> TerminalObserver:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def run_started(self, name: str, steps: int, start: int) -> None:
        self._name = name
        self._task = self._progress.add_task(name, total=steps, completed=start)
        if not self._progress.console.is_terminal:
            console.note(f"{name}: {steps} steps" + (f", going on at {start}" if start else ""))

    def logged(self, step: int, values: dict[str, float]) -> None:
        text = f"{self._name}  loss {values['loss']:.3f}"
        if "domain_accuracy" in values:
            text += f"  domain accuracy {values['domain_accuracy']:.0%}"
        if "reversal_weight" in values:  # not every adversary is reached by reversal
            text += f"  λ {values['reversal_weight']:.2f}"
        if "confident_share" in values:
            text += f"  confident {values['confident_share']:.0%}"
        self._update(step, text)

    def evaluated(self, evaluation: Evaluation) -> None:
        if not self._progress.console.is_terminal:
            console.note(f"{self._name}: step {evaluation.step}, {_in_short(evaluation)}")

    def warned(self, warning: Warned) -> None:
        self._progress.stop()
        console.warn(f"{self._name}, step {warning.step}: {warning.message}")
        self._progress.start()

    def run_finished(self, record: RunRecord) -> None:
        if self._task is not None:
            self._progress.update(self._task, description=self._name, visible=False)

    def _update(self, step: int, text: str) -> None:
        if self._task is not None:
            self._progress.update(self._task, completed=step, description=text)


def _in_short(evaluation: Evaluation) -> str:
    """How a checkpoint stands, in a line."""
    precision = evaluation.source_mean_average_precision
    if precision is not None:
        return f"source rank 1 {evaluation.source_accuracy:.3f}, mean average precision {precision:.3f}"
    information = evaluation.scores["information-maximisation"]
    return f"source accuracy {evaluation.source_accuracy:.3f}, information {information:.3f}"


@dataclass
class Trained(Generic[Job]):
    """What ``train_each`` trained, and the rows that diverged, as lines."""

    done: list[Job] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Raise ``RunError`` where a row diverged; to be called once everything is written."""
        if self.failed:
            raise RunError(f"{len(self.failed)} could not be trained: {'; '.join(self.failed)}")


def train_each(
    jobs: Iterable[Job],
    name_of: Callable[[Job], str],
    task_of: Callable[[Job], str],
    train: Callable[[Job, Observer], object],
    must: Callable[[Job], bool],
    needs: Callable[[Job], Iterable[str]] = lambda job: (),
) -> Trained[Job]:
    """Train all ``jobs``; what one task lacks costs the others nothing, nor does a row that diverges.

    Where ``must`` says that a job may not be left out, missing data are an error at once. ``needs``:
    names of the jobs that one begins with or is held against, without which it is left out.
    """
    missing: set[str] = set()
    lost: set[str] = set()
    trained: Trained[Job] = Trained()
    for job in jobs:
        task, name = task_of(job), name_of(job)
        if task in missing:
            continue
        without = sorted(lost.intersection(needs(job)))
        if without:
            console.warn(f"{name} is left out: it needs {', '.join(without)}")
            lost.add(name)
            continue
        console.note(name)
        try:
            with TerminalObserver() as observer:
                train(job, observer)
            trained.done.append(job)
        except (DataError, ModelFileError) as error:
            if must(job):
                raise
            console.warn(f"{task} is left out: {error}")
            missing.add(task)
        except DivergedError as error:
            console.warn(f"{name} is left out: {error}")
            lost.add(name)
            trained.failed.append(name)
    return trained
