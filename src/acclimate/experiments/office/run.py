"""Running a table: features first, then one row after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from acclimate.core.errors import RecordError
from acclimate.experiments.office.benchmarks import Benchmark
from acclimate.experiments.office.features import Features
from acclimate.experiments.office.fine_tuning import fine_tune
from acclimate.experiments.office.results import OfficeResult, place, read, write
from acclimate.experiments.office.rows import ROWS, Row
from acclimate.experiments.row_names import named_rows


class Job(NamedTuple):
    """One row on one pair for one seed."""

    row: Row
    pair: str
    seed: int


def wanted(benchmark: Benchmark, names: Sequence[str], seeds: Sequence[int]) -> list[Job]:
    """The jobs behind ``"PAIR"``, ``"PAIR/ROW"`` and ``"*/ROW"``; all without a name.

    Rows that train a whole backbone are among them where they are named: they take minutes each.

    Raises ``ConfigurationError`` for an unknown pair and ``UnknownNameError`` for an unknown row.
    """
    chosen = named_rows(names, benchmark.pairs, [row.name for row in ROWS], table=benchmark.name)
    named = {name.partition("/")[2] for name in names}
    return [
        Job(row, pair, seed)
        for pair in benchmark.pairs
        for row in ROWS
        if (pair, row.name) in chosen and (row.pools_sources or "others-" not in pair)
        if not row.fine_tunes or row.name in named
        for seed in (seeds if row.seeds else seeds[:1])
    ]


def run(
    benchmark: Benchmark,
    jobs: Sequence[Job],
    backbone: str,
    features: Callable[[], Features],
    *,
    results: Path,
    command: str,
    said: Callable[[str], None] = lambda line: None,
) -> None:
    """Make what is missing of ``jobs``; stopped at any moment and called again, it goes on.

    ``features``, of the ``backbone``, is only called where something is missing. Raises
    ``RecordError`` where there are results of another one, which no table can be shared with.
    """
    for known in read(results, benchmark.name):
        if known.backbone != backbone:
            raise RecordError(
                f"{results / 'office' / benchmark.name} holds results of backbone {known.backbone}, not of "
                f"{backbone}: give another --results"
            )
    jobs = [
        job
        for job in jobs
        if not place(results, benchmark.name, job.row.name, job.pair, job.seed).exists()
    ]
    if not jobs:
        return
    made = features()
    for job in jobs:
        result = _result(benchmark, job, made, command, said)
        write(results, result)
        seed = f", seed {job.seed}" if job.row.seeds else ""
        said(f"{job.pair}/{job.row.name}{seed}: {100 * result.oracle_target_accuracy:.1f} (oracle)")


def _result(
    benchmark: Benchmark, job: Job, made: Features, command: str, said: Callable[[str], None]
) -> OfficeResult:
    import torch

    from acclimate.training.devices import processor_name
    from acclimate.validators.metrics import labelled_metrics

    if job.row.fine_tunes:
        return _fine_tuned(benchmark, job, made, command)
    assert job.row.run is not None
    pair = made.pair(job.pair, said)
    start = time.perf_counter()
    outcome = job.row.run(pair, job.seed)
    seconds = time.perf_counter() - start
    logits = torch.from_numpy(np.log(np.maximum(outcome.probabilities, 1e-12)))
    names = made.of(benchmark.sources_of(job.pair)[1]).class_names
    metrics = labelled_metrics(logits, torch.from_numpy(pair.oracle_labels), names)
    return OfficeResult(
        **_facts(benchmark, job, made),
        source_items=len(pair.labels),
        target_items=len(pair.target),
        oracle_target_accuracy=metrics.accuracy,
        oracle_target_auroc=metrics.auroc,
        chosen=outcome.chosen,
        seconds=seconds,
        threads=torch.get_num_threads(),
        processor=processor_name(),
        command=command,
    )


def _facts(benchmark: Benchmark, job: Job, made: Features) -> dict[str, Any]:
    return {
        "benchmark": benchmark.name,
        "row": job.row.name,
        "pair": job.pair,
        "seed": job.seed,
        "backbone": made.backbone.options.name,
        "weights": made.weights,
        "uses_target_labels": job.row.oracle,
    }


def _fine_tuned(benchmark: Benchmark, job: Job, made: Features, command: str) -> OfficeResult:
    options = made.backbone.options
    record, chosen = fine_tune(
        benchmark,
        job.pair,
        job.row.fine_tunes,
        job.seed,
        {"name": options.name, "weights": options.weights},
        oracle=job.row.oracle,
        command=command,
    )
    metrics = record.oracle_target_metrics
    assert metrics is not None
    return OfficeResult(
        **_facts(benchmark, job, made),
        source_items=record.source.items["train"],
        target_items=metrics.n,
        oracle_target_accuracy=metrics.accuracy,
        oracle_target_auroc=metrics.auroc,
        chosen=chosen,
        seconds=record.training_seconds,
        threads=record.environment.threads,
        processor=record.environment.processor,
        command=command,
    )
