"""What every chart shares: colours, the frame around the data, and safe embedding in the page.

A chart is a plotly.js figure as plain data; plotly.js itself is put into the page once.
"""

from __future__ import annotations

import html
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

# Okabe & Ito's colours, told apart with the common kinds of colour blindness and in grey
SOURCE = "#0072B2"
TARGET = "#D55E00"
ORACLE = "#7B3F98"
BEFORE = "#6B7280"
INK = "#1F2933"
REST = "#B4BCC5"  # of items that a colouring says nothing of
GRID = "#E5E8EB"
LINES = ("#0072B2", "#D55E00", "#117733", "#AA4499", "#8A6D00", "#3B3B98", "#4A5560")
# Paul Tol's "muted" set and a dark grey
CLASSES = (
    "#332288",
    "#88CCEE",
    "#44AA99",
    "#117733",
    "#999933",
    "#DDCC77",
    "#CC6677",
    "#882255",
    "#AA4499",
    "#555555",
)


@dataclass(frozen=True)
class LegendEntry:
    """``shape`` is line, dash, dot, square, circle or diamond; ``traces`` are what it hides."""

    name: str
    colour: str
    shape: str
    traces: tuple[int, ...]


@dataclass(frozen=True)
class Chart:
    """A figure with what a reader who does not see it gets instead (``description``)."""

    title: str
    description: str
    figure: dict[str, Any]
    legend: list[LegendEntry] = field(default_factory=list)
    caption: str = ""
    height: int = 300
    oracle: bool = False


def frame(x_title: str = "", **layout: Any) -> dict[str, Any]:
    """The layout that all charts have in common, with ``layout`` on top."""
    axis = {
        "gridcolor": GRID,
        "linecolor": "#9AA5B1",
        "zeroline": False,
        "automargin": True,
        "ticks": "outside",
        "tickcolor": "#9AA5B1",
        "ticklen": 4,
    }
    font = {"family": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", "size": 12}
    common: dict[str, Any] = {
        "font": {**font, "color": INK},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 44, "r": 12, "t": 10, "b": 40},
        "showlegend": False,
        "hoverlabel": {"font": {"size": 12}, "namelength": -1},
        "dragmode": False,
        "xaxis": {**axis, "title": {"text": x_title, "standoff": 8}},
        "yaxis": dict(axis),
    }
    for key, value in layout.items():
        merged = isinstance(value, dict) and isinstance(common.get(key), dict)
        common[key] = {**common[key], **value} if merged else value
    return common


def share_axis(margin: float = 0.03) -> dict[str, Any]:
    return {"range": [-margin, 1 + margin], "tickformat": ".0%"}


def class_colour(index: int, count: int) -> str:
    """A colour per class: the palette while it lasts, then hues as far apart as possible."""
    if count <= len(CLASSES):
        return CLASSES[index]
    # the golden angle in hue, three lightnesses: neighbours in the list stay far apart
    return f"hsl({index * 137.5 % 360:.0f},60%,{(32, 48, 64)[index % 3]}%)"


def plotly_text(text: str, longest: int = 28) -> str:
    """``text`` for plotly.js, which reads a little HTML in labels: escaped, and cut if long."""
    text = " ".join(text.split())
    return html.escape(text if len(text) <= longest else text[: longest - 1] + "…")


def numbers(values: Iterable[float], digits: int = 5) -> list[float | None]:
    """Values for JSON: rounded to ``digits`` significant ones, ``None`` where not finite."""
    return [float(f"{v:.{digits}g}") if math.isfinite(v) else None for v in map(float, values)]


def embed(data: Any) -> str:
    """JSON that can stand inside a ``<script>`` element whatever strings it holds."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def thin_out(
    x: Sequence[float], y: Sequence[float], most: int = 400
) -> tuple[list[Any], list[Any]]:
    """Means over equal stretches, at most ``most`` of them; gaps stay gaps."""
    pairs = [(a, b) for a, b in zip(x, y, strict=True) if math.isfinite(a)]
    size = max(1, math.ceil(len(pairs) / most))
    stretches = [pairs[i : i + size] for i in range(0, len(pairs), size)]
    means = [
        (
            s[-1][0],
            sum(known) / len(known)
            if (known := [b for _, b in s if math.isfinite(b)])
            else math.nan,
        )
        for s in stretches
    ]
    return numbers(a for a, _ in means), numbers(b for _, b in means)
