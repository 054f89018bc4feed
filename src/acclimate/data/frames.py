"""CSV and Parquet files as they are on disk: columns with names, and nothing guessed about them."""

from __future__ import annotations

import csv
import gzip
import io
import warnings
import zlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from acclimate.core.errors import DataError

if TYPE_CHECKING:
    from pandas import DataFrame

CSV, PARQUET = (".csv", ".tsv", ".csv.gz", ".tsv.gz"), (".parquet", ".pq")
SEPARATORS = (",", ";", "\t", "|")


def is_frame(path: Path) -> bool:
    return path.name.lower().endswith((*CSV, *PARQUET)) and not path.is_dir()


def plain_name(path: Path) -> str:
    """The file's name without its endings.

    >>> plain_name(Path("data/books.test.csv.gz"))
    'books.test'
    """
    return Path(path.stem).stem if path.suffix.lower() == ".gz" else path.stem


def read_frame(path: Path, as_text: Iterable[str] = (), as_words: Iterable[str] = ()) -> DataFrame:
    """All rows and columns.

    Columns ``as_text`` and ``as_words`` of a CSV file are strings whatever they look like. What says
    *missing*, such as an empty cell or ``NA``, is missing; in columns ``as_text`` only an empty cell
    is, since there ``NA`` or ``None`` may be a word, a name or a class. Raises ``DataError``.
    """
    try:
        if path.name.lower().endswith(PARQUET):
            frame = _read_parquet(path)
        else:
            frame = _read_csv(path, frozenset(as_text), frozenset(as_words))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is truncated or damaged ({error}); write it again") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    if frame.empty:
        raise DataError(f"{path} has no rows; a table needs a line of column names and rows below")
    return frame


def _read_csv(path: Path, as_text: frozenset[str], as_words: frozenset[str]) -> DataFrame:
    import pandas
    from pandas._libs.parsers import STR_NA_VALUES

    try:
        text = _bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not UTF-8: byte {error.object[error.start]:#04x} at {error.start}; save it as UTF-8"
        ) from error
    names, separator = _head(path, text)
    missing = {name: [""] if name in as_text else [*STR_NA_VALUES] for name in names}
    with warnings.catch_warnings():
        # more cells in a row than there are names; pandas would drop them
        warnings.simplefilter("error", pandas.errors.ParserWarning)
        try:
            frame = pandas.read_csv(
                io.StringIO(text),
                sep=separator,
                names=names,
                header=0,
                index_col=False,
                dtype=dict.fromkeys((as_text | as_words) & set(names), "str"),
                keep_default_na=False,
                na_values=missing,
                low_memory=False,
            )
        except (pandas.errors.ParserError, pandas.errors.ParserWarning, ValueError) as error:
            raise DataError(
                f"{path} cannot be read as a CSV file with {separator!r} between cells: "
                f"{' '.join(str(error).split())}"
            ) from error
    return _with_decimal_points(frame, as_text | as_words) if separator == ";" else frame


def _bytes(path: Path) -> bytes:
    if path.suffix.lower() == ".gz":
        with gzip.open(path) as packed:
            return packed.read()
    return path.read_bytes()


def _head(path: Path, text: str) -> tuple[list[str], str]:
    """Names of the columns, and what stands between cells: whatever gives the most of them."""
    if "\0" in text[:1000]:
        raise DataError(f"{path} is no CSV file; it holds binary data")
    lines = text.lstrip("\r\n").splitlines()
    if not lines:
        raise DataError(f"{path} is empty; a table needs a line of column names and rows below")
    try:
        heads = {
            # a line may end with \n, \r\n or \r
            mark: next(csv.reader(io.StringIO(text.lstrip("\r\n"), newline=None), delimiter=mark))
            for mark in SEPARATORS
        }
    except csv.Error as error:
        raise DataError(f"{path} cannot be read as a CSV file: {error}") from error
    separator = max(SEPARATORS, key=lambda mark: len(heads[mark]))
    names = [name.strip() or f"Unnamed: {place}" for place, name in enumerate(heads[separator])]
    _check_names(path, names)
    return names, separator


def _check_names(path: Path, names: list[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(
            f"{path} has {len(twice)} column names more than once: {', '.join(map(repr, twice[:5]))}; "
            "give each column its own"
        )


def _with_decimal_points(frame: DataFrame, strings: frozenset[str]) -> DataFrame:
    """Where semicolons stand between cells, 1,5 is one and a half."""
    import pandas

    for name in frame.columns:
        column = frame[name]
        if name in strings or column.dtype.kind in "iufb":
            continue
        present = column.dropna().astype("str")
        if len(present) and present.str.fullmatch(r"\s*[+-]?\d*,?\d+\s*").all():
            frame[name] = pandas.to_numeric(column.astype("str").str.replace(",", "."), "coerce")
    return frame


def _read_parquet(path: Path) -> DataFrame:
    import pandas
    import pyarrow

    try:
        from pyarrow import parquet

        names = [str(name) for name in parquet.read_schema(path).names]
        _check_names(path, names)
        frame = pandas.read_parquet(path)
    except (pyarrow.ArrowException, ValueError) as error:
        raise DataError(
            f"{path} is truncated, damaged or no Parquet file ({' '.join(str(error).split())[:120]}); "
            "write it again"
        ) from error
    frame.columns = frame.columns.map(str)
    return frame.reset_index(drop=True)
