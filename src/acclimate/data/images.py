"""Image files as uint8 arrays: every mode, orientation and depth that people's folders hold."""

from __future__ import annotations

import io
import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, TypeVar

import numpy as np
from PIL import Image, UnidentifiedImageError

from acclimate.core.errors import ConfigurationError

EXTENSIONS = frozenset(
    {
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".webp",
        ".bmp",
        ".tif",
        ".tiff",
        ".gif",
        ".ppm",
        ".pgm",
    }
)
DEEP_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N")
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""ITU-R 601, the weights Pillow uses."""

DECODER_VERSION = 1
"""Part of every key of the picture cache: raise it when ``decode`` makes other pixels of a file."""

ORIENTATION, LYING = 0x0112, 5
"""The EXIF tag, and the first of its values that say that a picture is stored on its side."""

AHEAD = 256
"""Tasks that ``in_threads`` has under way: their results wait in memory until they are taken."""

Fit = Literal["squash", "crop"]
"""How a picture becomes square: both sides scaled, or the short one and the ends of the long cut."""

Picture = Path | bytes
"""An encoded picture: a file, or the content of one."""

Task = TypeVar("Task")
Result = TypeVar("Result")


class Stamp(NamedTuple):
    """What the system says of an encoded picture: ``changed`` differs after every change.

    ``size`` in bytes; -1 where there is no such file.
    """

    size: int
    changed: str


class Pictures(Protocol):
    """Encoded pictures by number; picklable, and safe to read in threads."""

    @property
    def names(self) -> tuple[str, ...]:
        """What each is called, as a path; the same name is the same picture."""
        ...

    @property
    def place(self) -> str:
        """Tells these pictures apart from those of the same names elsewhere on this machine."""
        ...

    def picture(self, index: int) -> Picture:
        """``OSError`` where it cannot be read."""
        ...

    def stamp(self, index: int) -> Stamp: ...

    def where(self, index: int) -> str:
        """The picture's place, for messages."""
        ...

    def subset(self, indices: Sequence[int]) -> Pictures: ...


def stamp_of(path: Path) -> Stamp:
    """The stamp of a file."""
    try:
        status = path.stat()
    except OSError:
        return Stamp(-1, "missing")
    # a copy may keep the time of the last write, but not that of the last change
    return Stamp(status.st_size, f"{status.st_mtime_ns} {status.st_ctime_ns}")


def decode(
    picture: Picture, size: int, channels: int, fit: Fit = "squash", width: int | None = None
) -> np.ndarray:
    """``picture`` as uint8 (size, width, channels), ``channels`` 1 or 3, ``width`` ``size`` if not given.

    It is turned as its EXIF says; transparent parts become white; 16 bits become 8; of an
    animation the first frame is taken. Scaling is bilinear with antialiasing. ``fit``: *squash*
    scales both sides to ``size``; *crop* scales the short side to it and keeps the square in the
    middle, as torchvision's ``Resize`` and ``CenterCrop`` do. Raises what Pillow raises for a
    damaged file (many kinds), ``ConfigurationError`` for a crop with a ``width``.
    """
    check_width(fit, width)
    across = width or size
    with Image.open(_opened(picture)) as image:
        # large JPEGs are decoded at a fraction of their size, never below twice what is asked
        image.draft(None, (2 * across, 2 * size))
        plain = eight_bits(_upright(image)).convert("L" if channels == 1 else "RGB")
        scaled = _square(plain, size, fit) if across == size else _squashed(plain, across, size)
    return np.asarray(scaled).reshape(size, across, channels)


def check_width(fit: Fit, width: int | None) -> None:
    """Raise ``ConfigurationError`` for a ``width`` below 1, or with a ``fit`` that makes squares."""
    if width is not None and width < 1:
        raise ConfigurationError(f"width {width} is not positive; give for example --width 48")
    if width is not None and fit == "crop":
        raise ConfigurationError(
            f"--fit crop makes squares and --width {width} another shape; leave one of them out"
        )


def dimensions(picture: Picture) -> tuple[int, int]:
    """(width, height) of ``picture`` as it is shown, from its header; raises what Pillow raises."""
    with Image.open(_opened(picture)) as image:
        width, height = image.size
        lies = image.getexif().get(ORIENTATION, 1) >= LYING
    return (height, width) if lies else (width, height)


def probe(picture: Picture) -> None:
    """Read the header of ``picture``; raises what Pillow raises for a damaged file."""
    with Image.open(_opened(picture)):
        pass


def _opened(picture: Picture) -> Path | io.BytesIO:
    return io.BytesIO(picture) if isinstance(picture, bytes) else picture


def _squashed(image: Image.Image, width: int, height: int) -> Image.Image:
    return image.resize((width, height), Image.Resampling.BILINEAR)


def _square(image: Image.Image, size: int, fit: Fit) -> Image.Image:
    if fit == "squash":
        return _squashed(image, size, size)
    width, height = image.size
    short = min(width, height)
    across, down = size * width // short, size * height // short
    left, top = round((across - size) / 2), round((down - size) / 2)
    # the part of the picture that the square shows: Pillow's filter reaches beyond it, so the
    # pixels are those of scaling everything, which for a long strip would not fit in memory
    box = (
        left * width / across,
        top * height / down,
        min((left + size) * width / across, width),
        min((top + size) * height / down, height),
    )
    return image.resize((size, size), Image.Resampling.BILINEAR, box=box)


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _upright(image: Image.Image) -> Image.Image:
    """As its EXIF says; ImageOps.exif_transpose writes the EXIF anew, which fails where a tag is odd."""
    image.load()  # Pillow turns some formats itself, and their EXIF says so afterwards
    turn = _TURNS.get(image.getexif().get(ORIENTATION, 1))
    return image if turn is None else image.transpose(turn)


def eight_bits(image: Image.Image) -> Image.Image:
    """16 bits and floats in 0 … 1 as 8 bits, transparent parts white; the rest as it is."""
    if image.mode in DEEP_MODES:
        deep = np.asarray(image).astype(np.int64)
        if deep.min(initial=0) < 0 or deep.max(initial=0) > 65535:
            raise ValueError("its values are outside 0 … 65535")
        return Image.fromarray(((deep + 128) // 257).astype(np.uint8))
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


def reason_of(error: Exception) -> str:
    """Why a picture cannot be decoded, in one line."""
    if isinstance(error, UnidentifiedImageError):
        return "not an image, or damaged"
    text = " ".join(str(error).split())
    return text or type(error).__name__


def in_threads(
    function: Callable[[Task], Result], tasks: Iterable[Task], ahead: int = AHEAD
) -> Iterator[Result]:
    """``map`` in a pool of threads: Pillow decodes outside the interpreter's lock.

    At most ``ahead`` tasks are under way, so that neither a million tasks nor their results wait.
    ``function`` must not call this itself: the pool would wait for itself.
    """
    remaining = iter(tasks)
    pool = _pool(os.getpid())
    waiting = deque(pool.submit(function, task) for task in itertools.islice(remaining, ahead))
    try:
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(pool.submit(function, task) for task in itertools.islice(remaining, 1))
            yield result
    finally:
        for future in waiting:
            future.cancel()


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


def harmonise(
    images: np.ndarray, size: int | None, channels: int | None, fit: Fit = "squash"
) -> np.ndarray:
    """uint8 (N, height, width, 1 | 3) with the ``size`` and ``channels`` asked for; ``None`` keeps.

    Grey becomes colour by repetition, colour becomes grey by luma; scaling as in ``decode``.
    """
    if channels == 1 and images.shape[-1] == 3:
        images = _grey(images)
    if size is not None and images.shape[1:3] != (size, size):
        images = _resize(images, size, fit)
    if channels == 3 and images.shape[-1] == 1:
        images = np.repeat(images, 3, axis=-1)
    return images


def _grey(images: np.ndarray) -> np.ndarray:
    result = np.empty((*images.shape[:3], 1), dtype=np.uint8)
    for start in range(0, len(images), 4096):  # the float copy of a block at a time
        block = images[start : start + 4096].astype(np.float32) @ LUMA
        result[start : start + 4096, ..., 0] = np.round(block)
    return result


def _resize(images: np.ndarray, size: int, fit: Fit) -> np.ndarray:
    result = np.empty((len(images), size, size, images.shape[-1]), dtype=np.uint8)
    flat = images[..., 0] if images.shape[-1] == 1 else images
    for index, image in enumerate(flat):
        scaled = _square(Image.fromarray(image), size, fit)
        result[index] = np.asarray(scaled).reshape(result.shape[1:])
    return result
