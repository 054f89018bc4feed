"""How rows of tables become items: settled for the domains of a task, and kept with its model."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from acclimate.core.errors import ConfigurationError, DataError, ModelFileError, near_miss
from acclimate.data.columns import Kinds, cast, check_same_columns, common_kinds, kinds_of
from acclimate.data.domain import Domain, Labels, ResidentStore, SparseStore
from acclimate.data.folders import check_class_names, natural_key
from acclimate.data.frames import is_frame, plain_name, read_frame
from acclimate.data.safe_pipeline import TABLE_NAME, load_pipeline, save_pipeline
from acclimate.data.svmlight import is_svmlight, open_svmlight, width_of
from acclimate.data.table_options import TableOptions
from acclimate.data.table_pipeline import TablePipeline, fit_pipeline, id_like

if TYPE_CHECKING:
    from pandas import DataFrame, Series

_MODEL = "the model's training data"


def is_table(path: Path) -> bool:
    """Whether ``path`` is named like a CSV, Parquet or svmlight file."""
    return is_frame(path) or is_svmlight(path)


@dataclass(frozen=True)
class Tables:
    """``pipeline`` makes vectors of CSV and Parquet rows; ``width`` is that of svmlight rows."""

    options: TableOptions = field(default_factory=TableOptions)
    pipeline: TablePipeline | None = None
    width: int | None = None
    notes: tuple[str, ...] = ()

    def open(self, path: Path, labels: Labels, class_names: tuple[str, ...] | None) -> Domain:
        """The rows of ``path`` as a domain; ``labels`` and ``class_names`` as in ``open_domain``.

        Raises ``DataError``, and ``ConfigurationError`` for CSV and Parquet without a pipeline.
        """
        if is_svmlight(path):
            return open_svmlight(path, self.width, labels, class_names)
        if self.pipeline is None:
            raise ConfigurationError(
                f"{path} is a table of named columns, and only 'acclimate fit' on such tables, or a "
                "model that it made, knows what becomes of them"
            )
        return _open_frame(path, self, self.pipeline, labels, class_names)

    @property
    def feature_names(self) -> tuple[str, ...] | None:
        return None if self.pipeline is None else self.pipeline.feature_names

    @property
    def features_sha256(self) -> str | None:
        """Tells tables apart whose features are not the same in the same order."""
        if self.pipeline is None:
            return None
        names = "\n".join(self.pipeline.feature_names)
        return hashlib.sha256(names.encode(errors="backslashreplace")).hexdigest()

    def save(self, folder: Path) -> dict[str, Any] | None:
        """Write the pipeline into a run's folder, if there is one; what ``model.json`` says of it."""
        if self.pipeline is None:
            return None
        if not (folder / TABLE_NAME).exists():
            save_pipeline(folder / TABLE_NAME, self.pipeline)
        return {
            "file": TABLE_NAME,
            "features_sha256": self.features_sha256,
            "options": self.options.model_dump(mode="json"),
        }


def load_tables(folder: Path, described: dict[str, Any] | None, width: int) -> Tables:
    """What the model in ``folder``, of ``width`` inputs, needs to read tables; ``described``: by ``save``."""
    if described is None:
        return Tables(width=width)
    options = TableOptions.build("model.json: table", described.get("options", {}))
    pipeline = load_pipeline(folder / TABLE_NAME)
    if pipeline.width != width:
        raise ModelFileError(
            f"{folder / TABLE_NAME} makes {pipeline.width} features, and the model takes {width}: "
            "they are of two runs"
        )
    return Tables(options, pipeline)


def learn_tables(
    sources: Sequence[Path | int | None], target: Path | int | None, options: TableOptions
) -> Tables | None:
    """Fit what makes vectors of the rows of a task; ``None`` where no domain is a table.

    ``None`` among the places stands for a registered data set, a number for one of vectors: how
    many features it has. Raises ``ConfigurationError`` for options that do not apply, ``DataError``
    for files that cannot be used together.
    """
    places = [*sources, target]
    paths = [place for place in places if isinstance(place, Path)]
    framed = [path for path in paths if is_frame(path)]
    if not framed:
        if options.given:
            raise ConfigurationError(
                f"{', '.join(options.given)}: only columns of CSV and Parquet files have names, and neither "
                "source nor target is one"
            )
        found = {path: width_of(path) for path in paths if is_svmlight(path)}
        known = [place for place in places if isinstance(place, int)]
        return Tables(width=_common_width(found, known)) if found else None
    if len(framed) < len(places):
        other = next((path for path in paths if path not in framed), "a registered data set")
        raise DataError(
            f"{framed[0]} is a table of named columns and {other} is not: give two of a kind"
        )
    return _learn_frames(framed[:-1], framed[-1], options)


def _common_width(found: dict[Path, int], known: Sequence[int]) -> int:
    """A file may lack the last features, which no row of it has; a registered set has all of its own."""
    widest = max(found, key=lambda path: found[path])
    if known and found[widest] > min(known):
        raise DataError(
            f"{widest} has features up to {found[widest] - 1}, the registered data set up to "
            f"{min(known) - 1}: they must count the same features"
        )
    return min(known, default=found[widest])


class _Read(NamedTuple):
    path: Path
    features: DataFrame
    kinds: Kinds


def _learn_frames(sources: Sequence[Path], target: Path, options: TableOptions) -> Tables:
    frames = {path: read_frame(path, _strings(options)) for path in (*sources, target)}
    _check_options(frames, sources, target, options)
    read = []
    for path, frame in frames.items():
        features = _features(frame, options)
        read.append(_Read(path, features, kinds_of(str(path), features, options.text)))
    kinds = _agreed(read)
    cast_frames = [cast(each.features, kinds) for each in read]
    pipeline = fit_pipeline(cast_frames, kinds, options.text_features)
    notes = tuple(id_like(cast_frames[0], kinds))
    return Tables(options, pipeline, notes=notes)


def _agreed(read: Sequence[_Read]) -> Kinds:
    first, *others = read
    kinds = first.kinds
    if not kinds:
        raise DataError(f"{first.path} has no column left to learn from; drop fewer of them")
    for other in others:
        both = kinds, str(first.path), other.kinds, str(other.path)
        check_same_columns(*both, ", or leave some out with --drop COLUMN")
        kinds = common_kinds(*both, ", or leave the column out with --drop")
    empty = [name for name, kind in kinds.items() if kind == "empty"]
    if empty:
        raise DataError(
            f"column {empty[0]!r} has no value in any row of {' and '.join(str(each.path) for each in read)}: "
            f"leave it out with --drop {empty[0]!r}"
        )
    return kinds


def _check_options(
    frames: dict[Path, DataFrame], sources: Sequence[Path], target: Path, options: TableOptions
) -> None:
    first = sources[0]
    if options.label is None:
        raise ConfigurationError(
            f"{first} needs --label COLUMN, the column of its classes. It has {_some(frames[first])}"
        )
    needed = [(path, "--label", options.label) for path in sources]
    needed += [(path, "--text", name) for path in frames for name in options.text]
    needed += [(target, "--id", options.id)] if options.id else []
    for path, option, name in needed:
        if name not in frames[path]:
            raise ConfigurationError(
                f"{option} {name}: {path} has no such column.{near_miss(name, map(str, frames[path]))}"
            )
    known = {name for frame in frames.values() for name in frame}
    for name in options.drop:
        if name not in known:
            raise ConfigurationError(
                f"--drop {name}: no table has such a column.{near_miss(name, known)}"
            )


def _open_frame(
    path: Path,
    tables: Tables,
    pipeline: TablePipeline,
    labels: Labels,
    class_names: tuple[str, ...] | None,
) -> Domain:
    options, kinds = tables.options, pipeline.kinds
    words = [name for name, kind in kinds.items() if kind == "category"]
    frame = read_frame(path, _strings(options), words)
    features = _features(frame, options)
    extra = [name for name in features if name not in kinds]
    features = features.drop(columns=extra)
    check_same_columns(kinds, _MODEL, dict.fromkeys(features), str(path))
    found = kinds_of(str(path), features, options.text)
    features = cast(features, common_kinds(kinds, _MODEL, found, str(path)))
    rows = pipeline.transform(str(path), features)
    store = (
        ResidentStore(torch.from_numpy(rows)) if isinstance(rows, np.ndarray) else SparseStore(rows)
    )
    notes = [f"columns that training had not are ignored: {', '.join(extra)}"] if extra else []
    notes += [*pipeline.unknown(features), *pipeline.wordless(rows)]
    found_labels, names, more = _labels(path, frame, options.label, labels, class_names)
    return Domain(
        plain_name(path),
        store,
        found_labels,
        names,
        _ids(path, frame, options.id),
        notes=(*notes, *more),
    )


def _strings(options: TableOptions) -> list[str]:
    """Columns that are strings whatever they look like."""
    return [name for name in (options.label, options.id, *options.text) if name is not None]


def _features(frame: DataFrame, options: TableOptions) -> DataFrame:
    left_out = {options.label, options.id, *options.drop}
    return frame[[name for name in frame if name not in left_out]]


def _labels(
    path: Path,
    frame: DataFrame,
    column: str | None,
    labels: Labels,
    class_names: tuple[str, ...] | None,
) -> tuple[torch.Tensor | None, tuple[str, ...], list[str]]:
    """Labels or ``None``, the names of the classes, and what is to be said."""
    known = class_names or ()
    if labels == "ignored" or column is None or column not in frame:
        if labels == "required":
            raise DataError(
                f"{path} has no column {column!r} with labels.{near_miss(str(column), map(str, frame))}"
            )
        return None, known, []
    missing = int(frame[column].isna().sum())
    if missing and labels == "required":
        row = int(frame[column].isna().to_numpy().argmax())
        raise DataError(
            f"{path}: column {column!r} has no label in {missing} of {len(frame)} rows, the first in row "
            f"{row}; remove these rows"
        )
    if missing:
        line = (
            f"column {column!r} has no label in {missing} of {len(frame)} rows: taken as unlabelled"
        )
        return None, known, [line]
    values = _class_values(path, frame[column], column)
    found = tuple(sorted(set(values), key=_class_key))
    if class_names is None and len(found) > max(20, len(values) // 2):
        raise DataError(
            f"{path}: column {column!r} has {len(found)} different labels in {len(values)} rows; are "
            "they classes?"
        )
    if class_names is not None:
        check_class_names(str(path), found, class_names, labels == "required")
        found = class_names
    place = {name: number for number, name in enumerate(found)}
    return torch.tensor([place[value] for value in values]), found, []


def _class_values(path: Path, column: Series, name: str) -> list[str]:
    """Labels as strings, whole numbers alike however they are written: 1 and 1.0."""
    values = [str(value).strip() for value in column]
    numbers = all(re.fullmatch(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?", value) for value in values)
    if not numbers:
        return values
    odd = [value for value in values if not float(value).is_integer()]
    if odd:
        raise DataError(
            f"{path}: column {name!r} holds {odd[0]}; labels are whole numbers or words, one for each class"
        )
    return [v if re.fullmatch(r"-?\d+", v) else str(int(float(v))) for v in values]


def _class_key(name: str) -> tuple[bool, float, Any]:
    """Numbers by size, words as people sort them."""
    try:
        value = float(name)
    except ValueError:
        value = math.nan
    # ties are parted by the text, and so is what compares with nothing
    return (
        (False, value, natural_key(name))
        if math.isfinite(value)
        else (True, 0.0, natural_key(name))
    )


def _ids(path: Path, frame: DataFrame, column: str | None) -> tuple[str, ...] | None:
    if column is None or column not in frame:
        return None
    names = frame[column]
    if names.isna().any() or names.duplicated().any():
        wrong = "empty" if names.isna().any() else "there twice"
        row = int((names.isna() if names.isna().any() else names.duplicated()).to_numpy().argmax())
        raise DataError(
            f"{path}: the id in column {column!r} of row {row} is {wrong}; each row needs its own, or "
            "leave out --id"
        )
    return tuple(str(name) for name in names)


def _some(frame: DataFrame, at_most: int = 12) -> str:
    names = [repr(name) for name in frame]
    return ", ".join(names[:at_most]) + (
        f", … ({len(names)} in all)" if len(names) > at_most else ""
    )
