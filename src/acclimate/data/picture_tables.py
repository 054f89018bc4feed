"""CSV files that list pictures: path, class, domain and split of each."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from acclimate.core.errors import DataError, near_miss
from acclimate.data.folders import (
    KNOWN_BUT_UNSUPPORTED,
    PictureFiles,
    join_names,
    natural_key,
)
from acclimate.data.found_pictures import FoundPictures
from acclimate.data.frames import CSV, SEPARATORS, plain_name
from acclimate.data.images import EXTENSIONS

PICTURE_COLUMNS = ("img", "image", "path", "file", "filename")
LABEL_COLUMNS = ("label", "class", "class_name", "category")
DOMAIN_COLUMN, SPLIT_COLUMN = "domain", "split"

_SPEC = re.compile(rf"(.*(?:{'|'.join(map(re.escape, CSV))})):(.*)", re.IGNORECASE | re.DOTALL)
_HEAD_BYTES = 1 << 16
_HEAD_ROWS = 20


class Row(NamedTuple):
    """One picture of a table; empty text where a cell, or its column, is missing."""

    line: int
    file: str
    label: str
    domain: str
    split: str


@dataclass(frozen=True)
class PictureTable:
    """The pictures that a CSV file lists, or some: ``choice`` is ``""``, ``DOMAIN``,
    ``DOMAIN/SPLIT`` or ``/SPLIT``.
    """

    path: Path
    choice: str = ""

    def __str__(self) -> str:
        return f"{self.path}:{self.choice}" if self.choice else str(self.path)


def find_table(text: str) -> PictureTable | None:
    """The list of pictures that ``FILE.csv`` or ``FILE.csv:CHOICE`` means; ``None`` for any other text.

    A CSV file is one where a column is called ``img``, ``image``, ``path``, ``file`` or
    ``filename`` and names pictures. Raises ``DataError`` for a ``CHOICE`` of a file that is none.
    """
    whole = Path(text).expanduser()
    if whole.exists():
        return PictureTable(whole) if _is_csv(whole) and lists_pictures(whole) else None
    parts = _SPEC.fullmatch(text)
    if parts is None:
        return None
    path = Path(parts[1]).expanduser()
    if not path.is_file():
        raise DataError(f"there is no file {path}; check the spelling of the path")
    if not lists_pictures(path):
        raise DataError(
            f"{path} lists no pictures, so that ':{parts[2]}' chooses nothing: it needs a column "
            f"{', '.join(PICTURE_COLUMNS[:-1])} or {PICTURE_COLUMNS[-1]} with names of pictures"
        )
    return PictureTable(path, parts[2])


def lists_pictures(path: Path) -> bool:
    """Whether the first rows of a CSV file name pictures; ``False`` for what cannot be read."""
    try:
        with _binary(path) as file:
            head = file.read(_HEAD_BYTES)
    except (OSError, EOFError, zlib.error):
        return False
    lines = head.decode("utf-8-sig", errors="replace").splitlines()
    # the last line may be cut
    rows = _parsed(lines[:-1] if len(head) == _HEAD_BYTES else lines)[: _HEAD_ROWS + 1]
    return len(rows) > 1 and _picture_column(rows) is not None


def _picture_column(rows: Sequence[Sequence[str]]) -> int | None:
    """The column of ``rows``, of which the first are the names, that names pictures."""
    known = EXTENSIONS | KNOWN_BUT_UNSUPPORTED
    for name in PICTURE_COLUMNS:
        column = _column(rows[0], (name,))
        if column is None:
            continue
        files = [row[column].strip() for row in rows[1:] if len(row) > column]
        suffixes = {Path(file).suffix.lower() for file in files if file}
        if suffixes and suffixes <= known:
            return column
    return None


def find_pictures(table: PictureTable) -> FoundPictures:
    """The chosen rows, in their order, as pictures with classes.

    Paths are relative to the file. Raises ``DataError``: unreadable, no rows, several domains and
    none chosen, an unknown domain or split, a path that is gone (with its line).
    """
    rows = _read(table.path)
    name, chosen = _choose(table, rows)
    root = table.path.parent
    files = _existing(table.path, root, chosen)
    skipped = [
        f"{row.file}: line {row.line} of {table.path.name} names no domain"
        for row in rows
        if name and not row.domain
    ]
    return FoundPictures(
        what=str(table),
        name=name or plain_name(table.path),
        root=root,
        pictures=PictureFiles(root, tuple(files)),
        classes=tuple(row.label or None for row in chosen),
        skipped=tuple(skipped),
        how_to_label=f"give {table.path.name} a column 'label'",
    )


def _choose(table: PictureTable, rows: list[Row]) -> tuple[str, list[Row]]:
    """The chosen domain's name and its rows."""
    domains = _values(row.domain for row in rows)
    domain, split = table.choice, ""
    # a domain may have a slash in its name
    if domain and domain not in domains:
        domain, _, split = domain.rpartition("/") if "/" in domain else (domain, "", "")
    if domain and domain not in domains:
        splits = _values(row.split for row in rows)
        hint = f" For the split write {table.path}:/{domain}" if domain in splits else ""
        raise DataError(_unknown(table.path, "domain", domain, domains) + hint)
    if not domain and len(domains) > 1:
        raise DataError(
            f"{table.path} has the domains {join_names(domains)}: say which, for example "
            f"{table.path}:{domains[0]}"
        )
    domain = domain or (domains[0] if domains else "")
    rows = [row for row in rows if row.domain == domain]
    splits = _values(row.split for row in rows)
    if split and split not in splits:
        raise DataError(_unknown(table.path, "split", split, splits))
    return domain, [row for row in rows if not split or row.split == split]


def _values(cells: Iterable[str]) -> list[str]:
    return sorted({cell for cell in cells if cell}, key=natural_key)


def _unknown(path: Path, what: str, name: str, known: Sequence[str]) -> str:
    if not known:
        return f"{path} has no column {what!r}, so that {name!r} chooses nothing"
    return f"{path} has no {what} {name!r}; it has {join_names(known)}.{_closest(name, known)}"


def _closest(name: str, known: Sequence[str]) -> str:
    hint = near_miss(name, known)
    return hint if hint.startswith(" Did") else ""


def _short(path: Path) -> str:
    line = " ".join(str(path).split())
    return line if len(line) <= 200 else f"{line[:200]}…"


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # no name that a file can have
        return False


def _existing(path: Path, root: Path, rows: list[Row]) -> list[str]:
    files, gone = [], []
    for row in rows:
        # tables made on Windows have its slashes
        names = (row.file, row.file.replace("\\", "/"))
        found = next((name for name in names if _is_file(root / name)), None)
        files.append(found or row.file)
        if found is None:
            gone.append(row)
    if gone:
        more = f" ({len(gone)} rows are like that)" if len(gone) > 1 else ""
        raise DataError(
            f"{path}, line {gone[0].line}: there is no file {_short(root / gone[0].file)}{more}; correct "
            f"the path, which is relative to {path.name}, or remove the row"
        )
    return files


def _read(path: Path) -> list[Row]:
    try:
        with _binary(path) as file:
            text = file.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 ({error.reason}); save it as UTF-8") from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}; write it again") from error
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text.splitlines()))
    try:
        lines = [(reader.line_num, cells) for cells in reader if any(c.strip() for c in cells)]
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}") from error
    return list(_rows(path, lines))


def _rows(path: Path, lines: Sequence[tuple[int, list[str]]]) -> Iterable[Row]:
    head = lines[0][1]
    names = (LABEL_COLUMNS, (DOMAIN_COLUMN,), (SPLIT_COLUMN,))
    first = [cells for _, cells in lines[: _HEAD_ROWS + 1]]
    columns = [_picture_column(first), *(_column(head, some) for some in names)]
    for line, cells in lines[1:]:
        values = [
            cells[column].strip() if column is not None and column < len(cells) else ""
            for column in columns
        ]
        if not values[0]:
            raise DataError(f"{path}, line {line}: there is no picture in this row")
        yield Row(line, *values)


def _column(head: Sequence[str], names: Sequence[str]) -> int | None:
    """Where the first of ``names`` stands that ``head`` has, capitals aside."""
    places = {name.strip().casefold(): place for place, name in reversed([*enumerate(head)])}
    return next((places[name] for name in names if name in places), None)


def _parsed(lines: list[str]) -> list[list[str]]:
    try:
        return [row for row in csv.reader(lines, delimiter=_separator(lines)) if row]
    except csv.Error:
        return []


def _separator(lines: Sequence[str]) -> str:
    """What gives the most columns."""
    first = next((line for line in lines if line.strip()), "")
    return max(SEPARATORS, key=lambda mark: len(next(csv.reader([first], delimiter=mark), [])))


def _is_csv(path: Path) -> bool:
    return path.is_file() and path.name.lower().endswith(CSV)


def _binary(path: Path) -> io.BufferedIOBase:
    if path.suffix.lower() == ".gz":
        return gzip.open(path)
    return open(path, "rb")
