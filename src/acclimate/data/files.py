"""Where a data set's files are: the user's data folder first, then the cache, then the network."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from acclimate.core.errors import DataError
from acclimate.data.download import Progress, download, file_digest

DATA_VARIABLE = "ACCLIMATE_DATA"
CACHE_VARIABLE = "ACCLIMATE_CACHE"

Status = Literal["ok", "different", "missing", "damaged"]


def data_folder() -> Path | None:
    """The folder named by ``ACCLIMATE_DATA``, or ``None``; ``DataError`` when it does not exist."""
    value = os.environ.get(DATA_VARIABLE)
    if not value:
        return None
    folder = Path(value).expanduser()
    if not folder.is_dir():
        raise DataError(
            f"{DATA_VARIABLE} names {folder}, which is no folder; correct it or unset it"
        )
    return folder


def cache_folder() -> Path:
    """Where downloads and built data sets are kept; it need not exist yet."""
    value = os.environ.get(CACHE_VARIABLE)
    if value:
        return Path(value).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "acclimate"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "acclimate" / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "acclimate"


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """One file as its publisher offers it.

    ``checksum`` is ``"md5:…"`` or ``"sha256:…"`` of the file itself; ``content_checksum`` that of
    its decompressed content, for files that may have been compressed anew. ``folders`` are
    the places, relative to a data folder, where people keep it; ``other_names`` what it may be
    called there, for example unpacked. ``size`` in bytes is for display and the check of the disk.
    """

    filename: str
    urls: tuple[str, ...]
    checksum: str
    split: str
    folders: tuple[str, ...]
    size: int | None = None
    other_names: tuple[str, ...] = ()
    content_checksum: str | None = None


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What was found out about one part of a data set.

    ``status``: ``ok``; ``different`` (readable, but not the publisher's file); ``missing``;
    ``damaged`` (there, but it cannot be read). ``detail`` says more.
    """

    what: str
    split: str
    status: Status
    where: str
    size: int | None = None
    detail: str = ""


@dataclass(frozen=True)
class FileFinder:
    """Finds or fetches files. ``root`` overrides the ``ACCLIMATE_DATA`` folder."""

    root: Path | None = None
    download: bool = True
    progress: Progress | None = None

    def places(self) -> list[Path]:
        """The folders that are searched, in order."""
        first = self.root if self.root is not None else data_folder()
        return [*([first] if first else []), cache_folder()]

    def find(self, folders: Iterable[str], names: Iterable[str]) -> Path | None:
        """The first existing ``place/folder/name``; of one folder's names files before folders.

        Some packers put a file into a folder of its name, beside which the file itself may lie.
        """
        names = tuple(names)
        for place in self.places():
            for folder in folders:
                there = [place / folder / name for name in names]
                for path in (*filter(Path.is_file, there), *filter(Path.exists, there)):
                    return path
        return None

    def find_spelled(self, steps: Sequence[Sequence[str]]) -> Path | None:
        """The first ``place/step/step/…`` that exists, capitals and punctuation aside.

        Each step is what a file or folder may be called, first the likeliest; ``"."`` says that
        the step may be left out. Raises ``DataError`` where two entries have the same name so.
        """
        places = (place for place in self.places() if place.is_dir())
        return next(filter(None, (_descend(place, steps) for place in places)), None)

    def find_remote(self, remote: RemoteFile) -> Path | None:
        """Where ``remote`` is already, packed or unpacked."""
        return self.find(remote.folders, (remote.filename, *remote.other_names))

    def obtain(self, remote: RemoteFile) -> Path:
        """The path of ``remote``, downloaded into the cache where it is not at hand."""
        found = self.find_remote(remote)
        if found is not None:
            return found
        if not self.download or not remote.urls:
            raise DataError(missing_line(self, remote))
        destination = cache_folder() / remote.folders[0] / remote.filename
        return download(
            remote.urls,
            destination,
            checksum=remote.checksum,
            size=remote.size,
            progress=self.progress,
        )


def plain_name(name: str) -> str:
    """``name`` without capitals and punctuation: ``"Real World"`` is ``"real_world"`` is this.

    >>> plain_name("Real World"), plain_name("art_painting")
    ('realworld', 'artpainting')
    """
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def entry_called(folder: Path, name: str) -> Path | None:
    """The file or folder in ``folder`` with the ``plain_name`` of ``name``, hidden ones aside.

    Raises ``DataError`` where there are two, or the folder cannot be read.
    """
    try:
        entries = sorted(path.name for path in folder.iterdir())
    except OSError as error:
        raise DataError(
            f"{folder} cannot be read ({error.strerror}); give yourself the right to read it"
        ) from error
    wanted = plain_name(name)
    alike = [entry for entry in entries if plain_name(entry) == wanted and entry[0] != "."]
    if len(alike) > 1:
        raise DataError(
            f"{folder} has {' and '.join(map(repr, alike))}, and each could be {name!r}: "
            "remove or rename all but one"
        )
    return folder / alike[0] if alike else None


def _descend(start: Path, steps: Sequence[Sequence[str]]) -> Path | None:
    if not steps:
        return start
    if not start.is_dir():
        return None
    for option in steps[0]:
        below = start if option == "." else entry_called(start, option)
        found = None if below is None else _descend(below, steps[1:])
        if found is not None:
            return found
    return None


def missing_line(finder: FileFinder, remote: RemoteFile) -> str:
    """One line: what is missing, where it was looked for, where it comes from."""
    looked = ", ".join(str(place / remote.folders[0]) for place in finder.places())
    origin = f"allow the download or fetch it from {remote.urls[0]}" if remote.urls else "add it"
    return f"{remote.filename} is in none of {looked}: {origin}"


def inspect_file(finder: FileFinder, remote: RemoteFile, verify: bool = True) -> Finding:
    """Look ``remote`` up and, with ``verify``, compare its checksum."""
    path = finder.find_remote(remote)
    what, split = remote.filename, remote.split
    if path is None:
        detail = remote.urls[0] if remote.urls else ""
        return Finding(what=what, split=split, status="missing", where="", detail=detail)
    status, detail = _compare(path, remote) if verify else ("ok", "not verified")
    size = path.stat().st_size
    return Finding(what=what, split=split, status=status, where=str(path), size=size, detail=detail)


def _compare(path: Path, remote: RemoteFile) -> tuple[Status, str]:
    if path.name == remote.filename and file_digest(path, remote.checksum) == remote.checksum:
        return "ok", "checksum as published"
    if remote.content_checksum and _content_digest(path) == remote.content_checksum:
        return "ok", "content as published (unpacked, or compressed anew)"
    if path.name != remote.filename and not remote.content_checksum:
        # an unpacked file of which only the packed one's checksum is published
        return "ok", "unpacked, without a published checksum"
    return "different", "checksum differs from the published file's"


def _content_digest(path: Path) -> str:
    import gzip
    import zlib

    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error):
        return ""
    return "md5:" + hashlib.md5(raw, usedforsecurity=False).hexdigest()
