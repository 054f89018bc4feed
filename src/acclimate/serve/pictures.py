"""Which picture files a list of files and folders means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from acclimate.core.errors import DataError
from acclimate.data.folders import list_images
from acclimate.data.images import EXTENSIONS


@dataclass(frozen=True)
class Picture:
    """A file, and a place for it below a common folder that no other picture of the list has."""

    path: Path
    relative: Path


def find_pictures(
    places: Sequence[Path], exclude: Path | None = None
) -> tuple[list[Picture], list[str]]:
    """All pictures in ``places``, each once, and a line for each file of an unsupported format.

    Files count as given; folders are searched to the bottom, leaving out what is hidden or lies
    below ``exclude``. Raises ``DataError`` for a missing place and where nothing is found.
    """
    missing = [str(place) for place in places if not place.exists()]
    if missing:
        raise DataError(f"there is no file or folder {', '.join(missing)}")
    known: dict[Path, Picture] = {}
    taken: set[Path] = set()
    skipped: list[str] = []
    barred = exclude.resolve() if exclude else None
    for place in places:
        for path, relative in _files_of(place, len(places) > 1, skipped):
            real = path.resolve()
            if real in known or (barred is not None and barred in real.parents):
                continue
            known[real] = Picture(path, _free(relative, taken))
    if not known:
        where = ", ".join(str(place) for place in places)
        raise DataError(f"no pictures in {where}; supported: {' '.join(sorted(EXTENSIONS))}")
    return list(known.values()), skipped


def _files_of(place: Path, several: bool, skipped: list[str]) -> Iterator[tuple[Path, Path]]:
    if place.is_file():
        yield place, Path(place.name)
        return
    # folders given side by side often hold the same file names
    above = Path(place.resolve().name) if several else Path()
    found, unsupported = list_images(place)
    skipped += [f"{place}/{line}" for line in unsupported]
    for name in found:
        yield place / name, above / name


def _free(relative: Path, taken: set[Path]) -> Path:
    """``relative``, or with a number where another picture has that place already."""
    candidate, number = relative, 2
    while candidate in taken:
        candidate = relative.with_name(f"{relative.stem}-{number}{relative.suffix}")
        number += 1
    taken.add(candidate)
    return candidate
