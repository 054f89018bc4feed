"""How the features moved during training: one t-SNE for each of some evaluations.

Each is fitted on source and target together, begins from the one before and is turned to lie on
it, so that a cluster can be followed. Drawn as SVG, which needs no script.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.linalg import orthogonal_procrustes

from acclimate.core.errors import RecordError
from acclimate.core.records import RunRecord
from acclimate.report import chart
from acclimate.report.cameras import Camera, list_cameras
from acclimate.report.embedding import Embedding, embed_jointly
from acclimate.report.samples import DOMAINS, Array, Stored, stored_features

SIDE = 1000  # of a frame, in its own units
_MARGIN = 30
_RADIUS = {"source": 11, "target": 14}
# domains and cameras are drawn in turns, a part of each at a time, so that none hides another
_LAYERS = 4
_ITERATIONS = 500
_MOST_CLASSES_NAMED = 40


@dataclass(frozen=True)
class Marks:
    """One SVG path: dots of the source are drawn as strokes, diamonds of the target filled."""

    domain: str
    colour: str
    path: str


@dataclass(frozen=True)
class Frame:
    """One evaluation; ``missing`` says why nothing is drawn.

    ``mixing``: see ``Embedding``.
    """

    step: int
    place: str
    mixing: float | None = None
    missing: str = ""
    items: tuple[int, int] = (0, 0)
    marks: dict[str, list[Marks]] = field(default_factory=dict)

    @property
    def description(self) -> str:
        if self.mixing is None:
            return f"Step {self.step:,}: {self.missing}"
        source, target = self.items
        return f"Step {self.step:,}: {source} source and {target} target items, mixing {self.mixing:.0%}"


@dataclass(frozen=True)
class Film:
    """``legends``: for each colouring name, shape and colour; no classes where there are too many.

    The colourings are "domain" and "class"; of retrieval "domain" and, where cameras are known,
    "camera".
    """

    frames: list[Frame]
    legends: dict[str, list[tuple[str, str, str]]]
    missing: str = ""


def make_film(
    folder: Path, record: RunRecord, class_names: Sequence[str], *, frames: int, points: int
) -> Film:
    """At most ``frames`` evaluations of a run folder, with at most ``points`` items of each domain."""
    found = _evaluations(folder, record)
    if len(found) < 2:
        few = "one evaluation" if found else "no evaluations"
        return Film([], {}, f"Left out: the run folder holds the features of {few}.")
    chosen = record.chosen.step if record.chosen else None
    shown = choose_steps(list(found), chosen, frames)
    planes: list[Embedding | str] = []
    seen: list[Stored | None] = []
    for step in shown:
        plane, items = _embed(found[step], _latest(planes), points)
        planes.append(plane)
        seen.append(items)
    retrieval = record.objective == "retrieval"
    cameras = _cameras([items for items in seen if items is not None]) if retrieval else []
    drawn = iter(_on_one_scale([plane for plane in planes if not isinstance(plane, str)]))
    made = []
    for step, plane, items in zip(shown, planes, seen, strict=True):
        place = _place(step, shown, chosen)
        if isinstance(plane, str) or items is None:
            made.append(Frame(step, place, missing=f"Left out: {plane}."))
        else:
            placed = next(drawn)
            sizes = (len(placed.source), len(placed.target))
            marks = {"domain": _by_domain(placed)}
            if cameras:
                marks["camera"] = _by_camera(placed, items, cameras)
            elif not retrieval:
                marks["class"] = _by_class(placed, items.labels, len(class_names))
            made.append(Frame(step, place, placed.mixing, items=sizes, marks=marks))
    return Film(made, _legends(class_names, cameras, retrieval))


def _cameras(evaluations: Sequence[Stored]) -> list[Camera]:
    source, target = ([items.cameras[domain] for items in evaluations] for domain in DOMAINS)
    return list_cameras(source, target)


def _legends(
    class_names: Sequence[str], cameras: Sequence[Camera], retrieval: bool
) -> dict[str, list[tuple[str, str, str]]]:
    domains = [("source", "circle", chart.SOURCE), ("target", "diamond", chart.TARGET)]
    if retrieval:
        by_camera = [(camera.name, camera.shape, camera.colour) for camera in cameras]
        return {"domain": domains, **({"camera": by_camera} if cameras else {})}
    few = class_names if len(class_names) <= _MOST_CLASSES_NAMED else []
    by_class = [(name, "circle", chart.class_colour(i, len(few))) for i, name in enumerate(few)]
    return {"domain": domains, "class": [*by_class, ("target, any class", "diamond", chart.REST)]}


def _evaluations(folder: Path, record: RunRecord) -> dict[int, Path]:
    """Stored evaluations by step, ascending; of a continued run only those that count."""
    measured = {evaluation.step for evaluation in record.evaluations}
    found = {
        int(match[1]): path
        for path in (folder / "evaluations").glob("step-*.npz")
        if (match := re.fullmatch(r"step-(\d+)", path.stem))
    }
    return {step: found[step] for step in sorted(found) if step in measured}


def choose_steps(steps: Sequence[int], chosen: int | None, most: int) -> list[int]:
    """First and last, the chosen one, and others evenly between them; ascending.

    >>> choose_steps([10, 20, 30, 40, 50, 60, 70], 50, 4)
    [10, 30, 50, 70]
    """
    picked = np.unique(np.linspace(0, len(steps) - 1, min(most, len(steps))).round().astype(int))
    if chosen is not None and chosen in steps and len(picked) > 2:
        place = list(steps).index(chosen)
        if place not in picked:
            inner = picked[1:-1]
            inner[np.abs(inner - place).argmin()] = place
    return [steps[index] for index in picked]


def _place(step: int, shown: Sequence[int], chosen: int | None) -> str:
    words = [("first", shown[0]), ("chosen", chosen), ("last", shown[-1])]
    return ", ".join(word for word, which in words if which == step)


def _latest(planes: Sequence[Embedding | str]) -> Embedding | None:
    return next((plane for plane in reversed(planes) if isinstance(plane, Embedding)), None)


def _embed(
    path: Path, before: Embedding | None, points: int
) -> tuple[Embedding | str, Stored | None]:
    """The plane and the items in it, or in words why there is none."""
    try:
        stored = stored_features(path)
    except RecordError as error:
        return str(error), None
    ours, theirs = _some(len(stored.source), points), _some(len(stored.target), points)
    shown = stored.take(ours, theirs)
    start = None
    if before is not None and (len(before.source), len(before.target)) == (len(ours), len(theirs)):
        start = _union(before)
    known = None if start is None else np.nan_to_num(start)
    plane = embed_jointly(shown.source, shown.target, known, _ITERATIONS)
    if isinstance(plane, Embedding):
        turned = align(_union(plane), start)
        plane = Embedding(turned[: len(ours)], turned[len(ours) :], plane.mixing)
    return plane, shown


def _some(count: int, most: int) -> Array:
    return np.linspace(0, count - 1, min(count, most)).round().astype(int)


def _union(plane: Embedding) -> Array:
    return np.concatenate([plane.source, plane.target])


def align(plane: Array, before: Array | None) -> Array:
    """``plane`` (n, 2) moved, scaled, and turned or mirrored to lie on ``before`` (n, 2).

    Orthogonal Procrustes analysis (Schönemann, 1966) of the items that are finite in both, after
    both have the same centre and mean square; without ``before`` these are 0 and 1.
    """
    both = np.isfinite(plane).all(axis=1)
    if before is not None:
        both &= np.isfinite(before).all(axis=1)
    if before is None or both.sum() < 2:
        centre, size = _centre_and_size(plane[np.isfinite(plane).all(axis=1)])
        return np.asarray((plane - centre) / size)
    centre, size = _centre_and_size(plane[both])
    wanted_centre, wanted_size = _centre_and_size(before[both])
    standard = (plane - centre) / size
    rotation, _ = orthogonal_procrustes(standard[both], before[both] - wanted_centre)
    return np.asarray(wanted_size * standard @ rotation + wanted_centre)


def _centre_and_size(plane: Array) -> tuple[Array, float]:
    centre = plane.mean(axis=0)
    return centre, max(float(np.sqrt(((plane - centre) ** 2).mean())), 1e-12)


def _on_one_scale(planes: Sequence[Embedding]) -> list[Embedding]:
    """Into the frame's units, alike for all frames, so that a movement is one of the features."""
    if not planes:
        return []
    every = np.concatenate([_union(plane) for plane in planes])
    low, high = np.nanmin(every, axis=0), np.nanmax(every, axis=0)
    scale = (SIDE - 2 * _MARGIN) / max(float((high - low).max()), 1e-12)
    middle = (low + high) / 2

    def place(plane: Array) -> Array:
        return np.asarray((plane - middle) * scale + SIDE / 2)

    return [Embedding(place(p.source), place(p.target), p.mixing) for p in planes]


def _by_domain(plane: Embedding) -> list[Marks]:
    return [
        Marks(domain, colour, _path(domain, points[layer::_LAYERS]))
        for layer in range(_LAYERS)
        for domain, colour, points in (
            ("source", chart.SOURCE, plane.source),
            ("target", chart.TARGET, plane.target),
        )
    ]


def _by_class(plane: Embedding, labels: Array, classes: int) -> list[Marks]:
    """The source by its labels, the target in grey."""
    return [
        Marks("target", chart.REST, _path("target", plane.target)),
        *(
            Marks("source", chart.class_colour(index, classes), _path("source", plane.source[some]))
            for index in range(classes)
            if (some := labels == index).any()
        ),
    ]


def _by_camera(plane: Embedding, items: Stored, cameras: Sequence[Camera]) -> list[Marks]:
    points = {"source": plane.source, "target": plane.target}
    of_camera = [
        points[c.domain][c.items(items.cameras[c.domain], len(points[c.domain]))] for c in cameras
    ]
    return [
        Marks(camera.domain, camera.colour, _path(camera.domain, some[layer::_LAYERS]))
        for layer in range(_LAYERS)
        for camera, some in zip(cameras, of_camera, strict=True)
        if len(some[layer::_LAYERS])
    ]


def _path(domain: str, points: Array) -> str:
    finite = points[np.isfinite(points).all(axis=1)].round().astype(int)
    if domain == "source":  # a stroke without length, of which the round caps are seen
        return "".join(f"M{x} {y}h.1" for x, y in finite)
    r = _RADIUS["target"]
    return "".join(f"M{x - r} {y}l{r}-{r} {r} {r}-{r} {r}z" for x, y in finite)
