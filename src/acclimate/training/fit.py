"""``fit``: the main job, from two domains to an adapted model with a verdict."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from lightning_fabric import Fabric

from acclimate.core.records import RunRecord, Verdict, read_record
from acclimate.training.behaviour import behaviour
from acclimate.training.devices import make_fabric
from acclimate.training.observer import Observer
from acclimate.training.parts import make_algorithm
from acclimate.training.process_group import together
from acclimate.training.run import Run
from acclimate.training.run_folder import check_folder
from acclimate.training.settings import FitSettings
from acclimate.training.task import Task, choose_network, open_task, replace_settings
from acclimate.validators.verdict import judge

BASELINE = "baseline"
SOURCE_ONLY = "source-only"


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
    with together(fabric):
        compared = bool(baseline) and algorithm.uses_target and not algorithm.oracle
        reference = baseline if isinstance(baseline, Path) else output / BASELINE
        main = Run(task, settings, output, fabric, observer, command)
        # claimed before the baseline trains, so that what does not fit is said first and a run that
        # is killed in between can be continued
        main.claim(resume)
        if compared and not isinstance(baseline, Path):
            bare = _as(settings, SOURCE_ONLY)
            with main.ending():
                Run(task, bare, reference, fabric, observer, command).execute(resume=True)
        record = main.execute(resume=True)
        if compared and fabric.is_global_zero:
            _add_verdict(task, record, output, reference)
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


def _add_verdict(task: Task, record: RunRecord, adapted: Path, baseline: Path) -> None:
    record.baseline = Path(os.path.relpath(baseline, adapted)).as_posix()
    if task.spec.objective == "classification":
        # of whether retrieval was helped nothing is known that could be trusted without identities
        record.verdict = verdict_for(task, adapted, baseline)
    record.write(adapted)


def verdict_for(task: Task, adapted: Path, baseline: Path) -> Verdict:
    """The label-free verdict on the run in ``adapted`` against the one in ``baseline``."""
    return judge(
        behaviour(task, baseline),
        behaviour(task, adapted),
        len(task.target.evaluate),
        read_record(baseline).estimate,
        read_record(adapted).warnings,
    )
