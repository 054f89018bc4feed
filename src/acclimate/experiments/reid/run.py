"""Running the table: from names of rows to runs, and from runs to results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acclimate.core.records import RECORD_NAME, read_record
from acclimate.experiments.reid.pairs import PAIRS, Pair
from acclimate.experiments.reid.recipes import BASE, COMMON, PAPER_ROWS, ROWS, Recipe
from acclimate.experiments.reid.results import ReidResult, result_of, table_name, write
from acclimate.experiments.row_names import named_rows
from acclimate.experiments.row_training import train_row
from acclimate.training.observer import Observer
from acclimate.training.settings import FitSettings, make_settings


@dataclass(frozen=True)
class Job:
    """One row of one pair on one split."""

    recipe: Recipe
    pair: Pair
    row: str
    split: int

    @property
    def name(self) -> str:
        return f"{self.pair.name}/{self.row} split {self.split}"

    def folder(self, runs: Path, row: str | None = None) -> Path:
        place = runs / table_name(self.recipe) / self.pair.name / f"split-{self.split}"
        return place / (row or self.row)


def wanted(recipe: Recipe, names: Sequence[str], splits: Sequence[int]) -> list[Job]:
    """The jobs behind ``"PAIR"``, ``"PAIR/ROW"`` and ``"*/ROW"``, split by split; all without a name.

    Raises ``ConfigurationError`` for an unknown pair and ``UnknownNameError`` for an unknown row.
    """
    chosen = named_rows(names, PAIRS, ROWS, table="reproduce reid")
    return [
        Job(recipe, pair, row, split)
        for split in dict.fromkeys(splits)
        for pair in PAIRS.values()
        for row in ROWS
        if (pair.name, row) in chosen
    ]


def settings_of(job: Job, changes: Mapping[str, Any]) -> FitSettings:
    """The settings of a job; ``changes`` (network, steps …) go before the recipe's own.

    The split decides both who is in which part and how training is drawn.
    """
    pair, protocol = job.pair, str(job.recipe)
    own: dict[str, Any] = {"objective": "retrieval"}
    if job.recipe == "paper":
        own["steps"] = pair.paper_steps
    elif changes.get("network") == "backbone":
        protocol = "photos"
    else:
        own |= COMMON
    if changes.get("network") not in (None, own.get("network")):
        own.pop("network_options", None)  # they were another network's
    rows = PAPER_ROWS if job.recipe == "paper" else ROWS
    own = _merged(own, rows[job.row], changes)
    data = {"source": pair.source, "target": pair.target}
    return make_settings(protocol, **{**own, **data, "seed": job.split, "split_seed": job.split})


def _merged(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Later layers before earlier ones; options of a part are added up."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            before = merged.get(key)
            if isinstance(value, Mapping) and isinstance(before, Mapping):
                value = {**before, **value}
            merged[key] = value
    return merged


def run_job(
    job: Job,
    *,
    runs: Path,
    results: Path,
    changes: Mapping[str, Any] | None = None,
    observer: Observer | None = None,
    command: str = "",
) -> ReidResult:
    """Train one row, or go on with it, or take it as it is where it is finished; write its result.

    Raises ``AcclimateError``; what was begun is continued by the same call.
    """
    base = job.folder(runs, BASE)
    record = train_row(
        settings_of(job, changes or {}),
        job.folder(runs),
        # for the run's report, which holds it against source-only where that is there
        baseline=base if job.row != BASE and _is_finished(base) else None,
        observer=observer,
        command=command,
    )
    result = result_of(record, job.recipe, job.pair.name, job.row)
    write(results, result)
    return result


def _is_finished(folder: Path) -> bool:
    return (folder / RECORD_NAME).exists() and read_record(folder).status == "finished"
