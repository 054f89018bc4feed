"""syn-signs: an open re-creation of the "Syn Signs" that Ganin et al. (JMLR 2016) adapt to GTSRB.

Theirs are 100,000 pictures of 43 classes by Moiseev et al. (2013), which were never published:
pictograms on backgrounds, with varied brightness, saturation, rotation in space, Gaussian and motion
blur. See ``acclimate.data.drawn_signs`` for what is drawn here.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from acclimate.core.errors import DataError
from acclimate.data.files import FileFinder, Finding
from acclimate.data.folders import list_images
from acclimate.data.generation import generate_in_parallel, kept_inspector, kept_reader
from acclimate.data.images import eight_bits
from acclimate.data.pictograms import Pictogram, describe, list_pictograms, load_pictogram
from acclimate.data.registry import Arrays, Dataset, Generator, GeneratorOption, register
from acclimate.data.sets.mnist_m import few_photos, find_photos
from acclimate.data.sets.sign_names import SIGN_NAMES

NAME = "syn-signs"
SIZE = 40
RECIPE = "syn-signs/1"
"""Raised when the recipe changes, so that nobody reads an older build."""

TEMPLATES = "sign_templates"
BACKGROUNDS = "bsds500"
NO_BACKGROUNDS = "none"
MOST_PHOTOS = 500
"""Of a larger folder a spread is taken: every process holds its photos in memory."""

_PHOTO_SIDE = 160
_FOLDERS = (f"{TEMPLATES}/png256", TEMPLATES)


class Files(NamedTuple):
    """What signs are drawn from. ``newest`` tells files that were replaced from those before."""

    templates: tuple[tuple[Path, ...], ...]
    photos: tuple[Path, ...]
    newest: int


def generate_signs(
    count: int,
    *,
    seed: int = 0,
    split: str = "train",
    templates: str = TEMPLATES,
    backgrounds: str = BACKGROUNDS,
    processes: int | None = None,
    finder: FileFinder | None = None,
) -> Arrays:
    """``count`` signs: uint8 (count, 40, 40, 3) and int64 labels, all classes equally often.

    ``templates``: a folder of ``CLASS.png``, or ``sign_templates``, the 43 German signs below the
    data folder. ``backgrounds``: a folder of photos, ``none`` for smooth noise, or ``bsds500``:
    the photos of ``split`` below the data folder where there are any. Item ``i`` depends on
    ``seed``, ``split``, ``i`` and these files alone. Raises ``DataError`` for missing or damaged
    ones, ``ConfigurationError`` for a count below 1.
    """
    finder = finder or FileFinder()
    classes = _find_templates(finder, templates)
    photos = _find_backgrounds(finder, split, backgrounds)
    files = Files(tuple(classes.values()), tuple(photos), _newest(classes, photos))
    drawn = generate_in_parallel(
        partial(_draw, files),
        count,
        seed=seed,
        stream=f"{NAME}/{split}",
        processes=processes,
        progress=finder.progress,
    )
    names = SIGN_NAMES if _is_german(classes) else tuple(classes)
    notes = few_photos((split,), len(photos), split) if backgrounds == BACKGROUNDS else ()
    return drawn._replace(class_names=names, notes=notes)


def _draw(files: Files, index: int, random: np.random.Generator) -> tuple[np.ndarray, int]:
    from acclimate.data.drawn_signs import draw_sign

    signs, others, backgrounds = _ingredients(files)
    label = index % len(signs)
    pictogram = signs[label][random.integers(len(signs[label]))]
    return draw_sign(pictogram, others, backgrounds, random), label


@lru_cache(maxsize=2)
def _ingredients(
    files: Files,
) -> tuple[list[list[Pictogram]], list[Pictogram], list[np.ndarray]]:
    """Pictograms by class, all of them, and photos; read once by each process."""
    signs = [[load_pictogram(path) for path in variants] for variants in files.templates]
    return (
        signs,
        [sign for variants in signs for sign in variants],
        [_open(p) for p in files.photos],
    )


def _open(path: Path) -> np.ndarray:
    """uint8 (height, width, 3), the shorter side at most 160: backgrounds are never sharper."""
    try:
        with Image.open(path) as image:
            image.draft("RGB", (_PHOTO_SIDE, _PHOTO_SIDE))
            image.thumbnail((10 * _PHOTO_SIDE, _PHOTO_SIDE), Image.Resampling.BOX)
            return np.asarray(eight_bits(image).convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} is no readable photo ({error}); remove or replace it") from error


def _find_templates(finder: FileFinder, templates: str) -> dict[str, tuple[Path, ...]]:
    if templates != TEMPLATES:
        return list_pictograms(Path(templates).expanduser())
    first = finder.find(_FOLDERS, ("00.png",))
    found = list_pictograms(first.parent) if first else {}
    if not _is_german(found):
        raise DataError(
            f"{NAME} needs the pictograms of the 43 German signs of GTSRB, and "
            f"{finder.places()[0] / TEMPLATES} has {len(found) or 'none'}: put 00.png to 42.png "
            "there, with transparent backgrounds, or draw other signs with "
            f"acclimate data build {NAME} --templates DIR --output FILE.npz"
        )
    return found


def _newest(classes: dict[str, tuple[Path, ...]], photos: list[Path]) -> int:
    files = [path for variants in classes.values() for path in variants] + photos
    return max(path.stat().st_mtime_ns for path in files)


def _is_german(classes: dict[str, tuple[Path, ...]]) -> bool:
    return list(classes) == [f"{number:02d}" for number in range(len(SIGN_NAMES))]


def _find_backgrounds(finder: FileFinder, split: str, backgrounds: str) -> list[Path]:
    if backgrounds == NO_BACKGROUNDS:
        return []
    if backgrounds == BACKGROUNDS:
        return find_photos(finder, split)
    folder = Path(backgrounds).expanduser()
    found = [folder / name for name in list_images(folder)[0]]
    if not found:
        raise DataError(
            f"{folder} holds no photos for backgrounds; give another, or {NO_BACKGROUNDS}"
        )
    return found[:: -(-len(found) // MOST_PHOTOS)]


def _generate(finder: FileFinder, split: str, count: int, **options: str | int | None) -> Arrays:
    return generate_signs(count, split=split, finder=finder, **options)  # type: ignore[arg-type]


def _fingerprint(finder: FileFinder, split: str) -> str | None:
    """``None`` without pictograms, so that what was built from them can still be read."""
    first = finder.find(_FOLDERS, ("00.png",))
    if first is None:
        return None
    templates = _find_templates(finder, TEMPLATES).values()
    photos = _find_backgrounds(finder, split, BACKGROUNDS)
    files = [path for variants in templates for path in variants] + photos
    return f"{RECIPE}:seed 0:{hashlib.sha256(describe(files).encode()).hexdigest()[:16]}"


def _inspect(finder: FileFinder, verify: bool) -> list[Finding]:
    """What was built and, where something was not, whether the pictograms are at hand."""
    built = kept_inspector(NAME, GENERATOR)(finder, verify)
    if all(finding.status == "ok" for finding in built):
        return built
    first = finder.find(_FOLDERS, ("00.png",))
    where = str(first.parent) if first else str(finder.places()[0] / TEMPLATES)
    detail = "" if first else "put 00.png to 42.png there, one pictogram for each class"
    pictograms = Finding(
        what="pictograms",
        split="all",
        status="ok" if first else "missing",
        where=where,
        detail=detail,
    )
    return [*built, pictograms]


GENERATOR = Generator(
    generate=_generate,
    counts={"train": 100_000, "test": 10_000},
    fingerprint=_fingerprint,
    options=(
        GeneratorOption(
            name="templates",
            help="a folder of pictograms CLASS.png, or sign_templates below the data folder",
            default=TEMPLATES,
        ),
        GeneratorOption(
            name="backgrounds",
            help="a folder of photos, 'none', or bsds500 below the data folder if it is there",
            default=BACKGROUNDS,
        ),
    ),
)
SYN_SIGNS = register(
    Dataset(
        name=NAME,
        description="traffic signs drawn from pictograms, colour, 40×40: a source for 'gtsrb'",
        licence="generated (German StVO signs; BSDS500: non-commercial research)",
        class_names=SIGN_NAMES,
        input_shape=(3, SIZE, SIZE),
        splits=tuple(GENERATOR.counts),
        read=kept_reader(NAME, GENERATOR),
        inspector=_inspect,
        generator=GENERATOR,
    )
)
