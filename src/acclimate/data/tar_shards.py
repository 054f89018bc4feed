"""Pictures in tar archives, in WebDataset's layout or in class folders; nothing is unpacked."""

from __future__ import annotations

import json
import os
import re
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from acclimate.core.errors import DataError
from acclimate.data.folders import KNOWN_BUT_UNSUPPORTED, SPLIT_NAMES, natural_key
from acclimate.data.found_pictures import FoundPictures
from acclimate.data.images import EXTENSIONS, Picture, Stamp, stamp_of

COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst")
CLASSES_NAME = "classes.txt"
JSON_KEYS = ("label", "class", "class_name")
LARGEST_LABEL = 1 << 20
"""Bytes that a .cls or .json member may have."""
MOST_SHARDS = 100_000

_BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}")
_MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}


class Extent(NamedTuple):
    """Where a member's content lies: in which shard, from which byte, and how many."""

    shard: int
    offset: int
    size: int


@dataclass(frozen=True)
class ShardPictures:
    """Members of ``shards``; ``names`` are ``SHARD/MEMBER`` with shards relative to ``root``."""

    root: Path
    shards: tuple[str, ...]
    names: tuple[str, ...]
    extents: tuple[Extent, ...]

    @property
    def place(self) -> str:
        return str(self.root.resolve())

    def picture(self, index: int) -> Picture:
        return _content(self.root / self.shards[self.extents[index].shard], self.extents[index])

    def stamp(self, index: int) -> Stamp:
        shard, offset, size = self.extents[index]
        whole = stamp_of(self.root / self.shards[shard])
        return Stamp(size if whole.size >= 0 else -1, f"{offset} {whole.size} {whole.changed}")

    def where(self, index: int) -> str:
        return str(self.root / self.names[index])

    def subset(self, indices: Sequence[int]) -> ShardPictures:
        names = tuple(self.names[index] for index in indices)
        extents = tuple(self.extents[index] for index in indices)
        return ShardPictures(self.root, self.shards, names, extents)


@dataclass(frozen=True)
class Shards:
    """Tar archives that together are one domain; ``spec`` is what the user wrote."""

    spec: str
    paths: tuple[Path, ...]

    @property
    def root(self) -> Path:
        """The folder below which all of them lie."""
        return Path(os.path.commonpath([path.parent.resolve() for path in self.paths]))

    @property
    def name(self) -> str:
        """The domain's name: the folder's, the archive's, or the pattern without its ending."""
        return re.sub(r"\.tar$", "", PurePosixPath(Path(self.spec).as_posix()).name)


def find_shards(text: str) -> Shards | None:
    """The archives that a .tar file, a pattern ``train-{000..003}.tar`` or a folder of them means.

    A folder is one of shards when it holds .tar files, and neither pictures nor other folders.
    Raises ``DataError`` for a compressed archive and for missing files of a pattern.
    """
    path = Path(text).expanduser()
    if path.is_dir():
        inside = _archives_in(path)
        return Shards(str(path.resolve()), inside) if inside else None
    if path.name.lower().endswith(COMPRESSED) and path.is_file():
        raise DataError(_compressed(path, path.suffix))
    if not path.name.lower().endswith(".tar"):
        return None
    if path.is_file():
        return Shards(text, (path,))
    if not _BRACES.search(text):
        return None
    paths = tuple(Path(name).expanduser() for name in _expanded(text))
    missing = [str(each) for each in paths if not each.is_file()]
    if missing:
        raise DataError(
            f"{text}: {len(missing)} of its {len(paths)} files are missing, for example {missing[0]}; "
            "correct the numbers"
        )
    return Shards(text, paths)


def find_pictures(shards: Shards) -> FoundPictures:
    """All pictures of the archives, in their order, with classes.

    The class of ``000001.jpg`` stands in ``000001.cls`` or ``000001.json`` (``label``, ``class`` or
    ``class_name``), as a name or a number; line *n* of a ``classes.txt`` beside the archives, counted
    from 0, names number *n*. Where no picture has either, the folder it lies in is its class, if
    all lie in one. Raises ``DataError``: no archive, truncated, no pictures, a wrong label.
    """
    paths = [path.parent.resolve() / path.name for path in shards.paths]
    root = shards.root
    relative = tuple(path.relative_to(root).as_posix() for path in paths)
    known = _class_list(shards)
    names: list[str] = []
    extents: list[Extent] = []
    classes: list[str | None] = []
    skipped: list[str] = []
    for number, path in enumerate(shards.paths):
        shard = _read_shard(path, number)
        names += [f"{relative[number]}/{member}" for member in shard.pictures]
        extents += shard.pictures.values()
        classes += [_class_beside(path, shard, member, known) for member in shard.pictures]
        skipped += [f"{relative[number]}/{line}" for line in shard.unsupported]
    if not names:
        more = f" ({skipped[0]})" if skipped else ""
        raise DataError(
            f"{shards.spec} holds no images{more}; supported: {' '.join(sorted(EXTENSIONS))}"
        )
    certain = any(name is not None for name in classes)
    if not certain:
        members = [
            n.removeprefix(f"{relative[e.shard]}/") for n, e in zip(names, extents, strict=True)
        ]
        classes, certain = _classes_by_folder(members)
    return FoundPictures(
        what=shards.spec,
        name=shards.name,
        root=root,
        pictures=ShardPictures(root, relative, tuple(names), tuple(extents)),
        classes=tuple(classes),
        certain=certain,
        skipped=tuple(skipped),
        class_order=known,
        how_to_label="put a .cls file with the class beside each picture, or one folder for each class",
    )


class _Shard(NamedTuple):
    """Pictures by member name; the members that may say their class, by name without the ending."""

    pictures: dict[str, Extent]
    beside: dict[str, dict[str, Extent]]
    unsupported: list[str]


def _read_shard(path: Path, number: int) -> _Shard:
    shard = _Shard({}, {".cls": {}, ".json": {}}, [])
    for member, extent in _members(path, number):
        name = PurePosixPath(member)
        if isinstance(extent, str):
            if name.suffix.lower() in EXTENSIONS:
                shard.unsupported.append(f"{member}: {extent}")
            continue
        if name.name.startswith(".") or "__MACOSX" in name.parts:
            continue
        suffix = name.suffix.lower()
        if suffix in EXTENSIONS:
            shard.pictures[member] = extent
        elif suffix in KNOWN_BUT_UNSUPPORTED:
            shard.unsupported.append(f"{member}: the format {suffix} is not supported")
        elif suffix in shard.beside:
            shard.beside[suffix][_stem(member)] = extent
    return shard


def _members(path: Path, number: int) -> Iterator[tuple[str, Extent | str]]:
    """Name and place of each file, or why it cannot be read; only the headers are.

    Of several hard links to a file the first has its content, and the others its place.
    """
    size = path.stat().st_size
    places: dict[str, Extent] = {}
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                name = _clean(member.name)
                if member.isreg() and not member.issparse():
                    places[name] = Extent(number, member.offset_data, member.size)
                    yield name, places[name]
                elif member.islnk() and (link := places.get(_clean(member.linkname))):
                    places[name] = link
                    yield name, link
                elif member.islnk() or member.issym():
                    yield name, f"a link to {member.linkname}; pack it with 'tar -h'"
                elif member.isreg():
                    yield name, "a sparse file; pack it without --sparse"
                archive.members = []  # type: ignore[attr-defined]  # or it keeps a million of them
            # tarfile takes a cut header for the end, which two blocks of zeros should mark
            if size - archive.offset < tarfile.BLOCKSIZE:
                raise tarfile.ReadError("it has no end mark")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    except (tarfile.TarError, EOFError, ValueError) as error:
        kind = _compression(path)
        if kind:
            raise DataError(_compressed(path, kind)) from error
        raise DataError(
            f"{path} is truncated or no tar archive ({error}); fetch it again"
        ) from error


def _class_beside(path: Path, shard: _Shard, member: str, known: tuple[str, ...]) -> str | None:
    """What a .cls or .json of the picture's name says its class is; ``known`` names numbers."""
    stem = _stem(member)
    for suffix, beside in shard.beside.items():
        if stem in beside:
            label = _label(f"{path}: {stem}{suffix}", path, beside[stem], suffix)
            if label is not None:
                return _named(path, member, label, known)
    return None


def _label(where: str, path: Path, extent: Extent, suffix: str) -> str | int | None:
    if extent.size > LARGEST_LABEL:
        raise DataError(f"{where} has {extent.size} bytes, which is no label; remove it")
    try:
        text = _content(path, extent).decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise DataError(f"{where} is not UTF-8; write the class as text") from error
    if suffix == ".cls":
        return text or None
    try:
        said = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where} is no JSON ({error}); write it again") from error
    return _label_in(where, said)


def _label_in(where: str, said: Any) -> str | int | None:
    if not isinstance(said, dict):
        return None
    label = next((said[key] for key in JSON_KEYS if said.get(key) is not None), None)
    if isinstance(label, bool) or not isinstance(label, str | int | None):
        raise DataError(f"{where}: the class {label!r} is neither a name nor a whole number")
    return label


def _named(path: Path, member: str, label: str | int, known: tuple[str, ...]) -> str:
    text = str(label)
    if not known or not re.fullmatch(r"-?[0-9]+", text) or text in known:
        return text
    if not 0 <= int(text) < len(known):
        raise DataError(
            f"{path}: the class {text} of {member} is out of range; {CLASSES_NAME} names "
            f"{len(known)}, which count from 0"
        )
    return known[int(text)]


def _class_list(shards: Shards) -> tuple[str, ...]:
    path = shards.paths[0].parent / CLASSES_NAME
    if not path.is_file():
        return ()
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}; write a name a line") from error
    names = [line.strip() for line in lines]
    while names and not names[-1]:
        names.pop()
    if "" in names:
        raise DataError(
            f"{path}: line {names.index('') + 1} is empty, and line n names the class n; fill it"
        )
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{path} has the class {twice!r} twice; give each its own name")
    return tuple(names)


def _classes_by_folder(members: Sequence[str]) -> tuple[list[str | None], bool]:
    """The folder that each lies in, and whether these must be classes, as in ``looks_like_classes``."""
    parts = [PurePosixPath(member).parts for member in members]
    # tar often puts everything below the name of the folder that was packed
    while len({each[0] for each in parts}) == 1 and min(len(each) for each in parts) > 2:
        parts = [each[1:] for each in parts]
    folders = {each[0] for each in parts if len(each) > 1}
    if {name.casefold() for name in folders} <= SPLIT_NAMES:
        return [None] * len(parts), False
    certain = len(folders) > 1 and all(len(each) == 2 for each in parts)
    return [each[0] if len(each) > 1 else None for each in parts], certain


def _archives_in(folder: Path) -> tuple[Path, ...]:
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            suffix = Path(entry.name).suffix.lower()
            if entry.name.startswith("."):
                continue
            if suffix in EXTENSIONS or entry.is_dir():
                return ()
            if suffix == ".tar":
                found.append(folder / entry.name)
    return tuple(sorted(found, key=lambda path: natural_key(path.name)))


def _expanded(text: str) -> list[str]:
    found = _BRACES.search(text)
    if found is None:
        return [text]
    first, last = int(found[1]), int(found[2])
    if not first <= last < first + MOST_SHARDS:
        raise DataError(f"{text}: {found[0]} does not count upwards, or too far")
    width = len(found[1])
    names = (
        f"{text[: found.start()]}{n:0{width}}{text[found.end() :]}" for n in range(first, last + 1)
    )
    return [each for name in names for each in _expanded(name)]


def _clean(name: str) -> str:
    return re.sub(r"^(\./)+", "", name)


def _stem(member: str) -> str:
    return member.rpartition(".")[0]


def _content(path: Path, extent: Extent) -> bytes:
    with open(path, "rb") as file:
        file.seek(extent.offset)
        content = file.read(extent.size)
    if len(content) < extent.size:
        raise OSError("the archive has become shorter")
    return content


def _compression(path: Path) -> str:
    with open(path, "rb") as file:
        start = file.read(6)
    return next((name for magic, name in _MAGIC.items() if start.startswith(magic)), "")


def _compressed(path: Path, kind: str) -> str:
    return (
        f"{path} is compressed ({kind.lstrip('.')}), so that its pictures cannot be read one by one: "
        "unpack it into a folder, or make a plain .tar of it"
    )
