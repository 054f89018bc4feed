"""Running the table: representations first, with all threads, then rows in processes of one thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from acclimate.experiments.amazon.linear import distance
from acclimate.experiments.amazon.published import TASKS
from acclimate.experiments.amazon.representations import Representations, Task
from acclimate.experiments.amazon.results import AmazonResult, packed, place, read, write
from acclimate.experiments.amazon.rows import ROWS, Row, find_row
from acclimate.experiments.row_names import named_rows


class Job(NamedTuple):
    """All that is missing of one task: ``rows`` in the table's order, for ``seeds``."""

    task: str
    rows: tuple[str, ...]
    seeds: tuple[int, ...]


def wanted(names: Sequence[str], seeds: Sequence[int]) -> list[Job]:
    """The jobs behind ``"TASK"``, ``"TASK/ROW"`` and ``"*/ROW"``; all without a name.

    Raises ``ConfigurationError`` for an unknown task and ``UnknownNameError`` for an unknown row.
    """
    rows = [row.name for row in ROWS]
    chosen = named_rows(names, TASKS, rows, table="table amazon", pair_is="task")
    by_task = {task: tuple(row for row in rows if (task, row) in chosen) for task in TASKS}
    return [Job(task, own, tuple(seeds)) for task, own in by_task.items() if own]


def run(
    jobs: Iterable[Job],
    *,
    runs: Path,
    results: Path,
    threads: int,
    command: str,
    said: Callable[[str], None] = lambda line: None,
) -> None:
    """Make what is missing of ``jobs``; stopped at any moment and called again, it goes on."""
    from joblib import Parallel, delayed
    from threadpoolctl import threadpool_limits

    jobs = [job for job in jobs if _missing(job, results)]
    made = Representations(runs / "amazon")
    for kind in ("denoised counts", "denoised words"):
        for job in jobs:
            if any(find_row(row).features == kind for row, _ in _missing(job, results)):
                said(f"{job.task}: {kind}")
                with threadpool_limits(threads):
                    _task(made, job.task, kind)
    work = Parallel(n_jobs=threads, return_as="generator_unordered")
    for task in work(delayed(_one_task)(job, made, results, command) for job in jobs):
        said(f"{task}: done")


def _missing(job: Job, results: Path) -> list[tuple[str, int]]:
    return [
        (row, seed)
        for row in job.rows
        for seed in (job.seeds if find_row(row).seeds else job.seeds[:1])
        if not place(results, row, job.task, seed).exists()
    ]


def _one_task(job: Job, made: Representations, results: Path, command: str) -> str:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        for name, seed in _missing(job, results):
            row = find_row(name)
            write(results, _result(row, job, seed, made, results, command))
    return job.task


def _result(
    row: Row,
    job: Job,
    seed: int,
    made: Representations,
    results: Path,
    command: str,
) -> AmazonResult:
    from acclimate.training.devices import processor_name

    task = _task(made, job.task, row.features)
    start = time.perf_counter()
    first = next(
        (
            result.chosen
            for result in read(results)
            if (result.row, result.task, result.seed) == (row.name, job.task, job.seeds[0])
        ),
        None,
    )
    # options are chosen once, on the first seed
    outcome = row.run(task, seed, None if seed == job.seeds[0] else first)
    seconds = time.perf_counter() - start
    correct = outcome.predicted == task.test.labels
    return AmazonResult(
        row=row.name,
        task=job.task,
        seed=seed,
        features=row.features,
        chosen=outcome.chosen,
        oracle_target_accuracy=float(np.mean(correct)),
        oracle_correct=packed(correct),
        test_items=len(correct),
        proxy_a_distance=_distance(row, task, outcome.model) if seed == job.seeds[0] else None,
        seconds=seconds,
        threads=1,
        processor=processor_name(),
        command=command,
    )


def _distance(row: Row, task: Task, model: object) -> float | None:
    """Of the features of the machines' rows, and of the hidden layer of the networks'."""
    if row.name in ("svm", "msda-svm"):
        return distance(task.source.rows, task.target.rows)
    if hasattr(model, "hidden_layer"):
        return distance(*(model.hidden_layer(part.rows) for part in (task.source, task.target)))
    return None


def _task(made: Representations, name: str, features: str) -> Task:
    source, target = name.split("-")
    if features == "counts":
        return made.counts(source, target)
    if features == "words":
        return made.weighted(source, target)
    return made.denoised(source, target, weighted=features == "denoised words")
