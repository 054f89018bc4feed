"""Ten classes of Office-Home with a table of splits, as one reference system of this field uses them.

``data_info.csv`` has the columns img, domain, split and label. Its rows say ``train`` or
``valid``, and results are given on the latter: they are the test split here, on which a target is
evaluated. The classes are numbered, and nothing says what the numbers mean.
"""

from __future__ import annotations

import csv
from functools import partial
from pathlib import Path

from acclimate.core.errors import DataError
from acclimate.data.files import FileFinder, plain_name
from acclimate.data.folders import Listing
from acclimate.data.registry import ANY_SIZE, Dataset, Findings, register
from acclimate.data.sets import office_home
from acclimate.data.sets.photo_layouts import Place, list_pairs

ADDRESS = "https://github.com/1pha/DomainGeneralization"
CLASS_NAMES = tuple("0123456789")
COLUMNS = ("img", "domain", "split", "label")
ROWS = {"train": "train", "test": "valid"}
COUNTS = {
    "art": {"train": 207, "test": 53},
    "clipart": {"train": 387, "test": 97},
    "product": {"train": 396, "test": 98},
    "real-world": {"train": 448, "test": 113},
}
TABLE = Place(
    steps=(("office-home-10", "DomainGeneralization"), ("data_info.csv",)),
    shown="office-home-10/data_info.csv",
    archive="data_info.csv (its pictures, OfficeHome/00000.jpg and so on, are not offered there)",
    address=ADDRESS,
)


def list_split(domain: str, finder: FileFinder, split: str) -> Listing:
    """The rows of one domain and split; paths are relative to the table's folder."""
    path = TABLE.require(finder)
    pairs = [
        (row["img"], _label(path, number, row["label"]))
        for number, row in _rows(path)
        if plain_name(row["domain"]) == plain_name(domain) and row["split"] == ROWS[split]
    ]
    if not pairs:
        raise DataError(
            f"{path} has no row of the domain {domain} and the split {ROWS[split]!r}; {TABLE.again}"
        )
    return list_pairs(path.parent, pairs, CLASS_NAMES, TABLE.again)


def inspect(finder: FileFinder, _verify: bool) -> Findings:
    return [TABLE.inspect(finder, "all")]


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """The rows with the numbers of their lines; ``DataError`` for a table without the columns."""
    with open(path, newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
        try:
            reader = csv.DictReader(file, restval="")
            names = reader.fieldnames or ()
            rows = [(reader.line_num, row) for row in reader]
        except csv.Error as error:
            raise DataError(f"{path} is no table ({error}); {TABLE.again}") from error
    absent = [name for name in COLUMNS if name not in names]
    if absent:
        raise DataError(f"{path} has no column {', '.join(map(repr, absent))}; {TABLE.again}")
    return rows


def _label(path: Path, line: int, text: str) -> int:
    if text not in CLASS_NAMES:
        raise DataError(f"{path}: label {text!r} in line {line} is not from 0 to 9; {TABLE.again}")
    return int(text)


for _domain, _counts in COUNTS.items():
    register(
        Dataset(
            name=f"office-home-10-{_domain}",
            description=f"ten classes of Office-Home, {office_home.DOMAINS[_domain][2]}",
            licence=office_home.LICENCE,
            class_names=CLASS_NAMES,
            input_shape=ANY_SIZE,
            splits=("train", "test"),
            listing=partial(list_split, _domain),
            inspector=inspect,
            counts=_counts,
            address=ADDRESS,
        )
    )
