"""Features drawn in the plane: ONE t-SNE per model, fitted on source and target together.

Fitting each domain by itself and laying one over the other shows an overlap that means nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.neighbors import NearestNeighbors

from acclimate.report import chart
from acclimate.report.cameras import Camera
from acclimate.report.chart import Chart, LegendEntry
from acclimate.report.samples import Array, Samples

FEWEST_POINTS = 10
_PERPLEXITY = 30.0
_COMPONENTS = 30
_NEIGHBOURS = 10
# domains and cameras are drawn in turns, a part of each at a time, so that none hides another
_LAYERS = 6


@dataclass(frozen=True)
class Embedding:
    """``source`` and ``target``: (n, 2), NaN where an item's features are not finite.

    ``mixing``: mean share of each item's nearest neighbours (in feature space, not in the
    picture) that come from the other domain, relative to what chance would give; 1 is fully mixed.
    """

    source: Array
    target: Array
    mixing: float


def embed_jointly(
    source: Array, target: Array, start: Array | None = None, iterations: int = 1000
) -> Embedding | str:
    """The plane of both, or in words why there is none. ``source``, ``target``: (n, D).

    ``start``: (2n, 2), a plane of the same items to begin from in place of the principal
    components. ``iterations``: of t-SNE, from 250 on.
    """
    union = np.concatenate([source, target])
    finite = np.isfinite(union).all(axis=1)
    if finite.sum() < FEWEST_POINTS:
        return f"fewer than {FEWEST_POINTS} items have finite features"
    known = union[finite]
    spread = known.std()
    if not spread > 0 or len(np.unique(known, axis=0)) < FEWEST_POINTS:
        return "the features are (nearly) the same for all items, which is a collapse by itself"
    # scale first: float16 features may be large enough for squared distances to overflow
    reduced = _reduce((known - known.mean(axis=0)) / spread)
    plane = np.full((len(union), 2), np.nan)
    begun = None if start is None else start[finite]
    plane[finite] = _normalise(_fit_tsne(reduced, begun, iterations))
    is_target = (np.arange(len(union)) >= len(source))[finite]
    return Embedding(plane[: len(source)], plane[len(source) :], _mixing(reduced, is_target))


def _reduce(features: Array) -> Array:
    components = min(_COMPONENTS, *features.shape)
    return np.asarray(PCA(components, random_state=0).fit_transform(features), dtype=np.float32)


def _fit_tsne(features: Array, start: Array | None, iterations: int) -> Array:
    perplexity = min(_PERPLEXITY, (len(features) - 1) / 3)
    begin: Any = "pca" if features.shape[1] >= 2 else "random"
    if start is not None and start.std() > 0:
        # as small as scikit-learn makes its principal components, so that clusters can still move
        begin = np.asarray(1e-4 * (start - start.mean(axis=0)) / start.std(), dtype=np.float32)
    # one job: the page must come out the same on every machine
    tsne = TSNE(2, perplexity=perplexity, init=begin, max_iter=iterations, random_state=0, n_jobs=1)
    return np.asarray(tsne.fit_transform(features), dtype=np.float64)


def _normalise(plane: Array) -> Array:
    centred = plane - (plane.max(axis=0) + plane.min(axis=0)) / 2
    return np.asarray(centred / max(float(np.abs(centred).max()), 1e-12))


def _mixing(features: Array, is_target: Array) -> float:
    count = min(_NEIGHBOURS, len(features) - 1)
    nearest = NearestNeighbors(n_neighbors=count).fit(features)
    neighbours = nearest.kneighbors(return_distance=False)
    other = (is_target[neighbours] != is_target[:, None]).mean(axis=1)
    shares = [
        other[is_target == side].mean()
        / max((is_target != side).sum() / (len(features) - 1), 1e-12)
        for side in (False, True)
        if (is_target == side).any()
    ]
    return float(np.mean(shares)) if len(shares) == 2 else 0.0


def embedding_chart(
    title: str, samples: Samples, embedding: Embedding, class_names: list[str]
) -> Chart:
    """Both colourings in one figure; the page shows one of them at a time."""
    planes = {"source": embedding.source, "target": embedding.target}
    predicted = {
        "source": samples.source.probabilities.argmax(axis=1),
        "target": samples.target.probabilities.argmax(axis=1),
    }
    labels = samples.source.labels
    groups = {
        "source": predicted["source"] if labels is None else labels,
        "target": predicted["target"],
    }
    traces = []
    for index in range(len(class_names)):
        colour = chart.class_colour(index, len(class_names))
        traces += [
            _trace(domain, plane, np.flatnonzero(groups[domain] == index), colour, "class")
            for domain, plane in planes.items()
        ]
    return _chart(title, embedding, traces, _panel(samples, predicted))


def camera_chart(
    title: str, samples: Samples, embedding: Embedding, cameras: Sequence[Camera]
) -> Chart:
    """As ``embedding_chart``, with cameras in place of classes, where any are known."""
    items = {"source": samples.source, "target": samples.target}
    planes = {"source": embedding.source, "target": embedding.target}
    of_camera = [
        camera.items(items[camera.domain].cameras, len(planes[camera.domain])) for camera in cameras
    ]
    traces = [
        _trace(
            camera.domain, planes[camera.domain], chosen[layer::_LAYERS], camera.colour, "camera"
        )
        for layer in range(_LAYERS)
        for camera, chosen in zip(cameras, of_camera, strict=True)
    ]
    return _chart(title, embedding, traces, panel={})


def _chart(
    title: str, embedding: Embedding, traces: list[dict[str, Any]], panel: dict[str, Any]
) -> Chart:
    """``traces``: of the colouring that is not by domain."""
    planes = {"source": embedding.source, "target": embedding.target}
    by_domain = [
        _trace(
            domain, plane, np.arange(layer, len(plane), _LAYERS), _domain_colour(domain), "domain"
        )
        for layer in range(_LAYERS)
        for domain, plane in planes.items()
    ]
    no_axis = {"visible": False, "range": [-1.08, 1.08], "fixedrange": False}
    layout = chart.frame(
        xaxis=no_axis,
        yaxis={**no_axis, "scaleanchor": "x"},
        margin={"l": 4, "r": 4, "t": 4, "b": 4},
        hovermode="closest",
        dragmode="zoom",
    )
    words = f"Mixing: {embedding.mixing:.0%}."
    return Chart(
        title,
        f"t-SNE of {len(planes['source'])} source and {len(planes['target'])} target items. {words}",
        {"data": [*by_domain, *traces], "layout": layout, "panel": panel},
        caption=words,
        height=420,
    )


def legends(class_names: list[str]) -> dict[str, list[LegendEntry]]:
    """For each colouring its legend; they hide the same traces in every panel."""
    count, first = len(class_names), 2 * _LAYERS
    by_class = [
        LegendEntry(
            name, chart.class_colour(i, count), "square", (first + 2 * i, first + 2 * i + 1)
        )
        for i, name in enumerate(class_names)
    ]
    return {"domain": _domain_legend(), "class": by_class}


def camera_legends(cameras: Sequence[Camera]) -> dict[str, list[LegendEntry]]:
    """As ``legends``, for ``camera_chart``; no colouring by camera where none is known."""
    first, count = 2 * _LAYERS, len(cameras)
    last = first + _LAYERS * count
    by_camera = [
        LegendEntry(
            camera.name, camera.colour, camera.shape, tuple(range(first + index, last, count))
        )
        for index, camera in enumerate(cameras)
    ]
    return {"domain": _domain_legend(), **({"camera": by_camera} if by_camera else {})}


def _domain_legend() -> list[LegendEntry]:
    return [
        LegendEntry("source", chart.SOURCE, "circle", tuple(range(0, 2 * _LAYERS, 2))),
        LegendEntry("target", chart.TARGET, "diamond", tuple(range(1, 2 * _LAYERS, 2))),
    ]


def _domain_colour(domain: str) -> str:
    return chart.SOURCE if domain == "source" else chart.TARGET


def _trace(domain: str, plane: Array, chosen: Array, colour: str, colouring: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": chart.numbers(plane[chosen, 0], 4),
        "y": chart.numbers(plane[chosen, 1], 4),
        "customdata": chosen.tolist(),
        "meta": {"domain": domain, "colouring": colouring},
        "visible": colouring == "domain",
        "hoverinfo": "none",
        "marker": {
            "color": colour,
            "symbol": "circle" if domain == "source" else "diamond",
            "size": 6 if domain == "source" else 7,
            "opacity": 0.75,
            "line": {"width": 0.5, "color": "#FFFFFF"},
        },
    }


def _panel(samples: Samples, predicted: dict[str, Array]) -> dict[str, Any]:
    """What this model says of each item, for the card that appears on hover."""
    confidence = {
        "source": samples.source.probabilities.max(axis=1),
        "target": samples.target.probabilities.max(axis=1),
    }
    return {
        domain: {
            "predicted": predicted[domain].tolist(),
            "confidence": chart.numbers(confidence[domain], 3),
        }
        for domain in ("source", "target")
    }
