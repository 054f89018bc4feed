"""MNIST-M, built here: MNIST digits blended with crops of BSDS500 photos.

Train digits lie on photos of BSDS500's train part, test digits on its test part. Built once for a
seed and kept in the cache. Differs from the published archive (``mnist-m-official``) in its random
crops, and in having all 60,000 / 10,000 digits at 28×28 instead of 59,001 / 9,001 at 32×32.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from acclimate.core.errors import DataError
from acclimate.data.built import built_once
from acclimate.data.files import FileFinder, Finding, cache_folder, inspect_file
from acclimate.data.registry import DIGIT_NAMES, Arrays, Dataset, register
from acclimate.data.sets import mnist
from acclimate.data.sets.digits_m import blend, difference

PHOTO_FOLDERS = ("bsds500", "BSDS500/data/images", "BSR/BSDS500/data/images", "BSDS500")
PHOTO_COUNTS = {"train": 200, "val": 100, "test": 200}

Change = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How MNIST's digits and photos become a data set; ``mnist-m`` is the plain one.

    ``parts``: the parts of BSDS500 whose photos lie behind the train and behind the test digits.
    ``digits`` changes the digits, uint8 (N, 28, 28, 1); ``combine`` makes one picture of digits and
    patches; ``blue_first`` turns the photos' channels round. ``version`` is raised when the
    recipe changes, so that nobody reads an older build.
    """

    name: str
    version: int = 1
    train: tuple[str, ...] = ("train",)
    test: tuple[str, ...] = ("test",)
    digits: Change | None = None
    combine: Callable[[np.ndarray, np.ndarray], np.ndarray] = difference
    blue_first: bool = False

    def parts(self, split: str) -> tuple[str, ...]:
        return self.train if split == "train" else self.test


def build(recipe: Recipe, finder: FileFinder, split: str, *, seed: int = 0) -> Arrays:
    """One split for ``seed``: uint8 (N, 28, 28, 3) and int64 (N,), from the cache where it is kept.

    Raises ``DataError`` where the photos are needed and not found.
    """
    path = _kept(recipe, split, seed)
    photos = _find_all(recipe, finder, split)
    if not photos and not path.exists():
        raise DataError(_missing_photos(recipe, finder, split))
    if (
        not path.exists()
    ):  # else they would be fetched after the fingerprint that they have a part in
        for remote in (mnist.IMAGES, mnist.LABELS):
            finder.obtain(remote[split])
    fingerprint = _fingerprint(recipe, finder, split, photos)
    return built_once(path, fingerprint, lambda: _blend_all(recipe, finder, split, photos, seed))


def find_photos(finder: FileFinder, part: str) -> list[Path]:
    """The photos of BSDS500's ``part``, sorted; empty when there are none."""
    folder = finder.find(PHOTO_FOLDERS, (part,))
    # macOS leaves files of its own beside those that it copied
    return sorted(folder.glob("[!.]*.jpg")) if folder else []


def _find_all(recipe: Recipe, finder: FileFinder, split: str) -> list[Path]:
    return [photo for part in recipe.parts(split) for photo in find_photos(finder, part)]


def _kept(recipe: Recipe, split: str, seed: int = 0) -> Path:
    return cache_folder() / recipe.name / f"seed{seed}-{split}.npz"


def _blend_all(
    recipe: Recipe, finder: FileFinder, split: str, photos: list[Path], seed: int
) -> Arrays:
    images, labels = mnist.read(finder, split)[:2]
    if recipe.digits is not None:
        images = recipe.digits(images)
    pictures = [_open_photo(path, images.shape[1]) for path in photos]
    if recipe.blue_first:
        pictures = [picture[..., ::-1] for picture in pictures]
    stream = 2 * seed + (split == "test")
    made = blend(images, pictures, stream, recipe.combine)
    return Arrays(made, labels, notes=few_photos(recipe.parts(split), len(photos), split))


def few_photos(parts: tuple[str, ...], found: int, split: str) -> tuple[str, ...]:
    """What is to be said where fewer photos lie behind ``split`` than BSDS500 has."""
    complete = sum(PHOTO_COUNTS[part] for part in parts)
    if found == complete:
        return ()
    have = f"{found} of BSDS500's {complete} {' and '.join(parts)} photos" if found else "no photos"
    return (f"behind its {split} pictures lie {have}",)


def _open_photo(path: Path, size: int) -> np.ndarray:
    try:
        with Image.open(path) as image:
            photo = np.asarray(image.convert("RGB"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}); fetch it again") from error
    if min(photo.shape[:2]) < size:
        raise DataError(f"{path} is smaller than {size}×{size}; fetch BSDS500's own photos")
    return photo


def _fingerprint(recipe: Recipe, finder: FileFinder, split: str, photos: list[Path]) -> str | None:
    """Of photos and digits; ``None`` where they are not at hand, and what was kept is good."""
    files = [finder.find_remote(remote[split]) for remote in (mnist.IMAGES, mnist.LABELS)]
    digits = [path.read_bytes() for path in files if path is not None]
    if not photos or len(digits) < len(files):
        return None
    listing = "".join(f"{path.name}:{path.stat().st_size};" for path in photos)
    digest = hashlib.sha256(b"".join([listing.encode(), *digits])).hexdigest()[:16]
    return f"{recipe.name}/{recipe.version}:{digest}"


def _missing_photos(recipe: Recipe, finder: FileFinder, split: str) -> str:
    part = recipe.parts(split)[0]
    place = finder.places()[0] / "bsds500" / part
    return (
        f"{recipe.name} needs the BSDS500 photos as backgrounds and {place} has none: put the .jpg "
        f"files of images/{part} (github.com/BIDS/BSDS500) there, or use mnist-m-official or "
        "digits-m"
    )


def inspect(recipe: Recipe, finder: FileFinder, verify: bool) -> list[Finding]:
    """MNIST's files and, for each split, the photos or what was built from them."""
    findings = []
    for split in ("train", "test"):
        kept = _kept(recipe, split)
        if kept.exists():
            what = f"built {split} split"
            size = kept.stat().st_size
            findings.append(
                Finding(what=what, split=split, status="ok", where=str(kept), size=size)
            )
        if not kept.exists() or _find_all(recipe, finder, split):
            findings.append(_inspect_photos(recipe, finder, split))
        if not kept.exists():
            remotes = (mnist.IMAGES[split], mnist.LABELS[split])
            findings += [inspect_file(finder, remote, verify) for remote in remotes]
    return findings


def _inspect_photos(recipe: Recipe, finder: FileFinder, split: str) -> Finding:
    photos = _find_all(recipe, finder, split)
    parts = recipe.parts(split)
    what = f"BSDS500 {' and '.join(parts)} photos"
    if not photos:
        detail = _missing_photos(recipe, finder, split)
        return Finding(what=what, split=split, status="missing", where="", detail=detail)
    complete = sum(PHOTO_COUNTS[part] for part in parts)
    return Finding(
        what=what,
        split=split,
        status="ok" if len(photos) == complete else "different",
        where=str(photos[0].parent),
        size=sum(path.stat().st_size for path in photos),
        detail=f"{len(photos)} of {complete} photos",
    )


def register_recipe(recipe: Recipe, description: str) -> Dataset:
    """Register what ``recipe`` makes: the ten digits in colour, 28×28."""
    return register(
        Dataset(
            name=recipe.name,
            description=description,
            licence="CC BY-SA 3.0 (MNIST); BSDS500 for non-commercial research",
            class_names=DIGIT_NAMES,
            input_shape=(3, 28, 28),
            splits=("train", "test"),
            read=partial(build, recipe),
            inspector=partial(inspect, recipe),
        )
    )


MNIST_M = register_recipe(
    Recipe(name="mnist-m"),
    "MNIST digits on crops of BSDS500 photos, colour, 28×28, built here",
)
