"""Pictograms to draw signs from: one picture for each class, or several."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from acclimate.core.errors import DataError
from acclimate.data.folders import natural_key

SIDE = 128
"""Pixels of a loaded pictogram, its transparent margin included."""

_MARGIN = 8
_VARIANT = "_alt"


@dataclass(frozen=True)
class Pictogram:
    """``colours``: uint8 (128, 128, 4), red, green, blue and alpha, the colours multiplied by it.

    ``outline``: float64 (n, 2), the convex hull of what is opaque, from -1 to 1 on its longer axis.
    """

    colours: np.ndarray
    outline: np.ndarray


def list_pictograms(folder: Path) -> dict[str, tuple[Path, ...]]:
    """The ``.png`` files of ``folder`` by class, in natural order: ``stop.png`` is of class *stop*.

    ``stop_alt.png`` beside it is another pictogram of the same class. Raises ``DataError`` for
    fewer than two classes.
    """
    stems = {path.stem: path for path in folder.glob("[!.]*.png")} if folder.is_dir() else {}
    found: dict[str, tuple[Path, ...]] = {}
    for stem in sorted(stems, key=natural_key):
        base = stem.removesuffix(_VARIANT)
        label = base if base in stems else stem
        found[label] = (*found.get(label, ()), stems[stem])
    if len(found) < 2:
        raise DataError(
            f"{folder} has {len(found)} pictograms: put there one .png file for each class, two or "
            "more, with a transparent background; its name is the class"
        )
    return found


def load_pictogram(path: Path) -> Pictogram:
    """The picture at ``path``, cut out and scaled to fit.

    Raises ``DataError`` where it cannot be read or nothing of it is opaque.
    """
    import cv2

    try:
        with Image.open(path) as image:
            coloured = image.convert("RGBA")
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(f"{path} is no readable picture ({error}); replace it") from error
    box = coloured.getchannel("A").point(lambda alpha: 255 * (alpha > 127)).getbbox()
    if box is None:
        raise DataError(f"{path} is transparent everywhere; replace it")
    scale = (SIDE - 2 * _MARGIN) / max(box[2] - box[0], box[3] - box[1])
    size = tuple(max(round(scale * (box[k + 2] - box[k])), 1) for k in (0, 1))
    # in premultiplied colours nothing of what lies under transparent pixels bleeds into the edge
    sign = coloured.crop(box).convert("RGBa").resize((size[0], size[1]), Image.Resampling.BOX)
    colours = np.zeros((SIDE, SIDE, 4), dtype=np.uint8)
    left, top = (SIDE - size[0]) // 2, (SIDE - size[1]) // 2
    colours[top : top + size[1], left : left + size[0]] = _premultiplied(sign)
    rows, columns = np.nonzero(colours[..., 3] > 127)
    hull = cv2.convexHull(np.stack([columns, rows], axis=1).astype(np.int32))[:, 0]
    return Pictogram(colours, (hull + 0.5 - SIDE / 2) / (SIDE / 2 - _MARGIN))


def _premultiplied(sign: Image.Image) -> np.ndarray:
    return np.frombuffer(sign.tobytes(), dtype=np.uint8).reshape(sign.height, sign.width, 4)


def describe(files: Iterable[Path]) -> str:
    """A line that changes when a file is added, removed or replaced."""
    return "".join(f"{path.name}:{path.stat().st_size};" for path in files)
