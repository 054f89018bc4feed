"""Folders of images: what is in them, and which of them mean classes."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from acclimate.core.errors import DataError, near_miss
from acclimate.data.images import EXTENSIONS, Picture, Pictures, Stamp, stamp_of

SPLIT_NAMES = frozenset({"train", "training", "val", "valid", "validation", "test", "testing"})
KNOWN_BUT_UNSUPPORTED = frozenset(
    {
        ".heic",
        ".heif",
        ".avif",
        ".raw",
        ".cr2",
        ".cr3",
        ".nef",
        ".arw",
        ".dng",
        ".jp2",
        ".psd",
        ".tga",
    }
)


#: in every folder of annotated copies: they are no new pictures, wherever they lie
ANNOTATED = ".acclimate-annotations"


@dataclass(frozen=True)
class PictureFiles:
    """Picture files, their ``names`` relative to ``root``."""

    root: Path
    names: tuple[str, ...]

    @property
    def place(self) -> str:
        return str(self.root.resolve())

    def picture(self, index: int) -> Picture:
        return self.root / self.names[index]

    def stamp(self, index: int) -> Stamp:
        return stamp_of(self.root / self.names[index])

    def where(self, index: int) -> str:
        return str(self.root / self.names[index])

    def subset(self, indices: Sequence[int]) -> PictureFiles:
        return PictureFiles(self.root, tuple(self.names[index] for index in indices))


@dataclass(frozen=True)
class Listing:
    """Pictures of one place, in natural order or that of a table.

    ``files``: a name for each, for picture files the path relative to ``root``. ``labels``: for
    each file the index into ``class_names``, or ``None`` for plain images. ``skipped``: one line
    for each picture left out. ``name``: the domain's, where it is not that of the folder.
    ``content``: where the encoded pictures are, if not in files below ``root``. ``cameras`` and
    ``roles``: of each picture, as in ``Domain``; ``class_names`` are identities then.
    """

    root: Path
    files: tuple[str, ...]
    labels: tuple[int, ...] | None
    class_names: tuple[str, ...]
    skipped: tuple[str, ...] = field(default=())
    name: str = ""
    notes: tuple[str, ...] = field(default=())
    content: Pictures | None = None
    cameras: tuple[int, ...] | None = None
    roles: tuple[int, ...] | None = None

    @property
    def pictures(self) -> Pictures:
        return self.content or PictureFiles(self.root, self.files)


def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key that puts ``img2`` before ``img10``; no two texts have the same.

    >>> sorted(["img10", "img2", "Img1", "a", "A", "1", "01"], key=natural_key)
    ['01', '1', 'A', 'a', 'Img1', 'img2', 'img10']
    """
    parts = re.findall(r"[0-9]+|[^0-9]+", text.casefold())
    # not isdecimal(), which other scripts' digits are as well
    known = [(0, int(p), "") if "0" <= p[0] <= "9" else (1, 0, p) for p in parts]
    # else the order of a set, which is another in every process, would be left of "A" and "a"
    return (*known, (-1, 0, text))


def list_images(root: Path, below: str = "") -> tuple[list[str], list[str]]:
    """Image files below ``root/below`` in natural order, and lines for unsupported formats.

    Hidden files and folders are ignored, and folders of annotated copies below the first; links are
    followed, each folder once.
    """
    found: list[str] = []
    unsupported: list[str] = []
    seen: set[tuple[int, int]] = set()
    for folder, subfolders, files in os.walk(root / below, followlinks=True):
        status = Path(folder).stat()
        if (status.st_dev, status.st_ino) in seen:
            subfolders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        if ANNOTATED in files and Path(folder) != root / below:
            subfolders.clear()
            continue
        subfolders[:] = [name for name in subfolders if not _hidden(name)]
        inside = Path(folder).relative_to(root).as_posix()
        prefix = "" if inside == "." else f"{inside}/"
        for name in files:
            suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122  (a Path each takes seconds)
            if suffix in EXTENSIONS and not _hidden(name):
                found.append(prefix + name)
            elif suffix in KNOWN_BUT_UNSUPPORTED and not _hidden(name):
                unsupported.append(f"{prefix}{name}: the format {suffix} is not supported")
    return sorted(found, key=_path_key), sorted(unsupported, key=natural_key)


def _path_key(path: str) -> tuple[tuple[tuple[int, int, str], ...], str]:
    return natural_key(path), path


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def list_class_folders(root: Path, only_classes: Collection[str] | None = None) -> Listing:
    """The images of ``root``, each with the class that its immediate subfolder names.

    ``only_classes``: the other subfolders are left out. Raises ``DataError``: no images, no
    subfolders, a single class, an empty class folder, or subfolders that look like the splits
    of a data set.
    """
    every = _subfolders(root)
    found, skipped = list_images(root)
    loose = [path for path in found if "/" not in path]
    if not every:
        raise DataError(_no_classes(root, len(loose)))
    _refuse_splits(root, every)
    if not found:
        raise DataError(_no_images(root, skipped))
    by_class = _by_subfolder(found)
    classes = wanted_classes(str(root), every, only_classes)
    empty = [name for name in classes if name not in by_class]
    if empty:
        raise DataError(
            f"{root}: the class folder{'s' if len(empty) > 1 else ''} {join_names(empty)} "
            f"{'hold' if len(empty) > 1 else 'holds'} no images; add some or remove it"
        )
    if len(classes) < 2:
        raise DataError(
            f"{root} has a single class, {classes[0]!r}; two or more class folders are needed"
        )
    files = tuple(path for name in classes for path in by_class[name])
    labels = tuple(k for k, name in enumerate(classes) for _ in by_class[name])
    skipped += [f"{path}: lies beside the class folders and has no class" for path in loose]
    return Listing(
        root,
        files,
        labels,
        tuple(classes),
        tuple(skipped),
        notes=left_out({name: len(by_class.get(name, ())) for name in every}, only_classes),
    )


def list_plain(root: Path) -> Listing:
    """All images below ``root``, without labels; ``DataError`` when there are none."""
    found, skipped = list_images(root)
    if not found:
        raise DataError(_no_images(root, skipped))
    return Listing(root, tuple(found), None, (), tuple(skipped))


def looks_like_classes(root: Path) -> bool:
    """Whether all images lie in two or more immediate subfolders and none above or deeper."""
    found, _ = list_images(root)
    return len(_by_subfolder(found)) >= 2 and all(path.count("/") == 1 for path in found)


def class_folders_of(root: Path) -> tuple[str, ...]:
    """The immediate subfolders of ``root`` that hold images, in natural order."""
    return tuple(sorted(_by_subfolder(list_images(root)[0]), key=natural_key))


def list_known_classes(
    root: Path,
    class_names: tuple[str, ...],
    labels_needed: bool = False,
    only_classes: Collection[str] | None = None,
) -> Listing:
    """The images of ``root`` with labels in the order of ``class_names``.

    Its subfolders may be some of the classes; those that are not among ``only_classes`` are left
    out. Raises ``DataError`` for any other name; ``labels_needed`` as in ``check_class_names``.
    """
    found, skipped = list_images(root)
    by_class = _by_subfolder(found)
    if not found:
        raise DataError(_no_images(root, skipped))
    if not by_class:
        raise DataError(_no_classes(root, len(found)))
    notes = left_out({name: len(files) for name, files in by_class.items()}, only_classes)
    if only_classes is not None:
        by_class = {name: files for name, files in by_class.items() if name in only_classes}
        check_any_left(str(root), by_class, only_classes)
    check_class_names(str(root), by_class, class_names, labels_needed)
    index = {name: k for k, name in enumerate(class_names)}
    pairs = [(path, index[name]) for name in class_names for path in by_class.get(name, ())]
    skipped += [
        f"{p}: lies beside the class folders and has no class" for p in found if "/" not in p
    ]
    files = tuple(path for path, _ in pairs)
    labels = tuple(label for _, label in pairs)
    return Listing(root, files, labels, class_names, tuple(skipped), notes=notes)


def wanted_classes(
    where: str, found: Iterable[str], only_classes: Collection[str] | None
) -> list[str]:
    """Those of ``found`` that are wanted, in their order; ``DataError`` where one is missing."""
    found = list(found)
    for name in only_classes or ():
        if name not in found:
            raise DataError(f"{where} has no class {name!r}.{near_miss(name, found)}")
    return [name for name in found if only_classes is None or name in only_classes]


def check_any_left(where: str, found: Collection[str], only_classes: Iterable[str]) -> None:
    """Raise ``DataError`` where no class is left of those that were wanted."""
    if not found:
        raise DataError(
            f"{where} has none of the classes {join_names(only_classes)}; choose others"
        )


def left_out(counts: dict[str, int], only_classes: Collection[str] | None) -> tuple[str, ...]:
    """A note on the items of classes that nobody asked for; ``counts``: the items of each class."""
    if only_classes is None:
        return ()
    others = sorted((name for name in counts if name not in only_classes), key=natural_key)
    count = sum(counts[name] for name in others)
    if not others:
        return ()
    items = "1 item" if count == 1 else f"{count} items"
    classes = f"class{'' if len(others) == 1 else 'es'} {join_names(others)}"
    return (f"{items} of the {classes} {'is' if count == 1 else 'are'} left out",)


def check_class_names(
    where: str, found: Iterable[str], known: tuple[str, ...], labels_needed: bool = False
) -> None:
    """Raise ``DataError`` naming both sets when ``found`` has a class that is not ``known``.

    ``labels_needed``: a trained model is measured, so that going on without labels is no way out.
    """
    found = sorted(found, key=natural_key)
    unknown = [name for name in found if name not in known]
    if unknown:
        owner = "model" if labels_needed else "source"
        way_out = (
            "for predictions without labels use 'acclimate predict'"
            if labels_needed
            else "give --unlabelled-target to take all its items without labels"
        )
        shared = len(set(found) & set(known))
        if shared > 1 and not labels_needed:
            way_out += f", or give --classes shared to train on the {shared} classes both have"
        raise DataError(
            f"{where} has the classes {join_names(found)}, the {owner} {join_names(known)}: "
            f"{join_names(unknown, 4)} {'is' if len(unknown) == 1 else 'are'} not among the {owner}'s; "
            f"rename them, or {way_out}"
        )


def _by_subfolder(files: Iterable[str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for path in files:
        name, slash, _ = path.partition("/")
        if slash:
            groups.setdefault(name, []).append(path)
    return groups


def _subfolders(root: Path) -> list[str]:
    names = [
        path.name
        for path in root.iterdir()
        if path.is_dir() and not _hidden(path.name) and not (path / ANNOTATED).exists()
    ]
    return sorted(names, key=natural_key)


def _refuse_splits(root: Path, classes: list[str]) -> None:
    if {name.casefold() for name in classes} <= SPLIT_NAMES:
        first = root / classes[0]
        raise DataError(
            f"{root}: its folders {join_names(classes)} look like the splits of a data set, not like "
            f"classes; give one of them, for example {first}"
        )


def _no_classes(root: Path, loose: int) -> str:
    held = f"{loose} images but" if loose else ""
    return (
        f"{root} has {held} no class folders".replace("  ", " ")
        + ": labelled images lie in one subfolder for each class, like cat/1.jpg and dog/1.jpg"
    )


def _no_images(root: Path, skipped: list[str]) -> str:
    more = f" ({skipped[0]})" if skipped else ""
    return f"{root} holds no images{more}; supported: {' '.join(sorted(EXTENSIONS))}"


def join_names(names: Iterable[str], at_most: int = 12) -> str:
    names = list(names)
    shown = ", ".join(repr(name) for name in names[:at_most])
    return f"{shown}, … ({len(names)} in all)" if len(names) > at_most else shown
