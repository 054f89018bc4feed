"""A user's list of labelled items: a CSV file that names items of a domain and their classes."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import torch
from torch import Tensor

from acclimate.core.errors import DataError, near_miss
from acclimate.data.domain import Domain

LABEL, FILE, INDEX = "label", "file", "index"


class LabelledItems(NamedTuple):
    """``indices`` (N,) into a domain, ascending, none twice, and their ``labels`` (N,); both int64."""

    indices: Tensor
    labels: Tensor


def read_labelled_items(path: Path, domain: Domain) -> LabelledItems:
    """The rows of a CSV file with the columns ``file`` (or ``index``) and ``label``.

    ``file`` is an item's name, for a folder its path below it; where a domain's items have no
    names, ``index`` counts them from 0, those that were left out included. ``label`` is one of the
    domain's class names. Other columns are ignored. Raises ``DataError``: not such a file, no rows, an
    unknown item or class, an item with two labels.
    """
    known = {name: place for place, name in enumerate(domain.item_names or ())}
    column = FILE if domain.item_names is not None else INDEX
    places = range(len(domain)) if domain.origins is None else domain.origins
    place_of = {origin: place for place, origin in enumerate(places)}
    classes = {name: label for label, name in enumerate(domain.class_names)}
    found: dict[int, int] = {}
    for line, row in _rows(path, column, domain.name):
        where = f"{path}, line {line}"
        item = _named(row[column], known, domain.name, where)
        if column == INDEX:
            if item not in place_of:
                left_out = "" if domain.origins is None else ", some of which are left out"
                raise DataError(
                    f"{where}: {domain.name} has no item {item}; its {len(domain)} items count from "
                    f"0{left_out}"
                )
            item = place_of[item]
        name = row[LABEL].strip()
        if name not in classes:
            raise DataError(f"{where}: unknown class {name!r}.{near_miss(name, classes)}")
        if found.setdefault(item, classes[name]) != classes[name]:
            before = domain.class_names[found[item]]
            raise DataError(
                f"{where}: item {row[column]} is {name!r} here and {before!r} above; keep one"
            )
    if not found:
        raise DataError(f"{path} holds no items; give a row with {column} and {LABEL} for each")
    items = sorted(found)
    return LabelledItems(torch.tensor(items), torch.tensor([found[item] for item in items]))


def _rows(path: Path, column: str, name: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and cells of each row."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restval="")
            heads = [head.strip() for head in reader.fieldnames or ()]
            if column not in heads or LABEL not in heads:
                raise DataError(
                    f"{path} needs the columns {column},{LABEL} in its first line to name items of "
                    f"{name}; it has {','.join(heads)[:80] or 'nothing'}"
                )
            reader.fieldnames = heads
            for row in reader:
                yield reader.line_num, row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path} cannot be read as a CSV file of labelled items: {error}"
        ) from error


def _named(text: str, known: dict[str, int], name: str, where: str) -> int:
    """The place of the item called ``text``; any whole number where items have no names."""
    text = text.strip()
    if known:
        item = known.get(text, known.get(PurePosixPath(text).as_posix()))
        if item is None:
            raise DataError(f"{where}: {name} has no item {text!r}.{_similar(text, known)}")
        return item
    if not (text.isascii() and text.isdecimal()):
        raise DataError(f"{where}: index {text!r} should be a whole number from 0")
    return int(text)


def _similar(text: str, known: dict[str, int]) -> str:
    """The near miss alone: a list of all names would be no help."""
    hint = near_miss(text, known)
    return hint if "Did you mean" in hint else " Paths are relative to the target."
