"""Figures on disk."""

from __future__ import annotations

import io
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from acclimate.core.files import replace_atomically


def write_figure(path: Path, figure: Figure, dpi: int = 90) -> None:
    """Write a PNG; whole or not at all."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=dpi)
    with Image.open(drawn) as picture, replace_atomically(path) as temporary:
        # a hundred colours are enough, and make a third of the file
        picture.convert("RGB").quantize(100).save(temporary, "PNG", optimize=True)
