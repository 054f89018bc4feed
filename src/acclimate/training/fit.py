"""``fit``: the main job, from two domains to an adapted model with a verdict."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from lightning_fabric import Fabric

from acclimate.algorithms import combination
from acclimate.core.errors import RunError
from acclimate.core.records import RECORD_NAME, RunRecord, Verdict, Warned, read_record
from acclimate.training.behaviour import behaviour, stabilities
from acclimate.training.devices import make_fabric
from acclimate.training.observer import Observer
from acclimate.training.parts import make_algorithm
from acclimate.training.process_group import together
from acclimate.training.run import Run
from acclimate.training.run_folder import alone_in, check_folder, difference
from acclimate.training.settings import FitSettings
from acclimate.training.task import Task, choose_network, open_task, replace_settings
from acclimate.validators.verdict import judge

BASELINE = "baseline"
SOURCE_ONLY = "source-only"
_NO_BASELINE = (
    "no verdict: nothing is trained here, and the model it starts from is neither of a source-only run "
    "on this data nor of a run with one as its baseline"
)


def fit(
    settings: FitSettings,
    output: Path,
    *,
    baseline: bool | Path = True,
    resume: bool = False,
    observer: Observer | None = None,
    command: str = "",
    fabric: Fabric | None = None,
) -> RunRecord:
    """Train across the gap and write a run folder; returns its record.

    Args:
        settings: what to train on what, and how.
        output: the run folder; must be new, or hold the same run when ``resume`` is true.
        baseline: also train source-only with the same network, augmentation and budget, in
            ``output/baseline``; or the folder of a finished source-only run of the same task.
            A run of no steps takes the one it starts from, or that one's baseline.
            Without one there is nothing to hold the verdict against.
        resume: go on from the last checkpoint, bit for bit on a CPU.
        observer: is told of progress.
        command: kept in the record.
        fabric: a launched Fabric; made from the settings if not given.

    Raises ``AcclimateError`` for every mistake in the settings or the data.
    """
    algorithm = make_algorithm(settings)
    launched, fabric = fabric is not None, fabric or make_fabric(settings)
    task = open_task(settings)
    settings = choose_network(settings, task.spec)
    check_folder(output, settings, resume)
    if not launched:
        # only now, so that a mistake is said by one process and no other has been started
        fabric.launch()
    alone = alone_in(output) if fabric.is_global_zero else nullcontext()
    with together(fabric), alone:
        compared = bool(baseline) and algorithm.uses_target and not algorithm.oracle
        reference = _reference(task, settings, output, baseline) if compared else None
        main = Run(task, settings, output, fabric, observer, command)
        # claimed before the baseline trains, so that what does not fit is said first and a run that
        # is killed in between can be continued
        main.claim(resume)
        if reference == output / BASELINE:
            bare = _as(settings, SOURCE_ONLY)
            with main.ending():
                Run(task, bare, reference, fabric, observer, command).execute(resume=True)
        record = main.execute(resume=True)
        if reference is not None and fabric.is_global_zero:
            _add_verdict(task, record, output, reference)
        elif compared and observer is not None:
            observer.warned(Warned(step=0, kind="no baseline", message=_NO_BASELINE))
        fabric.barrier()
        return record if fabric.is_global_zero else read_record(output)


def fit_rows(
    settings: FitSettings,
    rows: Sequence[str],
    output: Path,
    *,
    observer: Observer | None = None,
    command: str = "",
) -> tuple[list[Path], list[RunRecord]]:
    """Train several algorithms on one task, each into ``output/ALGORITHM``; returns folders and records.

    All rows share task, network, augmentation and budget; those that adapt are judged against
    the row ``source-only``, if there is one. Rows that are finished already are kept.
    """
    fabric = make_fabric(settings)
    task = open_task(settings)
    settings = choose_network(settings, task.spec)
    fabric.launch()
    with together(fabric):
        runs = [
            Run(task, _as(settings, row), output / row, fabric, observer, command) for row in rows
        ]
        for run in runs:
            run.claim(resume=True)
        records = [run.execute(resume=True) for run in runs]
        for run, record in zip(runs, records, strict=True):
            adapts = run.algorithm.uses_target and not run.algorithm.oracle
            if adapts and SOURCE_ONLY in rows and fabric.is_global_zero:
                _add_verdict(task, record, run.folder, output / SOURCE_ONLY)
        fabric.barrier()
        return [run.folder for run in runs], records


def _as(settings: FitSettings, algorithm: str) -> FitSettings:
    """The same settings for another algorithm; what was made for the first one is left out."""
    if algorithm == settings.algorithm:
        return settings
    return replace_settings(settings, algorithm=algorithm, algorithm_options={}, start_from=None)


def _reference(
    task: Task, settings: FitSettings, output: Path, baseline: bool | Path
) -> Path | None:
    """The folder of the source-only run to compare with; ``None`` where there is none to be had.

    A run that trains nothing cannot have a baseline of the same budget. It is held against the run
    it starts from, where that is source-only on the same data, or against that run's own baseline.
    """
    if isinstance(baseline, Path):
        record = read_record(baseline)
        bare = not combination.make(record.algorithm, {}).uses_target
        if record.status != "finished" or not bare:
            raise RunError(
                f"{baseline} is no baseline: a {record.status} run of {record.algorithm}, and what is asked is "
                "what adaptation changes; give a finished one without the target"
            )
        problem = difference(record, task.summaries)
        if problem is not None:
            raise RunError(f"{baseline} is no baseline of this run, being on other data: {problem}")
        return baseline
    if settings.steps != 0 or settings.start_from is None:
        return output / BASELINE
    start = Path(settings.start_from)
    for folder in _known_from(start):
        if (folder / RECORD_NAME).exists():
            record = read_record(folder)
            bare = record.status == "finished" and record.algorithm == SOURCE_ONLY
            if bare and difference(record, task.summaries) is None:
                return folder
    return None


def _known_from(start: Path) -> list[Path]:
    if not (start / RECORD_NAME).exists():
        return []
    baseline = read_record(start).baseline
    return [start] if baseline is None else [start, start / baseline]


def _add_verdict(task: Task, record: RunRecord, adapted: Path, baseline: Path) -> None:
    record.baseline = Path(os.path.relpath(baseline, adapted)).as_posix()
    if task.spec.objective == "classification":
        # of whether retrieval was helped nothing is known that could be trusted without identities
        record.verdict = verdict_for(task, adapted, baseline)
    record.write(adapted)


def verdict_for(task: Task, adapted: Path, baseline: Path) -> Verdict:
    """The label-free verdict on the run in ``adapted`` against the one in ``baseline``."""
    before, after = stabilities(baseline, adapted)
    return judge(
        behaviour(task, baseline, before),
        behaviour(task, adapted, after),
        len(task.target.evaluate),
        read_record(baseline).estimate,
        read_record(adapted).warnings,
    )
