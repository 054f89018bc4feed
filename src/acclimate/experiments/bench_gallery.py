"""Gallery search and retrieval metrics beside the matrix product that neither can do without.

Every measurement has a process of its own, so that its memory is its own; they take turns.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from acclimate.core.errors import ConfigurationError
from acclimate.experiments.own_process import in_own_process
from acclimate.experiments.watched import Watched
from acclimate.retrieval.descriptors import normalised
from acclimate.retrieval.metrics import retrieval_metrics
from acclimate.retrieval.search import ITEMS, PROBES, search

SIDES = ("product", "search", "metrics")
PICTURES = 10  # of an identity in the gallery
CAMERAS = 6
NOISE = 2.0  # beside an identity's own descriptor, so that some are found and some are not
SAMPLE = 20  # probes that a plain loop looks for as well


class Size(NamedTuple):
    """How many probes, gallery items, numbers in a descriptor, and neighbours to search for."""

    probes: int
    gallery: int
    dimensions: int
    neighbours: int


class Figures(NamedTuple):
    """``mib``: largest resident memory beyond the inputs; ``agreement``: with a plain loop, in [0, 1].

    Of search the share of the sample's neighbours that are the loop's in their places, of metrics 1 less
    the difference in mean average precision; the product has none.
    """

    seconds: float
    mib: float
    agreement: float | None = None


@dataclass(frozen=True)
class GalleryBench:
    """Figures of every round by side; ``ratio``: median time over the bare product's."""

    size: Size
    threads: int
    rounds: dict[str, list[Figures]]

    def ratio(self, side: str) -> float:
        pairs = zip(self.rounds[side], self.rounds["product"], strict=True)
        return statistics.median(mine.seconds / bare.seconds for mine, bare in pairs)

    def median(self, side: str) -> Figures:
        seconds, mib, agreement = zip(*self.rounds[side], strict=True)
        # every round has the same inputs
        return Figures(statistics.median(seconds), statistics.median(mib), agreement[0])

    def as_dict(self) -> dict[str, object]:
        """Plain values, for JSON."""
        sides = {
            side: {**self.median(side)._asdict(), "over_product": self.ratio(side)}
            for side in SIDES
        }
        return {
            **self.size._asdict(),
            **sides,
            "threads": self.threads,
            "rounds": len(self.rounds["product"]),
        }


class Inputs(NamedTuple):
    """Normalised descriptors, (P, D) and (G, D); labels and cameras of each."""

    probes: Tensor
    gallery: Tensor
    labels: tuple[Tensor, Tensor]
    cameras: tuple[Tensor, Tensor]


def bench_gallery(
    size: Size,
    rounds: int,
    threads: int | None = None,
    done: Callable[[str, Figures], None] = lambda side, found: None,
) -> GalleryBench:
    """The bare product of all probes with the gallery, the search and the metrics, ``rounds`` times.

    Raises ``RunError`` with the last line of what went wrong, such as memory that was not enough.
    """
    if size.gallery < 2 * PICTURES:
        raise ConfigurationError(f"--gallery {size.gallery}: give {2 * PICTURES} or more items")
    threads = threads or torch.get_num_threads()
    found: dict[str, list[Figures]] = {side: [] for side in SIDES}
    for _ in range(rounds):
        for side in SIDES:
            found[side].append(_apart(side, size, threads))
            done(side, found[side][-1])
    return GalleryBench(size, threads, found)


def make_inputs(size: Size) -> Inputs:
    """Drawn descriptors of identities with ten gallery items each, by six cameras."""
    draws = torch.Generator().manual_seed(0)
    identities = size.gallery // PICTURES
    centres = torch.randn(identities, size.dimensions, generator=draws)

    def side(count: int) -> tuple[Tensor, Tensor, Tensor]:
        labels = torch.arange(count) % identities
        descriptors = torch.randn(count, size.dimensions, generator=draws).mul_(NOISE)
        descriptors += centres[labels]
        cameras = torch.randint(CAMERAS, (count,), generator=draws)
        return normalised(descriptors), labels, cameras

    probes, gallery = side(size.probes), side(size.gallery)
    return Inputs(probes[0], gallery[0], (probes[1], gallery[1]), (probes[2], gallery[2]))


def bare_product(probes: Tensor, gallery: Tensor) -> None:
    """All inner products, in the blocks that search has, each written over the one before."""
    kept = torch.empty(PROBES, ITEMS)
    for rows in torch.split(probes, PROBES):
        for items in torch.split(gallery, ITEMS):
            torch.mm(rows, items.T, out=kept[: len(rows), : len(items)])


def neighbours_by_loop(probe: Tensor, gallery: Tensor) -> Tensor:
    """All gallery indices (G,) from the nearest on, in float64; ties by index."""
    similarities = torch.cat(
        [items.double() @ probe.double() for items in torch.split(gallery, ITEMS)]
    )
    return similarities.argsort(descending=True, stable=True)


def average_precision_by_loop(inputs: Inputs, probe: int) -> float | None:
    """One probe's, gallery item by gallery item; ``None`` without a match."""
    (probe_labels, labels), (probe_cameras, cameras) = inputs.labels, inputs.cameras
    same = (labels == probe_labels[probe]).tolist()
    ignored = (cameras == probe_cameras[probe]).tolist()
    precisions: list[float] = []
    seen = 0
    for item in neighbours_by_loop(inputs.probes[probe], inputs.gallery).tolist():
        if same[item] and ignored[item]:
            continue
        seen += 1
        if same[item]:
            precisions.append((len(precisions) + 1) / seen)
    return statistics.fmean(precisions) if precisions else None


def _apart(side: str, size: Size, threads: int) -> Figures:
    return Figures(*in_own_process(side, _measure, side, size, threads))


def _measure(side: str, size: Size, threads: int) -> tuple[float, float, float | None]:
    torch.set_num_threads(threads)
    return _figures(side, make_inputs(size), size.neighbours)


def _figures(side: str, inputs: Inputs, count: int) -> tuple[float, float, float | None]:
    sample = slice(SAMPLE)
    few = inputs.probes[sample]
    bare_product(few, inputs.gallery[:ITEMS])  # threads and libraries get ready
    with Watched() as watched:
        if side == "product":
            bare_product(inputs.probes, inputs.gallery)
        elif side == "search":
            found, _ = search(inputs.probes, inputs.gallery, count)
        else:
            _ranked(inputs, slice(None))
    agreement = None
    if side == "search":
        loop = [neighbours_by_loop(probe, inputs.gallery)[: found.shape[1]] for probe in few]
        agreement = float((found[sample] == torch.stack(loop)).double().mean())
    elif side == "metrics":
        each = (average_precision_by_loop(inputs, probe) for probe in range(len(few)))
        mean = statistics.fmean(value for value in each if value is not None)
        agreement = 1 - abs(mean - _ranked(inputs, sample))
    return watched.seconds, watched.mib, agreement


def _ranked(inputs: Inputs, rows: slice) -> float:
    return retrieval_metrics(
        inputs.probes[rows],
        inputs.gallery,
        inputs.labels[0][rows],
        inputs.labels[1],
        inputs.cameras[0][rows],
        inputs.cameras[1],
    ).mean_average_precision
