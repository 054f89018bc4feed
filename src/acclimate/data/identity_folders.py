"""Folders of people: Market-1501's three, one for each camera, or any where names say enough."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from acclimate.core.errors import DataError
from acclimate.data.folders import Listing, list_images, list_plain
from acclimate.data.identity_names import (
    MARKET_EXAMPLE,
    WAYS,
    PersonPicture,
    listing_of,
    parse_market,
    parse_people,
)

if TYPE_CHECKING:
    from acclimate.data.domain import Labels

TRAIN, QUERY, GALLERY_FOLDER = "bounding_box_train", "query", "bounding_box_test"
MARKET_SPLITS = {"train": (TRAIN,), "test": (QUERY, GALLERY_FOLDER)}
"""The folders of each split."""


def has_market_layout(root: Path) -> bool:
    """Whether ``root`` has folders of probes and gallery, as Market-1501 and its like have."""
    return (root / QUERY).is_dir() and (root / GALLERY_FOLDER).is_dir()


def list_market(root: Path, split: str) -> Listing:
    """The ``"train"`` or ``"test"`` split of ``root``, which is laid out as Market-1501 is.

    Raises ``DataError`` for a missing or empty folder, and a name that does not parse.
    """
    from acclimate.core.types import GALLERY, PROBE  # which brings torch

    roles = {QUERY: PROBE, GALLERY_FOLDER: GALLERY}
    pictures: list[PersonPicture] = []
    skipped: list[str] = []
    for folder in MARKET_SPLITS[split]:
        if not (root / folder).is_dir():
            raise DataError(f"{root} has no folder {folder!r}, which its {split} split lies in")
        files, unsupported = list_images(root, folder)
        if not files:
            raise DataError(f"{root / folder} holds no pictures; unpack the data set again")
        skipped += unsupported
        pictures += [replace(_parsed(root, file), role=roles.get(folder)) for file in files]
    return listing_of(root, pictures, skipped=skipped)


def _parsed(root: Path, file: str) -> PersonPicture:
    found = parse_market(file)
    if found is None:
        raise DataError(
            f"{root / file}: its name does not say whose picture it is; name it like "
            f"{MARKET_EXAMPLE}, or remove it"
        )
    return found


def list_people(root: Path, labels: Labels) -> Listing:
    """The pictures below ``root`` with identities and cameras, where their names say them.

    ``labels``: *required* ones are a ``DataError`` where no name says whose picture it is;
    *ignored* ones are left out, and cameras kept where every name has one. Raises ``DataError``
    too where some names say it and some do not, and where there are no pictures.
    """
    plain = list_plain(root)
    try:
        people = parse_people(root, plain.files)
    except DataError:
        if labels != "ignored":
            raise
        people = None
    if people is None:
        if labels == "required":
            raise DataError(
                f"{root}: no file name says whose picture it is, like {plain.files[0]}; {WAYS}"
            )
        return plain
    return listing_of(root, people, skipped=plain.skipped)
