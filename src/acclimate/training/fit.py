"""``fit``: the main job, from two domains to an adapted model with a verdict."""

from __future__ import annotations

from pathlib import Path

from lightning_fabric import Fabric

from acclimate.core.records import RunRecord, Verdict, read_record
from acclimate.training.devices import make_fabric
from acclimate.training.inference import load_model
from acclimate.training.observer import Observer
from acclimate.training.run import Run, make_algorithm
from acclimate.training.settings import FitSettings
from acclimate.training.task import Task, choose_network, open_task, replace_settings
from acclimate.validators.verdict import judge

BASELINE = "baseline"


def fit(
    settings: FitSettings,
    output: Path,
    *,
    baseline: bool = True,
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
            ``output/baseline``; without it there is nothing to hold the verdict against.
        resume: go on from the last checkpoint, bit for bit on a CPU.
        observer: is told of progress.
        command: kept in the record.
        fabric: a launched Fabric; made from the settings if not given.

    Raises ``AcclimateError`` for every mistake in the settings or the data.
    """
    algorithm = make_algorithm(settings)
    if fabric is None:
        fabric = make_fabric(settings)
        fabric.launch()
    task = open_task(settings)
    settings = choose_network(settings, task.spec)
    wants_baseline = baseline and algorithm.uses_target and not algorithm.oracle
    main = Run(task, settings, output, fabric, observer, command)
    main.claim(resume)
    if wants_baseline:
        bare = replace_settings(settings, algorithm="source-only", algorithm_options={})
        folder = output / BASELINE
        Run(task, bare, folder, fabric, observer, command).execute(resume=True)
    record = main.execute(resume=True)
    if wants_baseline and fabric.is_global_zero:
        record.baseline = BASELINE
        record.verdict = verdict_for(task, output, output / BASELINE)
        record.write(output)
    fabric.barrier()
    return record


def verdict_for(task: Task, adapted: Path, baseline: Path) -> Verdict:
    """The label-free verdict on the run in ``adapted`` against the one in ``baseline``."""
    models = [load_model(baseline), load_model(adapted)]
    records = [read_record(baseline), read_record(adapted)]
    source, target = task.source.validation, task.target.evaluate
    assert source.labels is not None
    outputs = [(model.outputs(source)[0], model.outputs(target)[0]) for model in models]
    before, after = outputs
    estimates = [record.estimate for record in records]
    assert estimates[0] is not None
    assert estimates[1] is not None
    return judge(source.labels, before, after, (estimates[0], estimates[1]), records[1].warnings)
