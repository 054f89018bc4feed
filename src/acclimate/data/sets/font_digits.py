"""Digits rendered from matplotlib's bundled fonts: a synthetic source for handwritten digits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from acclimate.data.files import FileFinder
from acclimate.data.registry import DIGIT_NAMES, Arrays, Dataset, register

FONTS = (
    "DejaVuSans",
    "DejaVuSans-Bold",
    "DejaVuSans-Oblique",
    "DejaVuSansMono",
    "DejaVuSansMono-Bold",
    "DejaVuSerif",
    "DejaVuSerif-Bold",
    "DejaVuSerif-Italic",
    "STIXGeneral",
    "STIXGeneralBol",
    "STIXGeneralItalic",
    "cmr10",
    "cmb10",
    "cmss10",
    "cmtt10",
)
SIZE = 28
PER_CLASS = 150
_CANVAS = 4 * SIZE
_SEED = 8


def read(_finder: FileFinder, _split: str) -> Arrays:
    """(1500, 28, 28, 1) uint8, white on black, and (1500,) int64; the same at every call."""
    random = np.random.RandomState(_SEED)
    fonts = _load_fonts()
    labels = random.permutation(np.repeat(np.arange(10), PER_CLASS))
    images = [render(str(d), fonts[random.randint(len(fonts))], random) for d in labels]
    return Arrays(np.stack(images)[..., None], labels.astype(np.int64))


def _load_fonts() -> list[ImageFont.FreeTypeFont]:
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return [ImageFont.truetype(folder / f"{name}.ttf", _CANVAS) for name in FONTS]


def render(digit: str, font: ImageFont.FreeTypeFont, random: np.random.RandomState) -> np.ndarray:
    """One digit, its box filling most of the picture, turned, sheared, shifted and blurred."""
    glyph = _cropped_glyph(digit, font)
    # handwritten digits touch the frame's top and bottom; a 1 must stay thin
    height = _CANVAS * random.uniform(0.75, 1.0)
    width = min(height * glyph.width / glyph.height * random.uniform(0.85, 1.3), 0.9 * _CANVAS)
    glyph = glyph.resize((max(round(width), 8), round(height)), Image.Resampling.BILINEAR)
    canvas = Image.new("L", (_CANVAS, _CANVAS))
    canvas.paste(glyph, ((_CANVAS - glyph.width) // 2, (_CANVAS - glyph.height) // 2))
    canvas = canvas.transform(
        canvas.size, Image.Transform.AFFINE, _jitter(random), Image.Resampling.BILINEAR
    )
    canvas = canvas.filter(ImageFilter.GaussianBlur(random.uniform(1.0, 6.0)))
    return np.asarray(canvas.resize((SIZE, SIZE), Image.Resampling.BOX))


def _cropped_glyph(digit: str, font: ImageFont.FreeTypeFont) -> Image.Image:
    left, top, right, bottom = (int(edge) for edge in font.getbbox(digit))
    glyph = Image.new("L", (right - left, bottom - top))
    ImageDraw.Draw(glyph).text((-left, -top), digit, fill=255, font=font)
    return glyph


def _jitter(random: np.random.RandomState) -> tuple[float, ...]:
    """Coefficients of a small rotation, shear and shift about the centre, as Pillow takes them."""
    angle = np.deg2rad(random.uniform(-12, 12))
    shear = random.uniform(-0.2, 0.2)
    matrix = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    matrix = matrix @ np.array([[1.0, shear], [0.0, 1.0]])
    centre = np.full(2, _CANVAS / 2)
    shift = centre - matrix @ (centre + random.uniform(-0.05, 0.05, size=2) * _CANVAS)
    return (*matrix[0], shift[0], *matrix[1], shift[1])


FONT_DIGITS = register(
    Dataset(
        name="font-digits",
        description="digits rendered from matplotlib's fonts, grey, 28×28: a source for 'digits'",
        licence="generated (DejaVu, STIX and Computer Modern fonts)",
        class_names=DIGIT_NAMES,
        input_shape=(1, SIZE, SIZE),
        splits=("train",),
        read=read,
    )
)
