"""The file that holds decoded pictures: its layout, and a store that reads it where it lies."""

from __future__ import annotations

import json
import math
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

from acclimate.core.errors import ConfigurationError
from acclimate.data.domain import Store
from acclimate.data.images import DECODER_VERSION, Fit, check_width

MAGIC = b"ACCLIMATE-PICTURES-1\n"
START = 4096
"""Byte at which the pixels begin: where a page of memory does."""


class DamagedFileError(Exception):
    """The file is not what was written."""


@dataclass(frozen=True)
class Recipe:
    """What becomes of a picture; ``text`` is part of the key of whatever was made so.

    ``size``: height, and width too where ``width`` is ``None``, as it is for every square. Raises
    ``ConfigurationError`` for a crop with a ``width``.
    """

    size: int
    channels: int
    fit: Fit = "squash"
    width: int | None = None

    def __post_init__(self) -> None:
        check_width(self.fit, self.width)
        if self.width == self.size:
            object.__setattr__(self, "width", None)  # one recipe, however it is written

    @property
    def shape(self) -> tuple[int, int, int]:
        return (self.size, self.width or self.size, self.channels)

    @property
    def item_bytes(self) -> int:
        return math.prod(self.shape)

    @property
    def text(self) -> str:
        # a square's is as it was before there were others, so that what was kept is found
        shape = f"{self.size}x{self.width}" if self.width else f"{self.size}"
        return f"{shape} {self.channels} {self.fit} {DECODER_VERSION}"

    @property
    def facts(self) -> dict[str, Any]:
        """The arguments that make it again, for JSON."""
        facts = {"size": self.size, "channels": self.channels, "fit": self.fit}
        return facts | ({"width": self.width} if self.width else {})


@dataclass(frozen=True)
class DecodedPictures:
    """A file of ``count`` pictures uint8 (size, width, channels), one behind the other.

    Its last part is JSON: what they are, and ``problems``, the reason why a picture could not be
    decoded, by its number. Such a picture's pixels are zero.
    """

    path: Path
    name: str
    count: int
    recipe: Recipe
    problems: dict[int, str] = field(repr=False)

    @property
    def stop(self) -> int:
        """The byte behind the last pixel."""
        return START + self.count * self.recipe.item_bytes

    def load(self, rows: Tensor) -> Tensor:
        """The pictures ``rows`` (K,) int64, as uint8 (K, size, width, channels) in memory."""
        result = torch.empty((len(rows), *self.recipe.shape), dtype=torch.uint8)
        if torch.equal(rows, torch.arange(self.count)):
            _fill(result.numpy().reshape(-1).data, self.path)
        else:
            np.take(self.map(), rows.numpy(), axis=0, out=result.numpy(), mode="clip")
        return result

    def map(self) -> np.ndarray:
        """All pictures, read from disk as they are looked at; ``DamagedFileError``."""
        try:
            shape = (self.count, *self.recipe.shape)
            if self.path.stat().st_size <= self.stop:
                raise DamagedFileError(f"{self.path} is truncated")
            return np.memmap(self.path, dtype=np.uint8, mode="r", offset=START, shape=shape)
        except (OSError, ValueError) as error:
            raise DamagedFileError(str(error)) from error


def _fill(memory: memoryview, path: Path) -> None:
    """All pixels of a file; in one go, which is faster than page by page and than ``np.fromfile``."""
    with open(path, "rb", buffering=0) as file:
        file.seek(START)
        # one call reads 2 GiB at most
        while memory and (count := file.readinto(memory)):
            memory = memory[count:]
    if memory:
        raise DamagedFileError(f"{path} has become shorter")


def read_header(path: Path) -> DecodedPictures:
    """What the file at ``path`` holds; ``DamagedFileError`` where it is not whole."""
    try:
        with open(path, "rb") as file:
            start = file.read(START)
            magic, _, said = start.rstrip(b"\0").partition(b"\n")
            stop = json.loads(said)["stop"]
            if magic + b"\n" != MAGIC:
                raise DamagedFileError(f"{path} does not begin like a file of decoded pictures")
            file.seek(stop)
            end = json.loads(file.read())
        found = DecodedPictures(
            path=path,
            name=end["name"],
            count=int(end["count"]),
            recipe=Recipe(**end["recipe"]),
            problems={int(number): str(reason) for number, reason in end["problems"].items()},
        )
    except (
        *(OSError, ValueError, KeyError, TypeError, AttributeError),
        ConfigurationError,
    ) as error:
        raise DamagedFileError(f"{path} is truncated or damaged ({error})") from error
    if found.stop != stop:
        raise DamagedFileError(f"{path} has {stop} bytes of pixels, not {found.stop}")
    return found


def write_pictures(
    file: IO[bytes], name: str, recipe: Recipe, count: int, decoded: Iterator[np.ndarray | str]
) -> None:
    """Write a whole file: ``decoded`` yields ``count`` pictures, or why there is none."""
    stop = START + count * recipe.item_bytes
    file.write((MAGIC + json.dumps({"stop": stop}).encode()).ljust(START, b"\0"))
    problems: dict[int, str] = {}
    nothing = np.zeros(recipe.shape, dtype=np.uint8)
    for number, picture in enumerate(decoded):
        if isinstance(picture, str):
            problems[number] = picture
        file.write((nothing if isinstance(picture, str) else picture).data)
    facts: dict[str, Any] = {
        "name": name,
        "count": count,
        "recipe": recipe.facts,
        "problems": problems,
    }
    file.write(json.dumps(facts).encode())


_in_use: weakref.WeakSet[MemoryMappedStore] = weakref.WeakSet()


def paths_in_use() -> set[Path]:
    """The files that stores of this process read from."""
    return {store.pictures.path for store in _in_use}


class MemoryMappedStore:
    """Pictures of a file that are read from disk when they are gathered; picklable.

    ``rows`` (N,) int64: which picture of the file each item is. Each process opens the file for
    itself, when it first needs it. Where the file is gone by then, items come from ``otherwise``.
    """

    decodes = False

    def __init__(self, pictures: DecodedPictures, rows: Tensor, otherwise: Store) -> None:
        self.pictures, self.rows, self.otherwise = pictures, rows, otherwise
        self._mapped: np.ndarray | None = None
        _in_use.add(self)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_mapped": None}

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, size, width, channels)."""
        return (len(self.rows), *self.pictures.recipe.shape)

    def gather(self, indices: Tensor) -> Tensor:
        """The items at ``indices`` (K,) int64, as uint8 (K, size, width, channels)."""
        if self._mapped is None:
            try:
                self._mapped = read_header(self.pictures.path).map()
            except DamagedFileError:
                return self.otherwise.gather(indices)
        rows = self.rows[indices.cpu()]
        result = torch.empty((len(rows), *self.shape[1:]), dtype=torch.uint8)
        # mode: with the default one numpy makes another copy
        np.take(self._mapped, rows.numpy(), axis=0, out=result.numpy(), mode="clip")
        return result
