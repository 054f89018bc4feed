"""Results of table rows on disk: one small file for each row and seed, schema-checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from acclimate.core.errors import RecordError
from acclimate.core.files import write_text_atomically
from acclimate.core.records import RunRecord
from acclimate.experiments.tables import Pair, Row, Table


class RowResult(BaseModel):
    """What one row gave for one seed. Fields with ``oracle`` in their name used target labels.

    ``oracle_target_accuracy`` is measured at the checkpoint that was chosen without target labels;
    ``oracle_last_accuracy`` at the last one, ``oracle_best_accuracy`` at the one that target labels
    would have chosen among those evaluated. All accuracies in [0, 1]. ``seconds``: of training.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    table: str
    pair: str
    row: str
    seed: int = Field(ge=0)
    algorithm: str
    uses_target_labels: bool
    source: str
    target: str
    items: dict[str, int]
    settings: dict[str, Any]
    estimate: float | None
    verdict: str | None
    oracle_target_accuracy: float | None = Field(ge=0, le=1)
    oracle_last_accuracy: float | None = Field(ge=0, le=1)
    oracle_best_accuracy: float | None = Field(ge=0, le=1)
    steps: int
    chosen_step: int | None
    last_layer: str | None = None
    seconds: float = Field(ge=0)
    peak_memory_mib: float | None = None
    warnings: list[str] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list, description="what was said of the data")
    acclimate: str
    torch: str
    processor: str
    device: str
    precision: str
    threads: int
    finished: str | None
    command: str


def result_of(record: RunRecord, table: Table, pair: Pair, row: Row) -> RowResult:
    """A finished run as the result of a row."""
    curve = [e.oracle_target_accuracy for e in record.evaluations]
    known = [value for value in curve if value is not None]
    measured = record.oracle_target_metrics
    # where the last layer was made after training, the curve is another model's
    trained = record.last_layer is None
    environment = record.environment
    return RowResult(
        table=table.name,
        pair=pair.name,
        row=row.name,
        seed=record.settings["seed"],
        algorithm=record.algorithm,
        uses_target_labels=record.uses_target_labels,
        source=record.source.name,
        target=record.target.name,
        items={
            **{f"source {part}": count for part, count in record.source.items.items()},
            **{f"target {part}": count for part, count in record.target.items.items()},
        },
        # the row, not where it lies on this machine
        settings={**record.settings, "start_from": row.start_from},
        estimate=None if record.estimate is None else record.estimate.value,
        verdict=None if record.verdict is None else record.verdict.outcome,
        oracle_target_accuracy=None if measured is None else measured.accuracy,
        oracle_last_accuracy=curve[-1] if curve and trained else None,
        oracle_best_accuracy=max(known) if known and trained else None,
        steps=record.steps_done,
        chosen_step=None if record.chosen is None else record.chosen.step,
        last_layer=record.last_layer,
        seconds=record.training_seconds,
        peak_memory_mib=record.peak_memory_mib,
        warnings=[f"step {warned.step}: {warned.message}" for warned in record.warnings],
        notes=[
            f"{domain.name}: {note}"
            for domain in (record.source, record.target)
            for note in domain.notes
        ],
        acclimate=environment.acclimate,
        torch=environment.torch,
        processor=environment.processor,
        device=environment.device,
        precision=environment.precision,
        threads=environment.threads,
        finished=record.finished,
        command=record.command,
    )


def result_path(folder: Path, table: str, pair: str, row: str, seed: int) -> Path:
    return folder / table / pair / f"{row}-seed{seed}.json"


def write_result(folder: Path, result: RowResult) -> Path:
    """Write a result where it belongs below ``folder``; whole or not at all."""
    path = result_path(folder, result.table, result.pair, result.row, result.seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text_atomically(path, result.model_dump_json(indent=1) + "\n")
    return path


def read_results(folder: Path, table: str) -> list[RowResult]:
    """All results of a table, sorted by their path.

    Raises ``RecordError`` for a file that is none, and for one under another result's name: a
    copy would count twice.
    """
    return [_read(folder, path) for path in sorted((folder / table).glob("*/*.json"))]


def _read(folder: Path, path: Path) -> RowResult:
    try:
        found = RowResult.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        problem = str(error)
        if isinstance(error, ValidationError):
            first = error.errors()[0]
            problem = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise RecordError(
            f"{path} is not a result of a table ({problem}); delete it and run the row again"
        ) from error
    belongs = result_path(folder, found.table, found.pair, found.row, found.seed)
    if path != belongs:
        raise RecordError(f"{path} holds the result that belongs in {belongs}; delete or rename it")
    return found
