"""Tables row by row: from the names of rows to runs, and from runs to results."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acclimate.core.errors import UnknownNameError
from acclimate.experiments.results import RowResult, result_of, write_result
from acclimate.experiments.row_training import train_row
from acclimate.experiments.tables import Pair, Row, Table
from acclimate.training.observer import Observer
from acclimate.training.settings import FitSettings, make_settings
from acclimate.training.task import replace_settings


@dataclass(frozen=True)
class Job:
    """One row of one pair for one seed."""

    table: Table
    pair: Pair
    row: Row
    seed: int

    @property
    def name(self) -> str:
        return f"{self.pair.name}/{self.row.name} seed {self.seed}"

    @property
    def needs(self) -> list[str]:
        """Names of the jobs that this one begins with and is held against."""
        rows = filter(None, (self.row.start_from, self.row.reference))
        return [f"{self.pair.name}/{row} seed {self.seed}" for row in rows]

    def folder(self, runs: Path, row: str | None = None) -> Path:
        return (
            runs / self.table.name / self.pair.name / f"seed-{self.seed}" / (row or self.row.name)
        )


def jobs_of(table: Table, names: Sequence[str], seeds: Iterable[int]) -> list[Job]:
    """The jobs behind ``"PAIR"`` and ``"PAIR/ROW"`` (all without a name), seed by seed.

    What a row needs, the one it starts from and the one it is held against, comes along and comes
    first. Raises ``UnknownNameError`` for an unknown pair or row.
    """
    wanted: set[tuple[str, str]] = set()
    for name in names or [pair.name for pair in table.pairs]:
        pair, _, row = name.partition("/")
        if any(pair == each.name for each in table.rows):
            known = ", ".join(each.name for each in table.pairs)
            raise UnknownNameError(
                f"{pair!r} is a row of table {table.name}: write PAIR/{pair}, PAIR one of {known}"
            )
        found = table.pair(pair).name
        for each in [table.row(row)] if row else table.rows:
            wanted |= {(found, needed) for needed in _with_needs(table, each)}
    return [
        Job(table, pair, row, seed)
        for seed in seeds
        for pair in table.pairs
        for row in table.rows
        if (pair.name, row.name) in wanted
    ]


def _with_needs(table: Table, row: Row) -> set[str]:
    needs = {row.name}
    for name in (row.start_from, row.reference):
        if name is not None and name != row.name:
            needs |= _with_needs(table, table.row(name))
    return needs


def settings_of(job: Job, runs: Path, changes: dict[str, Any]) -> FitSettings:
    """The settings of a job; ``changes`` (device, steps …) go before the table's own."""
    own = job.pair.paper if job.row.family == "paper" else job.pair.best
    values: dict[str, Any] = {
        "source": job.pair.source,
        "target": job.pair.target,
        "seed": job.seed,
        **own,
        "algorithm": job.row.algorithm,
        **job.row.settings,
        **changes,
    }
    if "steps" in changes:
        values.pop("epochs", None)
    if job.row.start_from is not None:
        values["start_from"] = str(job.folder(runs, job.row.start_from))
    protocol = "paper" if job.row.family == "paper" else "default"
    made = make_settings(protocol, **values)
    return made if job.row.length == 1 else _shortened(made, job.row.length)


def _shortened(settings: FitSettings, length: float) -> FitSettings:
    """A share of the budget: of the epochs where it is given in epochs, else of the steps."""
    if settings.epochs is not None and length > 0:
        return replace_settings(settings, epochs=settings.epochs * length)
    # a stage that trains at all trains a step, also in a trial of one step
    steps = max(1, round(settings.step_count(0) * length)) if length > 0 else 0
    return replace_settings(settings, steps=steps, epochs=None)


def run_job(
    job: Job,
    *,
    runs: Path,
    results: Path,
    changes: dict[str, Any] | None = None,
    observer: Observer | None = None,
    command: str = "",
) -> RowResult:
    """Train one row, or go on with it, or take it as it is where it is finished; write its result.

    Raises ``AcclimateError``; what was begun is continued by the same call.
    """
    settings = settings_of(job, runs, changes or {})
    folder = job.folder(runs)
    reference = None
    if job.row.reference is not None:
        reference = job.folder(runs, job.row.reference)
    record = train_row(settings, folder, baseline=reference, observer=observer, command=command)
    result = result_of(record, job.table, job.pair, job.row)
    write_result(results, result)
    return result
