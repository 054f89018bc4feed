"""Reading a run folder. Whatever is missing or damaged becomes a note, never a traceback."""

from __future__ import annotations

import csv
import json
import math
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel

from acclimate.core.errors import AcclimateError, RecordError
from acclimate.core.records import RunRecord, read_record

Array = np.ndarray[Any, Any]
Metrics = dict[str, list[float]]
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile)


@dataclass(frozen=True)
class Items:
    """One domain's sample items, as the chosen checkpoint sees them.

    ``inputs``: (n, h, w, c) uint8, ``None`` for vectors. ``logits``: (n, K) and ``features``:
    (n, D) float64. ``labels``: (n,) int64; the target's come from ``oracle.npz`` or are ``None``.
    ``large``: (m, h, w, c) uint8, larger pictures of the items at ``large_indices``, (m,).
    """

    inputs: Array | None
    labels: Array | None
    logits: Array
    features: Array
    names: list[str]
    large: Array | None = None
    large_indices: Array | None = None

    def __len__(self) -> int:
        return len(self.logits)

    def take(self, indices: Array) -> Items:
        """The items at ``indices``, without their larger pictures."""
        return Items(
            inputs=None if self.inputs is None else self.inputs[indices],
            labels=None if self.labels is None else self.labels[indices],
            logits=self.logits[indices],
            features=self.features[indices],
            names=[self.names[index] for index in indices],
        )

    @property
    def probabilities(self) -> Array:
        """(n, K) softmax of the logits; rows that are not finite become uniform."""
        finite = np.where(np.isfinite(self.logits).all(axis=1, keepdims=True), self.logits, 0.0)
        powers = np.exp(finite - finite.max(axis=1, keepdims=True))
        probabilities: Array = powers / powers.sum(axis=1, keepdims=True)
        return probabilities


@dataclass(frozen=True)
class Samples:
    source: Items
    target: Items


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
        samples=_read_samples(folder, notes),
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


def _read_samples(folder: Path, notes: list[str]) -> Samples | None:
    path = folder / "samples.npz"
    if not path.exists():
        return None
    try:
        arrays = _arrays(path)
        labels = _arrays(folder / "oracle.npz") if (folder / "oracle.npz").exists() else {}
        names = _item_names(folder / "item_names.json")
        indices = arrays.get("target_indices")
        target = _items(arrays, "target", labels.get("target_labels"), names.get("target"), indices)
        source = _items(arrays, "source", arrays.get("source_labels"), names.get("source"), None)
        return Samples(source, target)
    except _UNREADABLE as error:
        notes.append(f"samples.npz was not read: {type(error).__name__}: {error}")
        return None


def stored_features(path: Path) -> tuple[Array, Array, Array]:
    """Features (n, D) and (m, D) float64 of one evaluation's source and target, source labels (n,).

    Raises ``RecordError`` in one line for a file that is not whole.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            source, target = (
                np.asarray(file[f"{domain}_features"], dtype=np.float64)
                for domain in ("source", "target")
            )
            labels = np.asarray(file["source_labels"], dtype=np.int64)
        if len(labels) != len(source):
            raise ValueError(f"{len(source)} items but {len(labels)} labels")
        return source.reshape(len(source), -1), target.reshape(len(target), -1), labels
    except _UNREADABLE as error:
        raise RecordError(f"{path.name} is damaged") from error


def _read_shift(path: Path, notes: list[str]) -> Shift | None:
    if not path.exists():
        return None
    try:
        return Shift.model_validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        notes.append(f"{path.name} was not read: {' '.join(str(error).split())[:120]}")
        return None


def _arrays(path: Path) -> dict[str, Array]:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _item_names(path: Path) -> dict[str, list[str]]:
    if not path.exists():
        return {}
    raw = json.loads(path.read_text(encoding="utf-8"))
    return {key: [str(name) for name in names] for key, names in raw.items()}


def _items(
    arrays: dict[str, Array],
    domain: str,
    labels: Array | None,
    names: list[str] | None,
    indices: Array | None,
) -> Items:
    logits = np.asarray(arrays[f"{domain}_logits"], dtype=np.float64)
    features = np.asarray(arrays[f"{domain}_features"], dtype=np.float64)
    inputs = arrays.get(f"{domain}_inputs")
    if inputs is not None and (inputs.ndim != 4 or inputs.dtype != np.uint8):
        inputs = None
    count = len(logits)
    if names is None:
        numbers = range(count) if indices is None else indices
        names = [f"{domain} item {number}" for number in numbers]
    parts = {"features": features, "inputs": inputs, "labels": labels, "names": names}
    for part, values in parts.items():
        if values is not None and len(values) != count:
            raise ValueError(f"{domain} has {count} logits but {len(values)} {part}")
    large = _larger_pictures(arrays, domain, count)
    return Items(inputs, labels, logits, features.reshape(count, -1), names, *large)


def _larger_pictures(
    arrays: dict[str, Array], domain: str, count: int
) -> tuple[Array | None, Array | None]:
    large, indices = arrays.get(f"{domain}_large"), arrays.get(f"{domain}_large_indices")
    if large is None or indices is None or large.ndim != 4 or large.dtype != np.uint8:
        return None, None
    fits = len(large) == len(indices) and bool(np.all((indices >= 0) & (indices < count)))
    return (large, indices) if fits else (None, None)
