"""Listed pictures as a domain: in memory, read from the cache, or decoded on demand."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from acclimate.core.errors import DataError
from acclimate.data.decoded_pictures import DamagedFileError, MemoryMappedStore, Recipe
from acclimate.data.domain import Domain, ResidentStore, Store
from acclimate.data.folders import Listing, join_names
from acclimate.data.images import Fit, Pictures, decode, in_threads, probe, reason_of
from acclimate.data.picture_cache import NoCacheError, PictureCache

RESIDENT_LIMIT = 2 * 2**30
"""Bytes of decoded images up to which a folder is held in memory."""


@dataclass(frozen=True)
class FileStore:
    """Images that are decoded when they are gathered; picklable, safe in forked workers.

    Gathered items are uint8 (K, size, width, channels), as ``recipe`` says.
    """

    pictures: Pictures
    recipe: Recipe

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.pictures.names), *self.recipe.shape)

    def gather(self, indices: Tensor) -> Tensor:
        """Decode the items at ``indices``; ``DataError`` when one turns out to be damaged."""
        items = torch.empty((len(indices), *self.recipe.shape), dtype=torch.uint8)
        view = items.numpy()
        for position, image in enumerate(in_threads(self._decode, indices.tolist())):
            view[position] = image
        return items

    def _decode(self, index: int) -> np.ndarray:
        try:
            return _decoded(self.pictures, index, self.recipe)
        except MemoryError:
            raise
        except Exception as error:
            raise DataError(
                f"{self.pictures.where(index)} cannot be decoded ({reason_of(error)}); "
                "remove or replace it and start again"
            ) from error


def open_listing(
    listing: Listing,
    *,
    size: int,
    channels: int,
    fit: Fit = "squash",
    width: int | None = None,
    resident_limit: int = RESIDENT_LIMIT,
    cache: PictureCache | None = None,
) -> Domain:
    """The listed pictures as a ``Domain``, named after the folder; unreadable ones are skipped.

    ``size``, ``channels``, ``fit`` and ``width`` as in ``images.decode``. Decoded pictures come from
    ``cache`` and are kept there, if one is given. Above ``resident_limit`` bytes they are read
    from it when they are needed; where they are not in it, only headers are read now, and
    pictures decoded when they are needed. Raises ``DataError`` when no file, or no file of a
    class, can be read, ``ConfigurationError`` for a crop with a ``width``.
    """
    recipe = Recipe(size, channels, fit, width)
    resident = len(listing.files) * recipe.item_bytes <= resident_limit
    notes = listing.notes
    opened = None
    if cache is not None and cache.limit_bytes:
        try:
            opened = _from_cache(listing, recipe, resident, cache)
        except NoCacheError as error:
            notes += (f"its decoded pictures are not kept for later runs: {error}",)
    if opened is None:
        opened = (_decode_all if resident else _probe_all)(listing.pictures, recipe)
    store, problems = opened
    kept = [i for i, problem in enumerate(problems) if problem is None]
    _check_readable(listing, problems, kept)
    broken = [f"{listing.files[i]}: {p}" for i, p in enumerate(problems) if p is not None]

    def of_kept(values: tuple[int, ...] | None) -> Tensor | None:
        if values is None:
            return None
        return torch.tensor([values[i] for i in kept], dtype=torch.int64)

    return Domain(
        name=listing.name or listing.root.resolve().name,
        store=store(kept),
        labels=of_kept(listing.labels),
        class_names=listing.class_names,
        item_names=tuple(listing.files[i] for i in kept),
        groups=_groups([listing.files[i] for i in kept]),
        skipped=(*broken, *listing.skipped),
        notes=notes,
        cameras=of_kept(listing.cameras),
        roles=of_kept(listing.roles),
    )


def _groups(files: Sequence[str]) -> Tensor | None:
    """Which picture each item shows, where a list names some twice: they belong into one part."""
    number: dict[str, int] = {}
    shown = [number.setdefault(os.path.normpath(file), len(number)) for file in files]
    return None if len(number) == len(files) else torch.tensor(shown)


class _Opened(NamedTuple):
    """``store`` makes the store of chosen pictures; ``problems``: why not, for each of all."""

    store: Callable[[list[int]], Store]
    problems: list[str | None]


def _from_cache(
    listing: Listing, recipe: Recipe, resident: bool, cache: PictureCache
) -> _Opened | None:
    pictures = listing.pictures
    # in one order and each once, however they are listed: labelled or not, as source or target
    place = {name: index for index, name in enumerate(pictures.names)}
    distinct = sorted(place)
    name = listing.name or listing.root.resolve().name
    found = cache.obtain(pictures.subset([place[name] for name in distinct]), recipe, name)
    if found is None:
        return None
    row_of = {name: row for row, name in enumerate(distinct)}
    rows = [row_of[name] for name in pictures.names]

    def store(kept: list[int]) -> Store:
        chosen = torch.tensor([rows[index] for index in kept], dtype=torch.int64)
        otherwise = FileStore(pictures.subset(kept), recipe)
        if not resident:
            return MemoryMappedStore(found, chosen, otherwise)
        try:
            return ResidentStore(found.load(chosen))
        except (OSError, DamagedFileError):  # another run made room for its own just now
            return ResidentStore(otherwise.gather(torch.arange(len(kept))))

    return _Opened(store, [found.problems.get(row) for row in rows])


def _decode_all(pictures: Pictures, recipe: Recipe) -> _Opened:
    images = torch.empty((len(pictures.names), *recipe.shape), dtype=torch.uint8)
    view = images.numpy()

    def fill(index: int) -> None:
        view[index] = _decoded(pictures, index, recipe)

    problems = _problems(fill, len(images))

    def store(kept: list[int]) -> Store:
        return ResidentStore(images if len(kept) == len(images) else images[kept])

    return _Opened(store, problems)


def _probe_all(pictures: Pictures, recipe: Recipe) -> _Opened:
    problems = _problems(lambda index: probe(pictures.picture(index)), len(pictures.names))
    return _Opened(lambda kept: FileStore(pictures.subset(kept), recipe), problems)


def _decoded(pictures: Pictures, index: int, recipe: Recipe) -> np.ndarray:
    picture = pictures.picture(index)
    return decode(picture, recipe.size, recipe.channels, recipe.fit, recipe.width)


def _problems(work: Callable[[int], None], count: int) -> list[str | None]:
    """The reason why ``work`` failed, or ``None``, for each index."""

    def attempt(index: int) -> str | None:
        try:
            work(index)
        except MemoryError:
            raise
        # Pillow's decoders raise nearly anything on damaged input; the reason is kept and shown
        except Exception as error:
            return reason_of(error)
        return None

    return list(in_threads(attempt, range(count)))


def _check_readable(listing: Listing, problems: list[str | None], kept: list[int]) -> None:
    if not kept:
        raise DataError(
            f"{listing.root}: none of its {len(listing.files)} images can be read, for example "
            f"{listing.files[0]} ({problems[0]}); replace them"
        )
    if listing.labels is None:
        return
    lost = set(listing.labels) - {listing.labels[i] for i in kept}
    if lost:
        names = join_names(listing.class_names[k] for k in sorted(lost))
        raise DataError(
            f"{listing.root}: no image of the class {names} can be read; replace them or leave "
            "the class out"
        )
