"""Reading a run folder. Whatever is missing or damaged becomes a note, never a traceback."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel

from acclimate.core.errors import AcclimateError
from acclimate.core.records import RunRecord, read_record
from acclimate.report.samples import Samples, read_samples

Metrics = dict[str, list[float]]


class ShiftedFeature(BaseModel):
    """``difference`` of the target's mean from the source's, in deviations: from -2 to 2."""

    name: str
    difference: float


class ItemWeight(BaseModel):
    name: str
    weight: float


class Weights(BaseModel):
    """How much likelier source items are in the target, 1 on average; their mean before it was made 1.

    ``effective_share``: of the items, in [0, 1]. ``quantiles``: by share, as ``"0.5"``.
    """

    mean_ratio: float
    effective_share: float
    quantiles: dict[str, float]
    largest: list[ItemWeight]
    smallest: list[ItemWeight]


class Shift(BaseModel):
    """``features.json``: how far apart the inputs of the two domains lie."""

    proxy_a_distance: float
    features: int
    most_shifted: list[ShiftedFeature]
    weights: Weights | None = None


@dataclass(frozen=True)
class Run:
    """A run folder's content; ``notes`` says in words what could not be read."""

    folder: Path
    record: RunRecord
    metrics: Metrics
    samples: Samples | None
    baseline: Run | None
    shift: Shift | None = None
    notes: list[str] = field(default_factory=list)


def load_run(folder: Path, with_baseline: bool = True) -> Run:
    """Everything in ``folder``; raises ``RecordError`` when it is not a run folder."""
    record = read_record(folder)
    notes: list[str] = []
    baseline = _load_baseline(folder, record, notes) if with_baseline else None
    return Run(
        folder=folder,
        record=record,
        metrics=_read_metrics(folder / "metrics.csv", notes),
        samples=read_samples(folder, record, notes),
        baseline=baseline,
        shift=_read_shift(folder / "features.json", notes),
        notes=notes,
    )


def _load_baseline(folder: Path, record: RunRecord, notes: list[str]) -> Run | None:
    if record.baseline is None:
        return None
    place = folder / record.baseline
    if place.resolve() == folder.resolve():
        return None
    try:
        return load_run(place, with_baseline=False)
    except AcclimateError as error:  # a broken neighbour must not cost this run its report
        notes.append(f"The source-only run was not read: {error}")
        return None


def _read_metrics(path: Path, notes: list[str]) -> Metrics:
    if not path.exists():
        return {}
    columns: Metrics = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if _number(row.get("step")) is None:
                    continue
                for name, text in row.items():
                    if name is not None:
                        value = _number(text)
                        columns.setdefault(name, []).append(math.nan if value is None else value)
    except (OSError, ValueError, csv.Error) as error:
        notes.append(f"metrics.csv was not read: {error}")
        return {}
    return columns


def _number(text: object) -> float | None:
    # a run that was killed while writing leaves a last line with cells missing
    try:
        return float(text) if isinstance(text, str) and text else None
    except ValueError:
        return None


def _read_shift(path: Path, notes: list[str]) -> Shift | None:
    if not path.exists():
        return None
    try:
        return Shift.model_validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        notes.append(f"{path.name} was not read: {' '.join(str(error).split())[:120]}")
        return None
