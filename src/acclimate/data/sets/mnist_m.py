"""MNIST-M, built here: MNIST digits blended with crops of BSDS500 photos.

Train digits lie on photos of BSDS500's train part, test digits on its test part. Built once for a
seed and kept in the cache. Differs from the published archive (``mnist-m-official``) in its random
crops, and in having all 60,000 / 10,000 digits at 28×28 instead of 59,001 / 9,001 at 32×32.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

from acclimate.core.errors import DataError
from acclimate.data.built import built_once
from acclimate.data.files import FileFinder, Finding, cache_folder, inspect_file
from acclimate.data.registry import DIGIT_NAMES, Arrays, Dataset, register
from acclimate.data.sets import mnist
from acclimate.data.sets.digits_m import blend

PHOTO_FOLDERS = ("bsds500", "BSDS500/data/images", "BSR/BSDS500/data/images", "BSDS500")
RECIPE = "mnist-m/1"
"""Raised when the recipe changes, so that nobody reads an older build."""


def build(finder: FileFinder, split: str, *, seed: int = 0) -> Arrays:
    """One split for ``seed``: uint8 (N, 28, 28, 3) and int64 (N,), from the cache where it is kept.

    Raises ``DataError`` where the photos are needed and not found.
    """
    path = cache_folder() / "mnist-m" / f"seed{seed}-{split}.npz"
    photos = find_photos(finder, split)
    if not photos and not path.exists():
        raise DataError(_missing_photos(finder, split))
    fingerprint = _fingerprint(photos) if photos else None
    return built_once(path, fingerprint, lambda: _blend_all(finder, split, photos, seed))


def find_photos(finder: FileFinder, split: str) -> list[Path]:
    """The photos of BSDS500's ``split`` part, sorted; empty when there are none."""
    folder = finder.find(PHOTO_FOLDERS, (split,))
    return sorted(folder.glob("*.jpg")) if folder else []


def _blend_all(finder: FileFinder, split: str, photos: list[Path], seed: int) -> Arrays:
    digits = mnist.read(finder, split)
    pictures = [_open_photo(path, digits.inputs.shape[1]) for path in photos]
    stream = 2 * seed + (split == "test")
    return Arrays(blend(digits.inputs, pictures, stream), digits.labels)


def _open_photo(path: Path, size: int) -> np.ndarray:
    try:
        with Image.open(path) as image:
            photo = np.asarray(image.convert("RGB"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}); fetch it again") from error
    if min(photo.shape[:2]) < size:
        raise DataError(f"{path} is smaller than {size}×{size}; fetch BSDS500's own photos")
    return photo


def _fingerprint(photos: list[Path]) -> str:
    listing = "".join(f"{path.name}:{path.stat().st_size};" for path in photos)
    return f"{RECIPE}:{hashlib.sha256(listing.encode()).hexdigest()[:16]}"


def _missing_photos(finder: FileFinder, split: str) -> str:
    place = finder.places()[0] / "bsds500" / split
    return (
        f"mnist-m needs the BSDS500 photos as backgrounds and {place} has none: put the .jpg files "
        f"of images/{split} (github.com/BIDS/BSDS500) there, or use mnist-m-official or digits-m"
    )


def inspect(finder: FileFinder, verify: bool) -> list[Finding]:
    """MNIST's files and, for each split, the photos or what was built from them."""
    findings = []
    for split in ("train", "test"):
        kept = cache_folder() / "mnist-m" / f"seed0-{split}.npz"
        if kept.exists():
            what = f"built {split} split"
            size = kept.stat().st_size
            findings.append(
                Finding(what=what, split=split, status="ok", where=str(kept), size=size)
            )
        if not kept.exists() or find_photos(finder, split):
            findings.append(_inspect_photos(finder, split))
        if not kept.exists():
            remotes = (mnist.IMAGES[split], mnist.LABELS[split])
            findings += [inspect_file(finder, remote, verify) for remote in remotes]
    return findings


def _inspect_photos(finder: FileFinder, split: str) -> Finding:
    photos = find_photos(finder, split)
    what = f"BSDS500 {split} photos"
    if not photos:
        detail = _missing_photos(finder, split)
        return Finding(what=what, split=split, status="missing", where="", detail=detail)
    return Finding(
        what=what,
        split=split,
        status="ok" if len(photos) == 200 else "different",
        where=str(photos[0].parent),
        size=sum(path.stat().st_size for path in photos),
        detail=f"{len(photos)} of 200 photos",
    )


MNIST_M = register(
    Dataset(
        name="mnist-m",
        description="MNIST digits on crops of BSDS500 photos, colour, 28×28, built here",
        licence="CC BY-SA 3.0 (MNIST); BSDS500 for non-commercial research",
        class_names=DIGIT_NAMES,
        input_shape=(3, 28, 28),
        splits=("train", "test"),
        read=build,
        inspector=inspect,
    )
)
