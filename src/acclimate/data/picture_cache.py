"""Decoded pictures that are kept for later runs: made once, found by content, bounded.

An entry ``KEY.pictures`` is a file of decoded pictures; ``KEY`` is a hash of the encoded pictures'
contents and of what becomes of them (size, channels, fit, version of the decoder). So that not
every byte is read to find an entry, ``SIGNATURE.seen`` names the key of pictures that were looked
at before: a signature is a hash of their place, names, sizes and times of change. An entry's own
time of change is when it was last used.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from filelock import BaseFileLock, FileLock, Timeout

from acclimate.core.errors import ConfigurationError
from acclimate.data.decoded_pictures import (
    START,
    DamagedFileError,
    DecodedPictures,
    Recipe,
    paths_in_use,
    read_header,
    write_pictures,
)
from acclimate.data.files import cache_folder
from acclimate.data.images import Pictures, Stamp, decode, in_threads, reason_of

LIMIT_VARIABLE = "ACCLIMATE_CACHE_LIMIT"
DEFAULT_LIMIT = 20480
"""MiB."""

WORTHWHILE = 2**18
"""Bytes of encoded pictures below which decoding them takes no time."""

ENTRY, SEEN, PART = ".pictures", ".seen", ".part"
LOCKS = 16
"""Locks that all pictures share: few files, and two runs seldom wait for each other in vain."""

Digests = list[bytes | None]


class NoCacheError(Exception):
    """The pictures cannot be kept; says why, in a few words."""


@dataclass(frozen=True)
class CacheEntry:
    """What ``acclimate data cache`` says of an entry; ``pictures`` is ``None`` if it is damaged.

    ``bytes``: on disk. ``used``: when it was last, in seconds since 1970.
    """

    key: str
    pictures: DecodedPictures | None
    bytes: int
    used: float


def default_picture_cache() -> PictureCache:
    """The one beside downloads; ``ConfigurationError`` for a limit that is no number."""
    text = os.environ.get(LIMIT_VARIABLE) or str(DEFAULT_LIMIT)
    if not text.isdecimal():
        raise ConfigurationError(
            f"{LIMIT_VARIABLE} is {text!r}, which is no whole number of MiB; give for example "
            f"{DEFAULT_LIMIT}, or 0 to keep no decoded pictures"
        )
    return PictureCache(cache_folder() / "pictures", int(text) << 20)


@dataclass(frozen=True)
class PictureCache:
    """A folder of decoded pictures that takes ``limit_bytes`` at most; 0 switches it off."""

    folder: Path
    limit_bytes: int

    def obtain(self, pictures: Pictures, recipe: Recipe, name: str) -> DecodedPictures | None:
        """``pictures`` decoded, in their order, from an earlier run or made now.

        ``name``: for people. ``None`` where decoding them anew is as quick. Processes that want
        the same pictures wait for the first to decode them. Raises ``NoCacheError`` where they
        cannot be kept: too large, disk full, no right to write.
        """
        stamps = [pictures.stamp(index) for index in range(len(pictures.names))]
        if sum(stamp.size for stamp in stamps) < WORTHWHILE:
            return None
        needed = START + len(stamps) * recipe.item_bytes
        if needed > self.limit_bytes:
            raise NoCacheError(
                f"their {needed >> 20} MiB are more than {LIMIT_VARIABLE} allows "
                f"({self.limit_bytes >> 20} MiB)"
            )
        signature = _signature(pictures, stamps, recipe)
        try:
            found = self._seen(signature)
            if found is None:
                self.folder.mkdir(parents=True, exist_ok=True)
                with self._lock(int(signature[0], LOCKS)):
                    found = self._seen(signature) or self._made(pictures, recipe, name, signature)
        except (OSError, NotImplementedError) as error:  # the latter: locks on some file systems
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise NoCacheError(f"{self.folder} cannot be used: {reason}") from error
        with contextlib.suppress(OSError):
            os.utime(found.path)
        return found

    def entries(self) -> list[CacheEntry]:
        """All entries, the last used one first."""
        found = []
        for path in self.folder.glob(f"*{ENTRY}"):
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                found.append(CacheEntry(path.stem, _whole(path), status.st_size, status.st_mtime))
        return sorted(found, key=lambda entry: -entry.used)

    def remove(self, keys: Iterable[str]) -> int:
        """Remove entries by key; returns the bytes that became free."""
        freed = 0
        for key in keys:
            path = self.folder / f"{key}{ENTRY}"
            with contextlib.suppress(FileNotFoundError):
                size = path.stat().st_size
                path.unlink()
                freed += size
        self._forget()
        return freed

    def remove_leftovers(self) -> int:
        """Remove what killed runs left half written; returns the bytes that became free."""
        if not self.folder.is_dir():
            return 0
        return sum(self._remove_leftovers(number, held=False) for number in range(LOCKS))

    def _seen(self, signature: str) -> DecodedPictures | None:
        try:
            key = (self.folder / f"{signature}{SEEN}").read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError):
            return None
        return _whole(self.folder / f"{key}{ENTRY}") if key.isalnum() else None

    def _made(
        self, pictures: Pictures, recipe: Recipe, name: str, signature: str
    ) -> DecodedPictures:
        """The entry of pictures not seen before; they may be copies of some that were."""
        found, digests = self._same_content(pictures, recipe)
        if found is None:
            found, digests = self._decoded(pictures, recipe, name, int(signature[0], LOCKS))
        # a file that could not be read may be readable next time without a sign of it
        if None not in digests:
            with contextlib.suppress(OSError):
                seen = self.folder / f"{signature}{SEEN}"
                seen.write_text(found.path.stem, encoding="ascii")
        return found

    def _same_content(
        self, pictures: Pictures, recipe: Recipe
    ) -> tuple[DecodedPictures | None, Digests]:
        count = len(pictures.names)
        kept = (entry.pictures for entry in self.entries())
        # contents are read for nothing unless there is an entry that may hold them
        if not any(each and (each.recipe, each.count) == (recipe, count) for each in kept):
            return None, []
        digests = list(in_threads(lambda index: _read(pictures, index)[1], range(count)))
        return _whole(self.folder / f"{_key(digests, recipe)}{ENTRY}"), digests

    def _decoded(
        self, pictures: Pictures, recipe: Recipe, name: str, lock: int
    ) -> tuple[DecodedPictures, Digests]:
        """Decode all ``pictures`` into an entry; the caller holds the lock of that number."""
        count = len(pictures.names)
        digests: Digests = []

        def each() -> Iterator[np.ndarray | str]:
            tasks = in_threads(lambda index: _decode(pictures, index, recipe), range(count))
            for decoded, digest in tasks:
                digests.append(digest)
                yield decoded

        part = self.folder / f"{lock:x}-{secrets.token_hex(4)}{PART}"
        try:
            with open(part, "wb") as file:
                self._reserve(file, START + count * recipe.item_bytes, lock)
                write_pictures(file, name, recipe, count, each())
                file.flush()
                os.fsync(file.fileno())
            path = self.folder / f"{_key(digests, recipe)}{ENTRY}"
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        return read_header(path), digests

    def _reserve(self, file: IO[bytes], needed: int, lock: int) -> None:
        """Make room for ``needed`` bytes and claim them; ``NoCacheError`` where there is none."""
        with FileLock(self.folder / "room.lock"):
            for other in range(LOCKS):
                self._remove_leftovers(other, held=other == lock, besides=file.name)
            self._make_room(needed)
            # a file of full length counts in what other runs reckon; it takes no space yet
            file.truncate(needed)

    def _make_room(self, needed: int) -> None:
        """Remove the entries that were not used for longest, except those this process reads."""
        entries = self.entries()
        parts = sum(path.stat().st_size for path in self.folder.glob(f"*{PART}"))
        excess = sum(entry.bytes for entry in entries) + parts + needed - self.limit_bytes
        excess = max(excess, needed - shutil.disk_usage(self.folder).free)
        mapped = paths_in_use()
        given_up: list[str] = []
        for entry in reversed(entries):
            if excess <= 0:
                break
            if self.folder / f"{entry.key}{ENTRY}" not in mapped:
                given_up.append(entry.key)
                excess -= entry.bytes
        if excess > 0:
            raise NoCacheError(
                f"{needed >> 20} MiB are not to be had in {self.folder} with {LIMIT_VARIABLE}="
                f"{self.limit_bytes >> 20} and {shutil.disk_usage(self.folder).free >> 20} MiB free"
            )
        self.remove(given_up)

    def _remove_leftovers(self, number: int, held: bool, besides: str = "") -> int:
        """What runs that are gone left of entries under lock ``number``: only its holder writes any."""
        with contextlib.ExitStack() as stack:
            if not held:
                try:
                    stack.enter_context(self._lock(number, timeout=0))
                except Timeout:
                    return 0
            freed = 0
            for path in self.folder.glob(f"{number:x}-*{PART}"):
                if str(path) != besides:
                    freed += path.stat().st_size
                    path.unlink(missing_ok=True)
            return freed

    def _forget(self) -> None:
        """Remove signatures whose entry is gone."""
        for path in self.folder.glob(f"*{SEEN}"):
            with contextlib.suppress(OSError, ValueError):
                if not (self.folder / f"{path.read_text()}{ENTRY}").exists():
                    path.unlink()

    def _lock(self, number: int, timeout: float = -1) -> BaseFileLock:
        return FileLock(self.folder / f"{number:x}.lock", timeout=timeout)


def _whole(path: Path) -> DecodedPictures | None:
    try:
        return read_header(path)
    except DamagedFileError:
        return None


def _signature(pictures: Pictures, stamps: Sequence[Stamp], recipe: Recipe) -> str:
    # the place: files of one size, written at one time, need not be the same in two folders
    lines = [recipe.text, pictures.place]
    for name, stamp in zip(pictures.names, stamps, strict=True):
        lines.append(f"{name}\0{stamp.size} {stamp.changed}")
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()[:32]


def _key(digests: Iterable[bytes | None], recipe: Recipe) -> str:
    whole = hashlib.sha256(recipe.text.encode())
    for digest in digests:
        whole.update(digest or b"not read")
    return whole.hexdigest()[:32]


def _read(pictures: Pictures, index: int) -> tuple[bytes | OSError, bytes | None]:
    """The encoded picture, or why it cannot be read, and its digest: ``None`` for those to retry."""
    try:
        found = pictures.picture(index)
        content = found if isinstance(found, bytes) else found.read_bytes()
    except FileNotFoundError as error:
        return error, b"missing"
    except OSError as error:
        return error, None
    return content, hashlib.sha256(content).digest()


def _decode(
    pictures: Pictures, index: int, recipe: Recipe
) -> tuple[np.ndarray | str, bytes | None]:
    content, digest = _read(pictures, index)
    if isinstance(content, OSError):
        return reason_of(content), digest
    try:
        return decode(content, recipe.size, recipe.channels, recipe.fit, recipe.width), digest
    except MemoryError:
        raise
    # Pillow's decoders raise nearly anything on damaged input; the reason is kept and shown
    except Exception as error:
        return reason_of(error), digest
