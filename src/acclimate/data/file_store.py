"""Images of a folder, in memory where they fit and decoded on demand where they do not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from acclimate.core.errors import DataError
from acclimate.data.domain import Domain, ResidentStore, Store
from acclimate.data.folders import Listing
from acclimate.data.images import decode, in_threads, probe

RESIDENT_LIMIT = 2 * 2**30
"""Bytes of decoded images up to which a folder is held in memory."""


@dataclass(frozen=True)
class FileStore:
    """Images that are decoded when they are gathered; picklable, safe in forked workers.

    ``files`` are relative to ``root``. Gathered items are uint8 (K, size, size, channels).
    """

    root: Path
    files: tuple[str, ...]
    size: int
    channels: int

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.files), self.size, self.size, self.channels)

    def gather(self, indices: Tensor) -> Tensor:
        """Decode the items at ``indices``; ``DataError`` when one turns out to be damaged."""
        files = [self.files[i] for i in indices.tolist()]
        items = torch.empty((len(files), *self.shape[1:]), dtype=torch.uint8)
        view = items.numpy()
        for position, image in enumerate(in_threads(self._decode, files)):
            view[position] = image
        return items

    def _decode(self, file: str) -> np.ndarray:
        try:
            return decode(self.root / file, self.size, self.channels)
        except MemoryError:
            raise
        except Exception as error:
            raise DataError(
                f"{self.root / file} cannot be decoded ({_reason(error)}); "
                "remove or replace it and start again"
            ) from error


def open_listing(
    listing: Listing, *, size: int, channels: int, resident_limit: int = RESIDENT_LIMIT
) -> Domain:
    """The listed files as a ``Domain`` named after the folder; unreadable ones are skipped.

    Above ``resident_limit`` bytes only headers are read now, and pixels when they are needed.
    Raises ``DataError`` when no file, or no file of a class, can be read.
    """
    bytes_needed = len(listing.files) * size * size * channels
    read = _decode_all if bytes_needed <= resident_limit else _probe_all
    store, problems = read(listing, size, channels)
    kept = [i for i, problem in enumerate(problems) if problem is None]
    _check_readable(listing, problems, kept)
    broken = [f"{listing.files[i]}: {p}" for i, p in enumerate(problems) if p is not None]
    labels = None
    if listing.labels is not None:
        labels = torch.tensor([listing.labels[i] for i in kept], dtype=torch.int64)
    return Domain(
        name=listing.root.resolve().name,
        store=store,
        labels=labels,
        class_names=listing.class_names,
        item_names=tuple(listing.files[i] for i in kept),
        skipped=(*broken, *listing.skipped),
    )


def _decode_all(listing: Listing, size: int, channels: int) -> tuple[Store, list[str | None]]:
    images = np.empty((len(listing.files), size, size, channels), dtype=np.uint8)

    def fill(index: int) -> None:
        images[index] = decode(listing.root / listing.files[index], size, channels)

    problems = _problems(fill, len(listing.files))
    good = np.array([problem is None for problem in problems])
    return ResidentStore(torch.from_numpy(images if good.all() else images[good])), problems


def _probe_all(listing: Listing, size: int, channels: int) -> tuple[Store, list[str | None]]:
    def look(index: int) -> None:
        probe(listing.root / listing.files[index])

    problems = _problems(look, len(listing.files))
    files = tuple(f for f, problem in zip(listing.files, problems, strict=True) if problem is None)
    return FileStore(listing.root, files, size, channels), problems


def _problems(work: Callable[[int], None], count: int) -> list[str | None]:
    """The reason why ``work`` failed, or ``None``, for each index."""

    def attempt(index: int) -> str | None:
        try:
            work(index)
        except MemoryError:
            raise
        # Pillow's decoders raise nearly anything on damaged input; the reason is kept and shown
        except Exception as error:
            return _reason(error)
        return None

    return list(in_threads(attempt, range(count)))


def _reason(error: Exception) -> str:
    if type(error).__name__ == "UnidentifiedImageError":
        return "not an image, or damaged"
    text = " ".join(str(error).split())
    return text or type(error).__name__


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
        names = ", ".join(repr(listing.class_names[k]) for k in sorted(lost))
        raise DataError(
            f"{listing.root}: no image of the class {names} can be read; replace them or remove "
            "the folder"
        )
