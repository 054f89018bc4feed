"""The figure of networks on the moons: a row of four panels for each, as a PNG."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from acclimate.experiments.moons_figure import Accuracy, Moons, Trained
from acclimate.report.chart import INK, SOURCE, TARGET

Points = NDArray[np.floating[Any]]

TITLES = ("Label boundary", "PCA of the hidden layer", "Domain boundary", "Hidden neurons")
WIDTH, HEIGHT = 3.7, 2.9
"""Half of the sides of the plane that is shown."""
GRID_STEPS = 400
WHITE, GREY, NEURON = "#FFFFFF", "#DDE1E6", "#117733"
# A and C end one of the target's moons, B and D the other
TIPS = np.array([[-2.17, -2.13], [-1.1, -0.16], [1.1, 0.16], [2.17, 2.13]])
# of their letters, in points
OFFSETS = ((20, -10), (-17, 15), (21, 9), (-12, 19))


def draw(shown: Sequence[tuple[Trained, Accuracy]]) -> Figure:
    """A row for each network; above each panel stands what it measures."""
    figure = Figure(figsize=(15, 3.25 * len(shown) + 0.7), layout="constrained")
    axes = figure.subplots(len(shown), len(TITLES), squeeze=False)
    for panels, (trained, accuracy) in zip(axes, shown, strict=True):
        _row(panels, trained, accuracy)
    for axis, title in zip(axes[0], TITLES, strict=True):
        axis.set_title(title, fontsize=14, fontweight="bold", color=INK, pad=26)
    figure.legend(
        handles=_legend(), loc="outside lower center", ncols=7, frameon=False, fontsize=11
    )
    return figure


def _row(panels: Sequence[Axes], trained: Trained, accuracy: Accuracy) -> None:
    labels, layer, domains, neurons = panels
    points, network = trained.points, trained.network
    tips = points.target[tagged(points)]
    labels.set_ylabel(
        f"{trained.name} (λ = {network.domain_weight:g})", fontsize=14, fontweight="bold"
    )

    _sides(labels, network.decision_function, (WHITE, GREY))
    _scatter(labels, points.source, points.labels, points.target)
    _tag(labels, tips)
    _say(
        labels, f"right: source {accuracy.source:.1%}, target {accuracy.oracle_target:.1%} (oracle)"
    )

    project, explained = _projection(trained)
    _scatter(layer, project(points.source), points.labels, project(points.target))
    _tag(layer, project(tips))
    layer.margins(0.17)
    _say(layer, f"{explained:.0%} of the variance")

    _sides(
        domains,
        lambda rows: trained.domains.decision_function(network.hidden_layer(rows)),
        (_pale(SOURCE), _pale(TARGET)),
    )
    _scatter(domains, points.source, points.labels, points.target)
    _say(domains, f"fresh points told apart: {accuracy.domain:.1%}")

    _scatter(neurons, points.source, points.labels, points.target, alpha=0.3)
    crossing = _lines(neurons, network.weights_.W, network.weights_.b)
    _say(neurons, f"{crossing} of {network.hidden} lie in the frame")

    for plane in (labels, domains, neurons):
        plane.set(xlim=(-WIDTH, WIDTH), ylim=(-HEIGHT, HEIGHT))
    for panel in panels:
        panel.set(xticks=[], yticks=[])


def tagged(points: Moons) -> NDArray[np.intp]:
    """The target points next to the four tips of its moons."""
    apart = np.linalg.norm(points.target[:, None] - TIPS, axis=2)
    nearest: NDArray[np.intp] = apart.argmin(0)
    return nearest


def _projection(trained: Trained) -> tuple[Callable[[Points], Points], float]:
    """Rows onto the two main directions of both domains' hidden layers, and the share of variance."""
    network, points = trained.network, trained.points
    layers = network.hidden_layer(np.concatenate([points.source, points.target]))
    found = PCA(2, svd_solver="full").fit(layers)
    first = found.transform(layers)[: len(points.source), 0]
    # signs of components are arbitrary: class 1 is put to the right
    sign = 1 if first[points.labels == 1].mean() > first[points.labels == 0].mean() else -1
    return (
        lambda rows: found.transform(network.hidden_layer(rows)) * [sign, 1],
        float(found.explained_variance_ratio_.sum()),
    )


def _sides(axis: Axes, function: Callable[[Points], Points], colours: tuple[Any, Any]) -> None:
    """Colour the plane by the sign of ``function`` and draw the line where it is 0."""
    across, up = np.meshgrid(
        np.linspace(-WIDTH, WIDTH, GRID_STEPS), np.linspace(-HEIGHT, HEIGHT, GRID_STEPS)
    )
    values = function(np.column_stack([across.ravel(), up.ravel()])).reshape(across.shape)
    axis.contourf(across, up, values, levels=[-np.inf, 0, np.inf], colors=colours)
    if values.min() < 0 < values.max():
        axis.contour(across, up, values, levels=[0], colors=INK, linewidths=2)


def _scatter(
    axis: Axes, source: Points, labels: NDArray[np.int64], target: Points, alpha: float = 1.0
) -> None:
    axis.scatter(
        target[:, 0], target[:, 1], s=9, c=TARGET, alpha=0.75 * alpha, linewidths=0, zorder=2
    )
    for label, marker in enumerate("_+"):
        rows = source[labels == label]
        axis.scatter(
            rows[:, 0],
            rows[:, 1],
            s=30,
            c=SOURCE,
            marker=marker,
            linewidths=1.1,
            alpha=alpha,
            zorder=3,
        )


def _tag(axis: Axes, places: Points) -> None:
    """Letters beside the tagged points, each in a direction of its own, should two fall together."""
    for letter, place, offset in zip("ABCD", places, OFFSETS, strict=True):
        axis.annotate(
            letter,
            place,
            xytext=offset,
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=11,
            fontweight="bold",
            color=INK,
            zorder=5,
            bbox={"boxstyle": "circle,pad=0.15", "fc": "white", "ec": INK, "lw": 0.8},
            arrowprops={"arrowstyle": "-|>", "color": INK, "shrinkA": 0, "shrinkB": 1},
        )


def _lines(axis: Axes, weights: Points, biases: Points) -> int:
    """The line of each neuron where it is ½; how many of them cross the frame."""
    corners = np.array([[x, y] for x in (-WIDTH, WIDTH) for y in (-HEIGHT, HEIGHT)])
    sides = corners @ weights + biases
    crossing = (sides.min(0) < 0) & (sides.max(0) > 0)
    for normal, bias in zip(weights.T[crossing], biases[crossing], strict=True):
        foot = -bias * normal / (normal @ normal)
        axis.axline(foot, foot + np.array([-normal[1], normal[0]]), color=NEURON, lw=1.5, zorder=4)
    return int(crossing.sum())


def _say(axis: Axes, text: str) -> None:
    axis.text(0.5, 1.02, text, transform=axis.transAxes, ha="center", va="bottom", fontsize=11)


def _pale(colour: str) -> tuple[float, ...]:
    return tuple(0.8 + 0.2 * part for part in to_rgba(colour)[:3])


def _legend() -> list[Line2D | Patch]:
    def mark(marker: str, colour: str, label: str, size: float = 8) -> Line2D:
        return Line2D([], [], ls="", marker=marker, color=colour, label=label, ms=size)

    return [
        mark("+", SOURCE, "source, upper moon"),
        mark("_", SOURCE, "source, lower moon"),
        mark("o", TARGET, "target, no labels seen", 4),
        Patch(fc=GREY, label="taken for upper"),
        Patch(fc=_pale(SOURCE), label="taken for source"),
        Patch(fc=_pale(TARGET), label="taken for target"),
        Line2D([], [], color=NEURON, lw=1.5, label="a neuron at ½"),
    ]
