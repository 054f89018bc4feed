"""Folders of images: what is in them, and which of them mean classes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from acclimate.core.errors import DataError
from acclimate.data.images import EXTENSIONS

SPLIT_NAMES = frozenset({"train", "training", "val", "valid", "validation", "test", "testing"})
KNOWN_BUT_UNSUPPORTED = frozenset({".heic", ".heif", ".avif", ".raw", ".cr2", ".nef", ".dng"})


@dataclass(frozen=True)
class Listing:
    """Image files below a folder, as paths relative to it, in natural order.

    ``labels``: for each file the index into ``class_names``, or ``None`` for plain images.
    ``skipped``: one line for each picture left out.
    """

    root: Path
    files: tuple[str, ...]
    labels: tuple[int, ...] | None
    class_names: tuple[str, ...]
    skipped: tuple[str, ...] = field(default=())


def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key that puts ``img2`` before ``img10``.

    >>> sorted(["img10", "img2", "Img1"], key=natural_key)
    ['Img1', 'img2', 'img10']
    """
    parts = re.findall(r"[0-9]+|[^0-9]+", text.casefold())
    # not isdecimal(), which other scripts' digits are as well
    return tuple((0, int(p), "") if "0" <= p[0] <= "9" else (1, 0, p) for p in parts)


def list_images(root: Path, below: str = "") -> tuple[list[str], list[str]]:
    """Image files below ``root/below`` in natural order, and lines for unsupported formats.

    Hidden files and folders are ignored; links are followed, each folder once.
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
        subfolders[:] = [name for name in subfolders if not _hidden(name)]
        for name in files:
            path = Path(folder, name).relative_to(root).as_posix()
            suffix = Path(name).suffix.lower()
            if suffix in EXTENSIONS and not _hidden(name):
                found.append(path)
            elif suffix in KNOWN_BUT_UNSUPPORTED and not _hidden(name):
                unsupported.append(f"{path}: the format {suffix} is not supported")
    return sorted(found, key=_path_key), sorted(unsupported, key=natural_key)


def _path_key(path: str) -> tuple[tuple[tuple[int, int, str], ...], str]:
    return natural_key(path), path


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def list_class_folders(root: Path) -> Listing:
    """The images of ``root``, each with the class that its immediate subfolder names.

    Raises ``DataError``: no images, no subfolders, a single class, an empty class folder, or
    subfolders that look like the splits of a data set.
    """
    classes = _subfolders(root)
    found, skipped = list_images(root)
    loose = [path for path in found if "/" not in path]
    if not classes:
        raise DataError(_no_classes(root, len(loose)))
    _refuse_splits(root, classes)
    if not found:
        raise DataError(_no_images(root, skipped))
    by_class = _by_subfolder(found)
    empty = [name for name in classes if name not in by_class]
    if empty:
        raise DataError(
            f"{root}: the class folder{'s' if len(empty) > 1 else ''} {_join(empty)} "
            f"{'hold' if len(empty) > 1 else 'holds'} no images; add some or remove it"
        )
    if len(classes) < 2:
        raise DataError(
            f"{root} has a single class, {classes[0]!r}; two or more class folders are needed"
        )
    files = tuple(path for name in classes for path in by_class[name])
    labels = tuple(k for k, name in enumerate(classes) for _ in by_class[name])
    skipped += [f"{path}: lies beside the class folders and has no class" for path in loose]
    return Listing(root, files, labels, tuple(classes), tuple(skipped))


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


def list_known_classes(
    root: Path, class_names: tuple[str, ...], labels_needed: bool = False
) -> Listing:
    """The images of ``root`` with labels in the order of ``class_names``.

    Its subfolders may be some of the classes. Raises ``DataError`` for any other name;
    ``labels_needed`` as in ``check_class_names``.
    """
    found, skipped = list_images(root)
    by_class = _by_subfolder(found)
    if not found:
        raise DataError(_no_images(root, skipped))
    if not by_class:
        raise DataError(_no_classes(root, len(found)))
    check_class_names(str(root), by_class, class_names, labels_needed)
    index = {name: k for k, name in enumerate(class_names)}
    pairs = [(path, index[name]) for name in class_names for path in by_class.get(name, ())]
    skipped += [
        f"{p}: lies beside the class folders and has no class" for p in found if "/" not in p
    ]
    files = tuple(path for path, _ in pairs)
    labels = tuple(label for _, label in pairs)
    return Listing(root, files, labels, class_names, tuple(skipped))


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
        raise DataError(
            f"{where} has the classes {_join(found)}, the {owner} {_join(known)}: "
            f"{_join(unknown, 4)} {'is' if len(unknown) == 1 else 'are'} not among the {owner}'s; "
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
    names = [path.name for path in root.iterdir() if path.is_dir() and not _hidden(path.name)]
    return sorted(names, key=natural_key)


def _refuse_splits(root: Path, classes: list[str]) -> None:
    if {name.casefold() for name in classes} <= SPLIT_NAMES:
        first = root / classes[0]
        raise DataError(
            f"{root}: its folders {_join(classes)} look like the splits of a data set, not like "
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


def _join(names: Iterable[str], at_most: int = 12) -> str:
    names = list(names)
    shown = ", ".join(repr(name) for name in names[:at_most])
    return f"{shown}, … ({len(names)} in all)" if len(names) > at_most else shown
