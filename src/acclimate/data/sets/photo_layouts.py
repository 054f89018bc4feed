"""What the registered sets of photos share: finding their folders and listing their pictures.

Photos are listed, not read: they have any size, and whoever opens them says which they get.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from acclimate.core.errors import DataError
from acclimate.data.files import (
    FileFinder,
    Finding,
    RemoteFile,
    cache_folder,
    inspect_file,
    plain_name,
)
from acclimate.data.folders import Listing, list_images, natural_key
from acclimate.data.registry import Findings
from acclimate.data.sets.photo_archives import unpacked

SHOWN = 4
"""Names that an error gives as examples."""
UNPACKED = "unpacked"
"""Folder in the cache, beside an archive, with what was in it."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A file or folder of a set, and what to do where it is missing.

    ``steps``: what each part of its path below a data folder may be called, see
    ``FileFinder.find_spelled``. ``shown``: that path as the publisher writes it. ``archive`` and
    ``address``: what to fetch from where. ``example``: a file that lies below it then.
    ``remote``: an archive that is fetched and unpacked where neither is at hand.
    """

    steps: tuple[tuple[str, ...], ...]
    shown: str
    archive: str
    address: str
    example: str = ""
    remote: RemoteFile | None = None

    def find(self, finder: FileFinder) -> Path | None:
        return finder.find_spelled(self.steps)

    def require(self, finder: FileFinder) -> Path:
        """Where it is; ``DataError`` with what to unpack where."""
        found = self.find(finder) or self._fetched(finder)
        if found is None:
            looked = " or ".join(str(place) for place in finder.places())
            wanted = finder.places()[0] / self.shown / self.example
            raise DataError(
                f"{self.shown} is not below {looked}: {self._take} so that there is {wanted}"
            )
        return found

    def _fetched(self, finder: FileFinder) -> Path | None:
        """The same in the cache, unpacked from the archive; ``None`` where that is not to be had."""
        remote = self.remote
        if remote is None or not (finder.download or finder.find_remote(remote)):
            return None
        unpacked(finder.obtain(remote), cache_folder() / remote.folders[0] / UNPACKED)
        return self.find(finder)

    def inspect(self, finder: FileFinder, split: str, verify: bool = False) -> Finding:
        """Whether it is at hand; ``split``: the one that needs it, ``"all"`` if every one does.

        ``verify`` compares the checksum of an archive that was not unpacked yet.
        """
        try:
            found = self.find(finder)
        except DataError as error:
            return Finding(
                what=self.shown, split=split, status="damaged", where="", detail=str(error)
            )
        if found is None and self.remote is not None and finder.find_remote(self.remote):
            return inspect_file(finder, self.remote, verify)
        return Finding(
            what=self.shown,
            split=split,
            status="missing" if found is None else "ok",
            where="" if found is None else str(found),
            detail=self._take if found is None else "",
        )

    @property
    def again(self) -> str:
        """What to do where it is there and not whole."""
        packed = self.archive.endswith((".tar", ".gz", ".zip"))
        return f"{'unpack' if packed else 'fetch'} {self.archive} from {self.address} again"

    @property
    def _take(self) -> str:
        by_hand = self.again.removesuffix(" again")
        return by_hand if self.remote is None else f"allow the download or {by_hand}"


@dataclass(frozen=True, kw_only=True)
class ClassFolders:
    """A domain whose pictures lie in a folder for each class; the only split is all of it.

    ``aliases``: other names of class folders, by ``plain_name``.
    """

    place: Place
    class_names: tuple[str, ...]
    aliases: Mapping[str, str] = field(default_factory=dict)

    def list(self, finder: FileFinder, _split: str) -> Listing:
        return list_classes(self.place, self.place.require(finder), self.class_names, self.aliases)

    def inspect(self, finder: FileFinder, verify: bool) -> Findings:
        return [self.place.inspect(finder, "all", verify)]


def list_classes(
    place: Place, root: Path, class_names: tuple[str, ...], aliases: Mapping[str, str] | None = None
) -> Listing:
    """The pictures in the class folders of ``root``; other folders and loose files are skipped.

    Raises ``DataError`` where a class has no picture or two folders.
    """
    known = {plain_name(name): name for name in class_names} | dict(aliases or {})
    found, skipped = list_images(root)
    folders: dict[str, str] = {}  # class → its folder
    strange: dict[str, int] = {}
    pairs = []
    for path in found:
        folder, slash, _ = path.partition("/")
        name = known.get(plain_name(folder)) if slash else None
        if name is not None:
            if folders.setdefault(name, folder) != folder:
                raise DataError(
                    f"{root} has two folders of the class {name!r}, {folders[name]!r} and {folder!r}; "
                    "remove one"
                )
            pairs.append((path, class_names.index(name)))
        elif slash:
            strange[folder] = strange.get(folder, 0) + 1
        else:
            skipped.append(f"{path}: lies beside the class folders and has no class")
    absent = [name for name in class_names if name not in folders]
    if absent:
        raise DataError(f"{root} has no pictures of {_examples(absent, 'classes')}; {place.again}")
    skipped += [
        f"{folder}: {count} pictures in a folder that is none of the classes"
        for folder, count in strange.items()
    ]
    return in_order(root, pairs, class_names, skipped)


def read_list(
    path: Path, class_count: int, first_label: int, way_out: str
) -> list[tuple[str, int]]:
    """Lines ``PATH LABEL``, labels from ``first_label``, as paths and labels from 0.

    Raises ``DataError`` for any other line, with ``way_out``.
    """
    labels = {str(first_label + k): k for k in range(class_count)}
    pairs = []
    # paths in odd encodings are found again as they were written
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        name, _, label = line.strip().rpartition(" ")
        if not name or label not in labels:
            raise DataError(
                f"{path}: line {number} is {line.strip()[:80]!r}; expected a path and a label from "
                f"{first_label} to {first_label + class_count - 1}; {way_out}"
            )
        pairs.append((name.strip(), labels[label]))
    if not pairs:
        raise DataError(f"{path} is empty; {way_out}")
    return pairs


def list_pairs(
    root: Path, pairs: Iterable[tuple[str, int]], class_names: tuple[str, ...], way_out: str
) -> Listing:
    """The pictures that a list names, paths relative to ``root``, in order of class and name.

    Raises ``DataError`` where some are missing or outside ``root``.
    """
    pairs = [(PurePosixPath(path).as_posix(), label) for path, label in pairs]
    # a list is a file from somewhere: it may not name files of the user's
    outside = [p for p, _ in pairs if p.startswith("/") or ".." in PurePosixPath(p).parts]
    if outside:
        raise DataError(f"{root}: {outside[0]!r} in its list lies outside of it; {way_out}")
    absent = [path for path, _ in pairs if not (root / path).is_file()]
    if absent:
        raise DataError(
            f"{root} lacks {len(absent)} of {len(pairs)} listed pictures: "
            f"{_examples(absent, 'pictures')}; {way_out}"
        )
    return in_order(root, pairs, class_names)


def in_order(
    root: Path,
    pairs: Iterable[tuple[str, int]],
    class_names: tuple[str, ...],
    skipped: Iterable[str] = (),
) -> Listing:
    """A listing by class and then by name, however its pictures were found."""
    ordered = sorted(pairs, key=lambda pair: (pair[1], natural_key(pair[0]), pair[0]))
    return Listing(
        root,
        tuple(path for path, _ in ordered),
        tuple(label for _, label in ordered),
        class_names,
        tuple(skipped),
    )


def _examples(names: list[str], what: str) -> str:
    shown = ", ".join(repr(name) for name in names[:SHOWN])
    return f"{shown}, … ({len(names)} {what})" if len(names) > SHOWN else shown
