"""Many pictures on one: a row for each class, its name beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from acclimate.data.fonts import text_font

MOST_CLASSES = 43
_SIDE = 64
_GAP = 2
_COLUMNS = 40
_LABEL_WIDTH = 180
_PAPER, _INK = (255, 255, 255), (40, 40, 40)


@dataclass(frozen=True)
class Row:
    """``pictures``: uint8 (n, height, width, 1 | 3), all rows of one size. ``label``: may be empty."""

    label: str
    pictures: np.ndarray


def choose_items(
    labels: np.ndarray | None, classes: int, items: int, count: int, seed: int
) -> list[np.ndarray]:
    """Random item numbers, about ``count`` in all and as many of each class; rising in each row.

    ``labels``: int (items,), or ``None``: one row. Only the first 43 classes get a row, and each
    gets one item at least where it has any.

    >>> [len(row) for row in choose_items(np.arange(20) % 2, 2, 20, 6, seed=0)]
    [3, 3]
    """
    random = np.random.default_rng(seed)
    if labels is None:
        return [np.sort(random.permutation(items)[:count])]
    rows = min(classes, MOST_CLASSES)
    each = max(1, count // max(rows, 1))
    members = [np.flatnonzero(labels == label) for label in range(rows)]
    return [np.sort(random.permutation(items_of)[:each]) for items_of in members]


def draw_sheet(rows: list[Row]) -> Image.Image:
    """The rows one below the other; a row too long for a line goes on in the next.

    Small pictures are enlarged without smoothing by a whole number, large ones are made smaller.
    """
    columns = _columns(rows)
    height, width = rows[0].pictures.shape[1:3]
    cell = _cell_size(width, height)
    pitch = (cell[0] + _GAP, cell[1] + _GAP)
    margin = _label_width(rows)
    lines = [max(1, math.ceil(len(row.pictures) / columns)) for row in rows]
    size = (margin + columns * pitch[0], sum(lines) * pitch[1] + _GAP)
    sheet = Image.new("RGB", size, _PAPER)
    top = _GAP
    for row, count in zip(rows, lines, strict=True):
        _draw_label(sheet, row.label, margin, top + cell[1] / 2)
        for index, picture in enumerate(row.pictures):
            place = (margin + index % columns * pitch[0], top + index // columns * pitch[1])
            sheet.paste(_scaled(picture, cell), place)
        top += count * pitch[1]
    return sheet


def _columns(rows: list[Row]) -> int:
    longest = max(len(row.pictures) for row in rows)
    # a single row has no classes to compare: it becomes a square
    wanted = math.ceil(math.sqrt(longest)) if len(rows) == 1 else longest
    return max(1, min(wanted, _COLUMNS))


def _cell_size(width: int, height: int) -> tuple[int, int]:
    longest = max(width, height)
    scale = max(1, _SIDE // longest) if longest <= _SIDE else _SIDE / longest
    return max(1, round(width * scale)), max(1, round(height * scale))


def _scaled(picture: np.ndarray, size: tuple[int, int]) -> Image.Image:
    image = Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture)
    larger = size[0] >= image.width
    return image.resize(size, Image.Resampling.NEAREST if larger else Image.Resampling.BILINEAR)


def _label_width(rows: list[Row]) -> int:
    if not any(row.label for row in rows):
        return _GAP
    font = text_font(16)
    return min(_LABEL_WIDTH, math.ceil(max(font.getlength(row.label) for row in rows))) + 16


def _draw_label(sheet: Image.Image, label: str, margin: int, middle: float) -> None:
    font = text_font(16)
    shown = label
    while shown and font.getlength(shown) > margin - 16:
        shown = shown[:-2] + "…" if len(shown) > 2 else ""
    if shown:
        ImageDraw.Draw(sheet).text((margin - 8, middle), shown, fill=_INK, font=font, anchor="rm")
