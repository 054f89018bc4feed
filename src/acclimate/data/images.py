"""Image files as uint8 arrays: every mode, orientation and depth that people's folders hold."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, ImageOps

from acclimate.core.errors import ConfigurationError

EXTENSIONS = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm"}
)
DEEP_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N")
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""ITU-R 601, the weights Pillow uses."""

BLOCK = 2048

Task = TypeVar("Task")
Result = TypeVar("Result")


def decode(path: Path, size: int, channels: int) -> np.ndarray:
    """The image at ``path`` as uint8 (size, size, channels), ``channels`` 1 or 3.

    It is turned as its EXIF says; transparent parts become white; 16 bits become 8; of an
    animation the first frame is taken. Scaling is bilinear with antialiasing and does not keep
    the ratio of the sides. Raises what Pillow raises for a damaged file (many kinds).
    """
    with Image.open(path) as image:
        # large JPEGs are decoded at a fraction of their size, never below twice what is asked
        image.draft(None, (2 * size, 2 * size))
        upright = ImageOps.exif_transpose(image)
        plain = _eight_bits(upright).convert("L" if channels == 1 else "RGB")
        scaled = plain.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(scaled).reshape(size, size, channels)


def _eight_bits(image: Image.Image) -> Image.Image:
    if image.mode in DEEP_MODES:
        deep = np.asarray(image).astype(np.int64)
        if deep.min(initial=0) < 0 or deep.max(initial=0) > 65535:
            raise ValueError("its values are outside 0 … 65535")
        return Image.fromarray((deep // 257).astype(np.uint8))
    if image.mode == "F":
        values = np.asarray(image)
        if not (values.min() >= 0 and values.max() <= 1):
            raise ValueError("its floating-point values are outside 0 … 1")
        return Image.fromarray(np.round(values * 255).astype(np.uint8))
    if image.has_transparency_data:
        coloured = image.convert("RGBA")
        white = Image.new("RGBA", coloured.size, "white")
        return Image.alpha_composite(white, coloured)
    return image


def probe(path: Path) -> None:
    """Read the header of the image at ``path``; raises what Pillow raises for a damaged file."""
    with Image.open(path):
        pass


def in_threads(function: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
    """``map`` in a pool of threads: Pillow decodes outside the interpreter's lock."""
    remaining = iter(tasks)
    # in blocks, because the pool would queue a million files at once
    while block := list(itertools.islice(remaining, BLOCK)):
        yield from _pool(os.getpid()).map(function, block)


@lru_cache(maxsize=1)
def _pool(_process: int) -> ThreadPoolExecutor:
    # keyed by process, because the threads of a pool do not live on in a fork
    return ThreadPoolExecutor(min(8, os.cpu_count() or 1), thread_name_prefix="decode")


def check_options(size: int | None, channels: int | None) -> None:
    """Raise ``ConfigurationError`` for a size below 1 or channels other than 1 and 3."""
    problems = []
    if size is not None and size < 1:
        problems.append(f"size {size} is not positive")
    if channels not in (None, 1, 3):
        problems.append(f"channels {channels} is neither 1 (grey) nor 3 (colour)")
    if problems:
        raise ConfigurationError(f"{' and '.join(problems)}; give for example --size 32")


def harmonise(images: np.ndarray, size: int | None, channels: int | None) -> np.ndarray:
    """uint8 (N, height, width, 1 | 3) with the ``size`` and ``channels`` asked for; ``None`` keeps.

    Grey becomes colour by repetition, colour becomes grey by luma; scaling as in ``decode``.
    """
    if channels == 1 and images.shape[-1] == 3:
        images = _grey(images)
    if size is not None and images.shape[1:3] != (size, size):
        images = _resize(images, size)
    if channels == 3 and images.shape[-1] == 1:
        images = np.repeat(images, 3, axis=-1)
    return images


def _grey(images: np.ndarray) -> np.ndarray:
    result = np.empty((*images.shape[:3], 1), dtype=np.uint8)
    for start in range(0, len(images), 4096):  # the float copy of a block at a time
        block = images[start : start + 4096].astype(np.float32) @ LUMA
        result[start : start + 4096, ..., 0] = np.round(block)
    return result


def _resize(images: np.ndarray, size: int) -> np.ndarray:
    result = np.empty((len(images), size, size, images.shape[-1]), dtype=np.uint8)
    flat = images[..., 0] if images.shape[-1] == 1 else images
    for index, image in enumerate(flat):
        scaled = Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR)
        result[index] = np.asarray(scaled).reshape(result.shape[1:])
    return result
