"""Copies of pictures with what the model says of them written underneath."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from acclimate.core.errors import RunError
from acclimate.core.files import explain_write_errors, replace_atomically, write_text_atomically
from acclimate.data.folders import ANNOTATED as MARKER
from acclimate.data.fonts import text_font

SMALLEST_SIDE = 300
LARGEST_ENLARGED_SIDE = 1200
FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".bmp": "BMP",
}
_STRIP, _TEXT = (24, 24, 28), (255, 255, 255)


@dataclass(frozen=True)
class AnnotationFolder:
    """A folder for annotated copies; ``prepare`` before the first ``write``.

    A marker is present in every folder that was made so, and none is written into without it.
    """

    folder: Path

    def check(self) -> None:
        """Raise ``RunError`` when writing here could touch a file that is not ours."""
        home = self.folder.resolve()
        if home.exists() and not home.is_dir():
            raise RunError(f"{self.folder} is a file; give a new folder for the annotated copies")
        if home.is_dir() and any(home.iterdir()) and not (home / MARKER).exists():
            raise RunError(
                f"{self.folder} holds files that are not annotated copies; give a new folder, "
                "so that no original is overwritten"
            )

    def prepare(self) -> None:
        """Make the folder and mark it as ours."""
        with explain_write_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        write_text_atomically(self.folder / MARKER, "Annotated copies, written by acclimate.\n")

    def write(self, original: Path, relative: Path, label: str, probability: float) -> Path:
        """Write the annotated copy of ``original`` at ``relative`` inside the folder."""
        with Image.open(original) as picture:
            copy = annotated(picture, label, probability)
        target = self.folder / relative
        if target.suffix.lower() not in FORMATS:
            target = target.with_name(f"{target.name}.png")
        with replace_atomically(target) as temporary:
            copy.save(temporary, format=FORMATS[target.suffix.lower()], quality=92)
        return target


def annotated(picture: Image.Image, label: str, probability: float) -> Image.Image:
    """The picture, upright and at least 300 px large, above a strip with ``label`` and probability.

    The text stands on a strip of its own: it is legible whatever the picture shows, and hides
    nothing of it. Tiny pictures are enlarged by a whole factor, so that their pixels stay visible.
    """
    upright = _enlarged(_as_rgb(ImageOps.exif_transpose(picture)))
    width = max(upright.width, SMALLEST_SIDE)
    size = max(18, min(width, upright.height) // 16)
    height = size * 2
    canvas = Image.new("RGB", (width, upright.height + height), _STRIP)
    canvas.paste(upright, ((width - upright.width) // 2, 0))
    text, font = _fitted(label, f"  {100 * probability:.0f} %", size, width - size)
    middle = upright.height + height / 2
    ImageDraw.Draw(canvas).text((width / 2, middle), text, fill=_TEXT, font=font, anchor="mm")
    return canvas


def _as_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):  # 16 bits or more: converting would clip, so scale instead
        low, high = (float(value) for value in picture.getextrema())  # type: ignore[arg-type]
        scale = 255.0 / max(high - low, 1.0)
        picture = picture.point(lambda value: value * scale - low * scale).convert("L")
    if "transparency" in picture.info or picture.mode in ("RGBA", "LA", "PA"):
        over = Image.new("RGBA", picture.size, (255, 255, 255, 255))
        picture = Image.alpha_composite(over, picture.convert("RGBA"))
    return picture.convert("RGB")


def _enlarged(picture: Image.Image) -> Image.Image:
    wanted = math.ceil(SMALLEST_SIDE / min(picture.size))
    allowed = max(1, LARGEST_ENLARGED_SIDE // max(picture.size))
    factor = min(wanted, allowed)
    if factor == 1:
        return picture
    size = (picture.width * factor, picture.height * factor)
    return picture.resize(size, Image.Resampling.NEAREST)


def _fitted(label: str, ending: str, size: int, width: float) -> tuple[str, ImageFont.FreeTypeFont]:
    """``label`` + ``ending`` in a font that fits ``width``: smaller to 14 px, then shortened."""
    label = " ".join(label.split())
    for points in range(size, 13, -2):
        font = text_font(points)
        if font.getlength(label + ending) <= width:
            return label + ending, font
    font = text_font(14)
    while label and font.getlength(f"{label}…{ending}") > width:
        label = label[:-1]
    return f"{label}…{ending}", font
