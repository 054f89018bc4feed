"""The files of a zip archive or of the folder it was unpacked into, read alike."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from acclimate.core.errors import DataError

LARGEST_FILE = 64 * 2**20
"""Bytes that one file of an archive may have: no picture or table has more, only a zip bomb."""


class FileTree(Protocol):
    """Files by their path with ``/`` below ``where``; nothing is ever written to disk."""

    @property
    def where(self) -> Path: ...

    def names(self) -> list[str]:
        """The paths of all files, sorted."""
        ...

    def read(self, name: str) -> bytes:
        """The content of ``name``; ``DataError`` where it is damaged. Safe in threads."""
        ...

    def fingerprint(self) -> str:
        """Changes when a file is added, removed or replaced."""
        ...


@contextmanager
def open_tree(path: Path) -> Iterator[FileTree]:
    """The tree of a folder or of a ``.zip``; ``DataError`` where the archive is damaged."""
    if path.is_dir():
        yield FolderTree(path)
        return
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path} is truncated or no zip archive ({error}); delete it and fetch it again"
        ) from error
    with archive:
        yield ZipTree(path, archive)


@dataclass(frozen=True)
class ZipTree:
    where: Path
    archive: zipfile.ZipFile

    def names(self) -> list[str]:
        return sorted(name for name in self.archive.namelist() if not name.endswith("/"))

    def read(self, name: str) -> bytes:
        try:
            size = self.archive.getinfo(name).file_size
            if size > LARGEST_FILE:
                raise ValueError(f"it claims {size} bytes")
            return self.archive.read(name)
        # RuntimeError: encrypted; NotImplementedError: an unknown compression
        except (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error) as e:
            raise DataError(
                f"{self.where}: {name} cannot be read ({e}); delete the archive and fetch it again"
            ) from e

    def fingerprint(self) -> str:
        return _digest(f"{info.filename}:{info.CRC}" for info in self.archive.infolist())


@dataclass(frozen=True)
class FolderTree:
    where: Path

    def names(self) -> list[str]:
        found = (path for path in self.where.rglob("*") if path.is_file())
        return sorted(path.relative_to(self.where).as_posix() for path in found)

    def read(self, name: str) -> bytes:
        try:
            return (self.where / name).read_bytes()
        except OSError as error:
            raise DataError(
                f"{self.where / name} cannot be read ({error.strerror}); unpack the archive again"
            ) from error

    def fingerprint(self) -> str:
        # the size alone would not do: that of a .ppm follows from its height and width
        found = ((name, (self.where / name).stat()) for name in self.names())
        return _digest(f"{name}:{each.st_size}:{each.st_mtime_ns}" for name, each in found)


def _digest(lines: Iterator[str]) -> str:
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:16]
