"""Small trees of photos, and what torchvision finds in them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import ImageFolder

from acclimate.core.errors import DataError
from acclimate.data.check import check_dataset

RANDOM = np.random.default_rng(0)


def jpeg_bytes(width=20, height=12) -> bytes:
    buffer = io.BytesIO()
    pixels = RANDOM.integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "JPEG")
    return buffer.getvalue()


def write(root: Path, *names: str) -> Path:
    """Photos at the given paths below ``root``."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(jpeg_bytes())
    return root


def in_classes(root: Path, class_names, per_class=2, name="frame_{:04d}.jpg") -> Path:
    return write(
        root, *(f"{c}/{name.format(k)}" for c in class_names for k in range(1, per_class + 1))
    )


def one_line(call, *words: str) -> str:
    with pytest.raises(DataError) as caught:
        call()
    text = str(caught.value)
    assert "\n" not in text
    for word in words:
        assert word in text
    return text


def statuses(name: str) -> dict[str, str]:
    return {finding.what: finding.status for finding in check_dataset(name)}


def reference(root: Path) -> list[tuple[str, str]]:
    """(path, class) of every picture as torchvision finds them."""
    folder = ImageFolder(str(root))
    return sorted((Path(p).relative_to(root).as_posix(), folder.classes[k]) for p, k in folder.imgs)


def found(listing) -> list[tuple[str, str]]:
    return sorted(
        (path, listing.class_names[k])
        for path, k in zip(listing.files, listing.labels, strict=True)
    )
