"""Thumbnails: one sheet per domain, one data URI, instead of a thousand small ones."""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from acclimate.report.samples import Array

LONGEST_SIDE = 56
LARGE_SIDE = 112  # of pictures that a person looks at one by one
_SMALLEST_SIDE = 16
_QUALITIES = (85, 70, 50)
_BLOCK = 8  # JPEG works in 8×8 blocks: a cell that fills whole blocks does not bleed into the next


@dataclass(frozen=True)
class Sheet:
    """Where each thumbnail is. Sizes in pixels; ``pitch`` is the distance between cells."""

    uri: str
    columns: int
    rows: int
    width: int
    height: int
    pitch: tuple[int, int]

    def cell(self, index: int) -> tuple[int, int]:
        return index % self.columns, index // self.columns


def make_sheet(
    inputs: Array, longest: int = LONGEST_SIDE, most_bytes: int | None = None
) -> Sheet | None:
    """A sheet of ``inputs``, (n, h, w, c) uint8; ``None`` where they are not pictures.

    ``longest``: most pixels of a picture's longer side. ``most_bytes``: of the sheet in the page;
    it is compressed further, then its pictures are made smaller, until it fits.
    """
    count, height, width, channels = inputs.shape
    if count == 0 or channels not in (1, 3, 4) or min(height, width) == 0:
        return None
    inputs = inputs[..., : 3 if channels == 4 else channels]
    while longest >= _SMALLEST_SIDE:
        pictures = _shrunk(inputs, longest)
        for quality in _QUALITIES:
            sheet = _lay_out(pictures, quality)
            if most_bytes is None or len(sheet.uri) <= most_bytes:
                return sheet
        longest = max(pictures.shape[1:3]) * 3 // 4
    return None


def _lay_out(pictures: Array, quality: int) -> Sheet:
    count, height, width = pictures.shape[:3]
    pitch = (_whole_blocks(width), _whole_blocks(height))
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    pixels = np.zeros((rows * pitch[1], columns * pitch[0], pictures.shape[3]), dtype=np.uint8)
    pad = ((0, pitch[1] - height), (0, pitch[0] - width), (0, 0))
    for index, picture in enumerate(pictures):
        top, left = index // columns * pitch[1], index % columns * pitch[0]
        pixels[top : top + pitch[1], left : left + pitch[0]] = np.pad(picture, pad, mode="edge")
    return Sheet(_data_uri(pixels, quality), columns, rows, width, height, pitch)


def _shrunk(inputs: Array, longest: int) -> Array:
    height, width = inputs.shape[1:3]
    scale = longest / max(height, width)
    if scale >= 1:
        return inputs
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.stack([_as_array(_image(picture).resize(size)) for picture in inputs])


def _image(pixels: Array) -> Image.Image:
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def _as_array(image: Image.Image) -> Array:
    pixels = np.asarray(image)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _whole_blocks(length: int) -> int:
    return -(-length // _BLOCK) * _BLOCK


def _data_uri(pixels: Array, quality: int) -> str:
    """PNG, or JPEG where that is smaller (photos)."""
    image = _image(pixels)
    files: dict[str, bytes] = {}
    # chroma at full resolution while there is room: at half, a cell's colours bleed into the next
    best = quality == _QUALITIES[0]
    kinds: dict[str, dict[str, Any]] = {
        "jpeg": {"quality": quality, "subsampling": 0 if best else 2}
    }
    if best:  # once a sheet has been too large, PNG was too large as well
        kinds["png"] = {"optimize": True}
    for kind, options in kinds.items():
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        files[kind] = buffer.getvalue()
    kind = min(files, key=lambda name: len(files[name]))
    return f"data:image/{kind};base64,{base64.b64encode(files[kind]).decode()}"
