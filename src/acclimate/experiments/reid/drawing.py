"""CMC curves of a pair: mean over splits, with a band of one standard deviation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from acclimate.experiments.reid.lines import Line
from acclimate.report.chart import BEFORE, GRID, INK, ORACLE, SOURCE, TARGET

#: row → colour and dashes, told apart without colours too
_STYLES = {
    "source-only": (BEFORE, "--"),
    "dann": (SOURCE, "-"),
    "best": (TARGET, "-"),
    "train-on-target": (ORACLE, ":"),
}
_WIDTHS = {"best": 2.6}
_TICKS = (1, 5, 10, 20, 30, 40, 50)


def draw(title: str, lines: Sequence[Line]) -> Figure:
    """One curve for each line; lines of one pair, measured with target identities."""
    figure = Figure(figsize=(7.2, 4.6), layout="constrained")
    axis = figure.subplots()
    most, top = 1, 0.0
    for line in lines:
        curves = _together(line.oracle_curves)
        mean, ranks = curves.mean(0), np.arange(1, curves.shape[1] + 1)
        most, top = max(most, len(ranks)), max(top, float(mean.max()))
        colour, dashes = _STYLES[line.row]
        label = f"{title_of(line)}, n = {len(curves)}"
        axis.plot(ranks, mean, dashes, color=colour, lw=_WIDTHS.get(line.row, 1.8), label=label)
        if len(curves) > 1:
            apart = curves.std(0, ddof=1)
            axis.fill_between(ranks, mean - apart, mean + apart, color=colour, alpha=0.15, lw=0)
    axis.set_title(title, fontsize=13, fontweight="bold", color=INK)
    axis.set_xlabel("rank")
    axis.set_ylabel("probes with a match up to this rank, % (oracle)")
    axis.set_xticks([tick for tick in _TICKS if tick <= most])
    axis.set(xlim=(1, max(2, most)), ylim=(0, min(100, 10 * np.ceil(top / 10 + 0.5))))
    axis.grid(color=GRID)
    axis.spines[["top", "right"]].set_visible(False)
    if lines:
        axis.legend(loc="lower right", frameon=False)
    return figure


def title_of(line: Line) -> str:
    """How a row is called in tables and legends."""
    if line.row == "dann":
        return "DANN"
    if line.row == "best":
        return f"best: {line.algorithm}"
    return f"{line.row} (oracle)" if line.uses_target_labels else line.row


def _together(curves: Sequence[Sequence[float]]) -> np.ndarray:
    """(splits, ranks) in percent, as far as all of them reach."""
    ranks = min(len(curve) for curve in curves)
    return 100 * np.array([curve[:ranks] for curve in curves])
