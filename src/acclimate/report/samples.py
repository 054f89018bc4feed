"""The sample items of a run folder, and the features of its evaluations."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from acclimate.core.errors import RecordError
from acclimate.core.records import RunRecord

Array = np.ndarray[Any, Any]
DOMAINS = ("source", "target")
_UNREADABLE = (
    OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


@dataclass(frozen=True)
class Items:
    """One domain's sample items, as the chosen checkpoint sees them.

    ``inputs``: (n, h, w, c) uint8, ``None`` for vectors. ``logits``: (n, K) and ``features``:
    (n, D) float64. ``labels``: (n,) int64; the target's come from ``oracle.npz`` or are ``None``.
    ``large``: (m, h, w, c) uint8, larger pictures of the items at ``large_indices``, (m,).

    Of retrieval, K is 0, ``features`` are descriptors of unit length, labels are identities,
    ``cameras`` (n,) int64 or ``None``; and there are no pictures, since they would be of people.
    """

    inputs: Array | None
    labels: Array | None
    logits: Array
    features: Array
    names: list[str]
    large: Array | None = None
    large_indices: Array | None = None
    cameras: Array | None = None

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
            cameras=None if self.cameras is None else self.cameras[indices],
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


def read_samples(folder: Path, record: RunRecord, notes: list[str]) -> Samples | None:
    """What ``folder`` holds of them; damage becomes one of the ``notes``."""
    path = folder / "samples.npz"
    if not path.exists():
        return None
    try:
        arrays = _arrays(path)
        labels = _arrays(folder / "oracle.npz") if (folder / "oracle.npz").exists() else {}
        names = _item_names(folder / "item_names.json")
        indices = arrays.get("target_indices")
        items = _described if record.objective == "retrieval" else _items
        target = items(arrays, "target", labels.get("target_labels"), names.get("target"), indices)
        source = items(arrays, "source", arrays.get("source_labels"), names.get("source"), None)
        return Samples(source, target)
    except _UNREADABLE as error:
        notes.append(f"samples.npz was not read: {type(error).__name__}: {error}")
        return None


@dataclass(frozen=True)
class Stored:
    """One evaluation: features (n, D) and (m, D) float64, ``labels`` (n,) int64 of the source.

    ``cameras`` of retrieval, by domain: (n,) and (m,) int64, or ``None``; its features are
    descriptors of unit length.
    """

    source: Array
    target: Array
    labels: Array
    cameras: dict[str, Array | None] = field(default_factory=dict)

    def take(self, ours: Array, theirs: Array) -> Stored:
        """The source's items at ``ours`` and the target's at ``theirs``."""
        chosen = {"source": ours, "target": theirs}
        cameras = {d: None if c is None else c[chosen[d]] for d, c in self.cameras.items()}
        return Stored(self.source[ours], self.target[theirs], self.labels[ours], cameras)


def stored_features(path: Path) -> Stored:
    """What the film draws of one evaluation.

    Raises ``RecordError`` in one line for a file that is not whole.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            labels = np.asarray(file["source_labels"], dtype=np.int64)
            parts = {domain: _features(file, domain) for domain in DOMAINS}
            cameras = {domain: _cameras(file, domain, len(parts[domain])) for domain in DOMAINS}
        if len(labels) != len(parts["source"]):
            raise ValueError(f"{len(parts['source'])} items but {len(labels)} labels")
        return Stored(parts["source"], parts["target"], labels, cameras)
    except _UNREADABLE as error:
        raise RecordError(f"{path.name} is damaged") from error


def unit(descriptors: Array) -> Array:
    """(n, D) float64 of unit length: the nearest are then those of the largest cosine.

    Rows that are not finite become NaN, rows of nothing but zeros stay.

    >>> unit(np.array([[3.0, 4.0], [0.0, 0.0], [1.0, np.inf]])).tolist()
    [[0.6, 0.8], [0.0, 0.0], [nan, nan]]
    """
    rows = _rows(np.asarray(descriptors, dtype=np.float64))
    rows = np.where(np.isfinite(rows).all(axis=1, keepdims=True), rows, np.nan)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1.0))


def _features(arrays: Mapping[str, Array], domain: str) -> Array:
    if f"{domain}_descriptors" in arrays:
        return unit(arrays[f"{domain}_descriptors"])
    return _rows(np.asarray(arrays[f"{domain}_features"], dtype=np.float64))


def _rows(values: Array) -> Array:
    return values.reshape(len(values), -1)


def _cameras(arrays: Mapping[str, Array], domain: str, count: int) -> Array | None:
    cameras = arrays.get(f"{domain}_cameras")
    if cameras is None:
        return None
    if cameras.shape != (count,):
        raise ValueError(f"{domain} has {count} items but cameras of shape {cameras.shape}")
    return cameras.astype(np.int64)


def _arrays(path: Path) -> dict[str, Array]:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _item_names(path: Path) -> dict[str, list[str]]:
    if not path.exists():
        return {}
    raw = json.loads(path.read_text(encoding="utf-8"))
    return {key: [str(name) for name in names] for key, names in raw.items()}


def _described(
    arrays: dict[str, Array],
    domain: str,
    labels: Array | None,
    names: list[str] | None,
    indices: Array | None,
) -> Items:
    """Items of retrieval; whatever pictures there may be, they are left where they are."""
    features = unit(arrays[f"{domain}_features"])
    count = len(features)
    names = _numbered(domain, count, indices) if names is None else names
    _check_lengths(domain, count, "descriptors", {"labels": labels, "names": names})
    return Items(
        inputs=None,
        labels=labels,
        logits=np.zeros((count, 0)),
        features=features,
        names=names,
        cameras=_cameras(arrays, domain, count),
    )


def _numbered(domain: str, count: int, indices: Array | None) -> list[str]:
    return [f"{domain} item {number}" for number in (range(count) if indices is None else indices)]


def _check_lengths(domain: str, count: int, of: str, parts: Mapping[str, Any]) -> None:
    for part, values in parts.items():
        if values is not None and len(values) != count:
            raise ValueError(f"{domain} has {count} {of} but {len(values)} {part}")


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
    names = _numbered(domain, count, indices) if names is None else names
    parts = {"features": features, "inputs": inputs, "labels": labels, "names": names}
    _check_lengths(domain, count, "logits", parts)
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
