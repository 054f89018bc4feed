"""CSV files that list pictures of people: path, identity, camera and split of each."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from acclimate.core.errors import DataError
from acclimate.core.types import GALLERY, PROBE
from acclimate.data.domain import Labels
from acclimate.data.folders import Listing, join_names
from acclimate.data.frames import SEPARATORS, plain_name
from acclimate.data.identity_names import PersonPicture, listing_of

PATH_COLUMNS = ("path", "img", "image", "file", "filename")
IDENTITY_COLUMNS = ("identity", "person", "pid", "id")
CAMERA_COLUMNS = ("camera", "camid", "cam")
SPLIT_COLUMN = "split"
ROLES = {"train": None, "query": PROBE, "gallery": GALLERY}
"""Values of the column ``split``, and what a picture is for then."""


@dataclass(frozen=True, kw_only=True)
class Row:
    line: int
    picture: PersonPicture
    split: str


@dataclass(frozen=True)
class PeopleTable:
    """The rows of a CSV file, and what ``cameras`` it names in all."""

    path: Path
    rows: tuple[Row, ...]

    @property
    def has_test(self) -> bool:
        return any(row.split in ("query", "gallery") for row in self.rows)

    def listing(self, split: str) -> Listing:
        """The rows of ``"train"`` or ``"test"`` (query and gallery), or ``"all"``.

        Raises ``DataError`` where there are none.
        """
        wanted = {"train": ("train",), "test": ("query", "gallery")}.get(split, (*ROLES, ""))
        chosen = [row.picture for row in self.rows if row.split in wanted]
        if not chosen:
            raise DataError(
                f"{self.path} has no rows of {' or '.join(wanted)} in its column {SPLIT_COLUMN!r}; "
                "add some"
            )
        # of the whole file, so that a camera has the same number in training and test
        cameras = [row.picture.camera for row in self.rows if row.picture.camera is not None]
        return listing_of(
            self.path.parent, chosen, name=plain_name(self.path), cameras=cameras or None
        )


def read_people(path: Path, labels: Labels = "if present") -> PeopleTable:
    """The rows of a CSV file with a column ``path`` and, where known, ``identity`` and ``camera``.

    Paths are relative to the file; ``split`` is train, query or gallery. Raises ``DataError``: no
    CSV file, no such column, no rows, a path that is gone or listed twice, an unknown split, and
    an identity, a camera or a split that some rows have and some have not. ``labels`` *ignored*:
    the identities are not looked at.
    """
    lines = _cells(path)
    head = [cell.strip().casefold() for cell in lines[0][1]] if lines else []
    columns = [
        next((head.index(name) for name in names if name in head), None)
        for names in (PATH_COLUMNS, IDENTITY_COLUMNS, CAMERA_COLUMNS, (SPLIT_COLUMN,))
    ]
    if columns[0] is None or len(lines) < 2:
        raise DataError(
            f"{path} lists no people: it needs a first line path,identity,camera and a row for each "
            f"picture; it has {','.join(head)[:80] or 'nothing'}"
        )
    table = []
    for line, cells in lines[1:]:
        file, identity, camera, split = (
            cells[column].strip() if column is not None and column < len(cells) else ""
            for column in columns
        )
        known = "" if labels == "ignored" else identity
        table.append((line, file, known, camera, split.casefold()))
    for place, what in ((2, "identity"), (3, "camera"), (4, SPLIT_COLUMN)):
        _check_all_or_none(path, what, [(row[0], str(row[place])) for row in table])
    rows = [_row(path, *row) for row in table]
    _check_once(path, rows)
    return PeopleTable(path, tuple(rows))


def _row(path: Path, line: int, file: str, identity: str, camera: str, split: str) -> Row:
    if split and split not in ROLES:
        raise DataError(
            f"{path}, line {line}: {SPLIT_COLUMN} is {split!r}; it must be {join_names(ROLES)}"
        )
    picture = PersonPicture(
        file=_existing(path, line, file),
        identity=identity or None,
        camera=camera or None,
        role=ROLES.get(split),
    )
    return Row(line=line, picture=picture, split=split)


def _existing(path: Path, line: int, file: str) -> str:
    # tables made on Windows have its slashes
    for name in (file, file.replace("\\", "/")):
        if name and (path.parent / name).is_file():
            return name
    what = f"no file {path.parent / file}" if file else "no picture in this row"
    raise DataError(
        f"{path}, line {line}: there is {what}; correct the path, which is relative to {path.name}, "
        "or remove the row"
    )


def _check_all_or_none(path: Path, what: str, cells: Sequence[tuple[int, str]]) -> None:
    empty = [line for line, cell in cells if not cell]
    if empty and len(empty) < len(cells):
        raise DataError(
            f"{path}, line {empty[0]}: there is no {what}, and other rows have one; fill it in "
            f"({len(empty)} rows lack it), or leave the column out"
        )


def _check_once(path: Path, rows: Sequence[Row]) -> None:
    seen: dict[str, int] = {}
    for row in rows:
        before = seen.setdefault(row.picture.file, row.line)
        if before != row.line:
            raise DataError(
                f"{path}, line {row.line}: {row.picture.file} is in line {before} already; keep one"
            )


def _cells(path: Path) -> list[tuple[int, list[str]]]:
    """Line number and cells of each line that is not blank."""
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix.lower() == ".gz" else raw).decode("utf-8-sig")
        first = text.partition("\n")[0]
        separator = max(
            SEPARATORS, key=lambda mark: len(next(csv.reader([first], delimiter=mark), []))
        )
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        return [(reader.line_num, cells) for cells in reader if any(c.strip() for c in cells)]
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 ({error.reason}); save it as UTF-8") from error
    except (OSError, EOFError, zlib.error, csv.Error) as error:
        raise DataError(f"{path} cannot be read as a CSV file: {error}") from error
