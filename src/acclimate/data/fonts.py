"""Fonts: where they are, whether they have digits, and their digits as distance fields.

A signed distance field says at each pixel how far the outline is, positive inside. Drawn from it, a
digit can be turned, stretched, made bolder or thinner and outlined at the cost of one warp.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from acclimate.core.errors import DataError
from acclimate.data.registry import DIGIT_NAMES

EXTENSIONS = (".ttf", ".otf")
BUNDLED = (
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique"),
    *("DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSansMono-Oblique"),
    *("DejaVuSansMono-BoldOblique", "DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic"),
    *("DejaVuSerif-BoldItalic", "STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic"),
    *("STIXGeneralBolIta", "cmb10", "cmr10", "cmss10", "cmti10", "cmtt10"),
)
"""matplotlib's text fonts that have digits; its symbol fonts have other signs in their places."""

DIGIT_HEIGHT = 40
"""Pixels of a field that a font's tallest digit takes."""

FIELD = 72
"""Side of a field in pixels, with room for tails, italics and outlines."""

FOOTLESS, BAR = 10, 11
"""Where a font's fields hold its 1 without a foot, and as a bare stroke."""

_FINER = 4
_PROBE = 100


@dataclass(frozen=True)
class FontChoice:
    """``paths``: fonts with digits, sorted. ``skipped``: one line for each that has none."""

    paths: tuple[Path, ...]
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True)
class DigitFields:
    """The ten digits of a font, and its 1 in two plainer shapes: ``FOOTLESS`` and ``BAR``.

    ``fields``: float32 (12, FIELD, FIELD), distance to the outline in pixels, positive inside; each
    digit is centred in x, all stand on one line. ``widths``: float (12,) of the ink in pixels.
    ``stroke``: half the thickness of the strokes in pixels.
    """

    fields: np.ndarray
    widths: np.ndarray
    stroke: float


def bundled_folder() -> Path | None:
    """matplotlib's fonts, found without importing it, which would take long."""
    found = find_spec("matplotlib")
    if found is None or found.origin is None:
        return None
    return Path(found.origin).parent / "mpl-data" / "fonts" / "ttf"


@cache
def text_font(points: int) -> ImageFont.FreeTypeFont:
    """A font for labels on pictures."""
    # matplotlib's own copy of DejaVu Sans knows far more letters than Pillow's built-in font
    folder = bundled_folder()
    if folder is not None and (folder / "DejaVuSans.ttf").exists():
        return ImageFont.truetype(folder / "DejaVuSans.ttf", points)
    font = ImageFont.load_default(points)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font


def find_fonts(choice: str) -> FontChoice:
    """The fonts with digits of ``choice``: ``bundled``, ``system`` or a folder, searched to the
    bottom for .ttf and .otf files.

    Raises ``DataError`` when the folder does not exist or no font has digits.
    """
    if choice == "bundled":
        folder = bundled_folder()
        candidates = [folder / f"{name}.ttf" for name in BUNDLED] if folder else []
        return _usable(candidates, "matplotlib's bundled fonts")
    if choice == "system":
        from matplotlib import font_manager

        return _usable(map(Path, font_manager.findSystemFonts()), "the system's fonts")
    folder = Path(choice).expanduser()
    if not folder.is_dir():
        raise DataError(
            f"{choice} is no folder of fonts; give bundled, system or a folder with .ttf or .otf files"
        )
    found = (path for path in folder.rglob("*") if path.suffix.lower() in EXTENSIONS)
    return _usable(found, str(choice))


def _usable(candidates: Iterable[Path], where: str) -> FontChoice:
    problems = {path: _problem(path) for path in sorted(candidates)}
    paths = tuple(path for path, problem in problems.items() if problem is None)
    skipped = tuple(f"{path}: {problem}" for path, problem in problems.items() if problem)
    if not paths:
        reason = f" ({skipped[0]})" if skipped else ""
        raise DataError(
            f"{where}: no .ttf or .otf font that has digits{reason}; give bundled, system or a "
            "folder of fonts"
        )
    return FontChoice(paths, skipped)


def _problem(path: Path) -> str | None:
    """Why the digits of ``path`` cannot be drawn, or ``None``."""
    try:
        font = ImageFont.truetype(path, 32)
        drawn = [font.getmask(digit, mode="L") for digit in DIGIT_NAMES]
    except (OSError, ValueError) as error:
        return f"cannot be read ({error})"
    # a font without digits draws nothing, or the same box for each
    pictures = {(mask.size, bytes(mask)) for mask in drawn if mask.getbbox() is not None}
    return None if len(pictures) == len(DIGIT_NAMES) else "has no digits"


@cache
def digit_fields(path: Path) -> DigitFields:
    """The digits of the font at ``path``; kept for the life of the process."""
    import cv2

    tallest = _height(ImageFont.truetype(path, _PROBE))
    font = ImageFont.truetype(path, round(_PROBE * DIGIT_HEIGHT * _FINER / tallest))
    side = FIELD * _FINER
    inks = [_centred_ink(digit, font, side) for digit in DIGIT_NAMES]
    inks += [_centred(ink) for ink in _plainer(inks[1])]
    fields = np.empty((len(inks), FIELD, FIELD), dtype=np.float32)
    widths = np.empty(len(inks))
    for digit, ink in enumerate(inks):
        inside = cv2.distanceTransform(ink, cv2.DIST_L2, 5)
        outside = cv2.distanceTransform(1 - ink, cv2.DIST_L2, 5)
        signed = (inside - outside) / _FINER
        fields[digit] = cv2.resize(signed, (FIELD, FIELD), interpolation=cv2.INTER_AREA)
        widths[digit] = np.count_nonzero(ink.any(axis=0)) / _FINER
    return DigitFields(
        fields, widths, float(np.median(fields[: len(DIGIT_NAMES)].max(axis=(1, 2))))
    )


def _centred_ink(digit: str, font: ImageFont.FreeTypeFont, side: int) -> np.ndarray:
    """0 and 1, uint8 (side, side): the ink in the middle of x, a tall digit in the middle of y."""
    canvas = Image.new("L", (side, side))
    # left of the middle by the advance, which the ink need not fill
    start = ((side - font.getlength(digit)) // 2, (side + DIGIT_HEIGHT * _FINER) // 2)
    ImageDraw.Draw(canvas).text(start, digit, fill=255, font=font, anchor="ls")
    return _centred((np.asarray(canvas) > 127).astype(np.uint8))


def _centred(ink: np.ndarray) -> np.ndarray:
    columns = np.flatnonzero(ink.any(axis=0))
    return np.roll(ink, (ink.shape[1] - 1 - columns[0] - columns[-1]) // 2, axis=1)


def _plainer(one: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The 1 of a font without its foot, and its stem alone: the plain 1 of most house numbers.

    The stem is bounded by straight lines through its edges below the flag and above the foot, so
    it may lean.
    """
    rows = np.flatnonzero(one.any(axis=1))
    top, height = rows[0], np.ptp(rows) + 1
    middle = np.arange(top + int(0.45 * height), top + int(0.75 * height))
    middle = middle[one[middle].any(axis=1)]
    if len(middle) < 2:  # a font of dots
        return one, one
    edges = [(columns[0], columns[-1]) for columns in map(np.flatnonzero, one[middle])]
    lines = np.polynomial.polynomial.polyfit(middle, np.array(edges, dtype=float), 1)
    left, right = lines[0][:, None] + lines[1][:, None] * rows
    columns = np.arange(one.shape[1])
    stem = np.zeros_like(one)
    stem[rows] = (columns >= left[:, None] - 0.5) & (columns <= right[:, None] + 0.5)
    footless = stem.copy()
    footless[: middle[0]] = one[: middle[0]]
    return footless, stem


def _height(font: ImageFont.FreeTypeFont) -> float:
    boxes = [font.getbbox(digit, anchor="ls") for digit in DIGIT_NAMES]
    return max(bottom - top for _, top, _, bottom in boxes)
