"""How high a gallery's pictures of the same identity rank: CMC and mean average precision."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from acclimate.core.errors import ConfigurationError, DataError
from acclimate.core.records import RetrievalMetrics
from acclimate.core.types import GALLERY, PROBE
from acclimate.retrieval.descriptors import check_length, pair_numbers
from acclimate.retrieval.search import TILE, check_comparable, inner_products, padded

PROBES = 1024  # ranked together where the gallery is small
HELD = 1 << 25  # similarities, 128 MiB; 64 probes at least
CACHED = 1 << 20  # similarities that are counted together, 4 MiB
SORTED_FROM = 128  # matches of a probe from which sorting is faster than counting for each of them


class _Side(NamedTuple):
    """Probes or gallery: ``descriptors`` (N, D), ``labels`` and ``cameras`` (N,) int64."""

    descriptors: Tensor
    labels: Tensor
    cameras: Tensor


class _Alike(NamedTuple):
    """Of each probe (P,): the gallery items of its identity are ``order[start : start + items]``.

    ``matches`` of them are not ignored.
    """

    order: Tensor
    start: Tensor
    items: Tensor
    matches: Tensor


def retrieval_metrics(
    probes: Tensor,
    gallery: Tensor,
    probe_labels: Tensor,
    gallery_labels: Tensor,
    probe_cameras: Tensor | None = None,
    gallery_cameras: Tensor | None = None,
    *,
    ranks: int = 100,
) -> RetrievalMetrics:
    """CMC and mean average precision of ranking a gallery by inner product with each probe.

    ``probes`` (P, D), ``gallery`` (G, D): descriptors, normalised where cosines are wanted; labels and
    cameras are (P,) or (G,) integers. A match is a gallery item of the probe's identity. Where
    cameras are given, items of the same identity and the same camera are ignored for that probe, as
    Market-1501's evaluation does (Zheng et al., ICCV 2015). Equally similar items rank by index.

    Average precision is the mean, over all matches of a probe, of the precision at the rank of
    each, without interpolation: scikit-learn's where no similarities are equal. Market-1501's first
    program took the mean of it and of the precision just before each match, which is a little less.

    The curve has G ranks, of which the first ``ranks`` are kept; ``area`` is its mean over all G.
    ``identities`` are those of the probes that have a match; the others count nowhere. Memory: 128 MiB
    of similarities and about as much again, or 64 whole rows where these are more.

    Raises ``DataError`` where there is no probe, no gallery item or no match at all, for labels or
    cameras of another length, and for descriptors that are not finite.

    >>> found = retrieval_metrics(
    ...     torch.tensor([[1.0]]), torch.tensor([[0.9], [0.8], [0.7], [0.6]]),
    ...     torch.tensor([5]), torch.tensor([3, 5, 4, 5]),
    ... )
    >>> found.rank1, found.rank5, found.area
    (0.0, 1.0, 0.75)
    >>> found.mean_average_precision  # (1/2 + 2/4) / 2
    0.5
    """
    if (probe_cameras is None) != (gallery_cameras is None):
        raise DataError("cameras of one side alone say nothing; give them for probes and gallery")
    if probe_cameras is None or gallery_cameras is None:  # two of them, so that nothing is ignored
        probe_cameras, gallery_cameras = torch.zeros(len(probes)), torch.ones(len(gallery))
    return _metrics(
        _side(probes, probe_labels, probe_cameras, "probe"),
        _side(gallery, gallery_labels, gallery_cameras, "gallery item"),
        ranks,
    )


def cross_camera_metrics(
    descriptors: Tensor,
    labels: Tensor,
    cameras: Tensor | None = None,
    *,
    roles: Tensor | None = None,
    ranks: int = 100,
) -> RetrievalMetrics:
    """``retrieval_metrics`` of one set with itself: every item is a probe, and none finds itself.

    ``descriptors`` (N, D); ``labels``, ``cameras`` (N,) integers. ``roles`` (N,): 1 for probes, 2 for
    gallery items, 3 for both and 0 for neither; ``None`` where all are both. Without cameras only
    the item itself is ignored. ``gallery``, and with it the ranks of the curve, counts it
    nevertheless. Raises what ``retrieval_metrics`` does.
    """
    if cameras is None:  # one for each item, so that it ignores itself alone
        cameras = torch.arange(len(descriptors))
    everything = _side(descriptors, labels, cameras, "descriptor")
    if roles is None:
        return _metrics(everything, everything, ranks)
    check_length(descriptors, roles, "roles", "descriptor")
    roles = roles.to(descriptors.device)
    probes, gallery = (
        _Side(*(each[(roles & role).bool()] for each in everything)) for role in (PROBE, GALLERY)
    )
    return _metrics(probes, gallery, ranks)


def _side(descriptors: Tensor, labels: Tensor, cameras: Tensor, what: str) -> _Side:
    check_length(descriptors, labels, "labels", what)
    check_length(descriptors, cameras, "cameras", what)
    device = descriptors.device
    return _Side(descriptors, labels.to(device).long(), cameras.to(device).long())


@torch.no_grad()
def _metrics(probes: _Side, gallery: _Side, ranks: int) -> RetrievalMetrics:
    if ranks < 1:
        raise ConfigurationError(f"ranks={ranks}: give 1 or more ranks of the curve to keep")
    if not len(probes.labels):
        raise DataError("there is no probe; give at least one item to look for")
    check_comparable(probes.descriptors, gallery.descriptors)
    alike = _alike(probes, gallery)
    counted = alike.matches.nonzero()[:, 0]
    if not len(counted):
        raise DataError(
            "no probe has a match: each one's identity is in the gallery by its own camera only, or "
            "not at all; give pictures of the same identities by other cameras"
        )
    # many matches first, so that probes that still have a next one are always the first rows
    counted = counted[alike.matches[counted].argsort(descending=True, stable=True)]
    size = len(gallery.labels)
    height = HELD // (size + 8 * int(alike.items.max())) // TILE * TILE
    nearest, precision = [], []
    for rows in torch.split(counted, max(TILE, min(PROBES, height))):
        found = _match_ranks(probes, gallery, alike, rows).cpu().double()
        nearest.append(found[:, 0].long())
        number = torch.arange(1, found.shape[1] + 1)
        precision.append((number / found).sum(1) / found.isfinite().sum(1))
    found_by = torch.bincount(torch.cat(nearest) - 1, minlength=size).cumsum(0)
    curve = found_by.double() / len(counted)
    rank1, rank5, rank10, rank20 = (float(curve[min(at, size) - 1]) for at in (1, 5, 10, 20))
    return RetrievalMetrics(
        probes=len(counted),
        gallery=size,
        identities=len(torch.unique(probes.labels[counted])),
        rank1=rank1,
        rank5=rank5,
        rank10=rank10,
        rank20=rank20,
        mean_average_precision=float(torch.cat(precision).mean()),
        area=float(curve.mean()),
        cmc=curve[:ranks].tolist(),
        without_match=len(probes.labels) - len(counted),
    )


def _alike(probes: _Side, gallery: _Side) -> _Alike:
    order = gallery.labels.argsort(stable=True)
    start, items = _equal(gallery.labels[order], probes.labels)
    both = (torch.cat(pair) for pair in zip(gallery[1:], probes[1:], strict=True))
    theirs, ours = pair_numbers(*both).tensor_split([len(gallery.labels)])
    _, ignored = _equal(theirs.sort().values, ours)
    return _Alike(order, start, items, items - ignored)


def _equal(ascending: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Where in ``ascending`` (G,) those equal to each of ``values`` (P,) begin, and how many they are."""
    start = torch.searchsorted(ascending, values)
    return start, torch.searchsorted(ascending, values, right=True) - start


def _match_ranks(probes: _Side, gallery: _Side, alike: _Alike, rows: Tensor) -> Tensor:
    """(R, M) float64: ranks of the matches of the probes ``rows``, ascending; inf where there are fewer."""
    size, device = len(gallery.labels), rows.device
    descriptors = padded(probes.descriptors[rows])
    products = descriptors.new_empty(len(descriptors), size + -size % TILE)
    inner_products(descriptors, gallery.descriptors, products)
    products = products[: len(rows)]

    number = torch.arange(int(alike.items[rows].max()), device=device)
    there = number < alike.items[rows, None]
    places = alike.order[(alike.start[rows, None] + number).clamp_max(size - 1)]
    ignored = there & (gallery.cameras[places] == probes.cameras[rows, None])
    row, column = ignored.nonzero(as_tuple=True)
    products[row, places[row, column]] = -torch.inf

    matching, first = (there & ~ignored).sort(dim=1, descending=True, stable=True)
    most = int(alike.matches[rows[0]])
    matching, places = matching[:, :most], places.gather(1, first[:, :most])
    measure = _ranks_by_sorting if most >= SORTED_FROM else _ranks_by_counting
    height = max(1, CACHED // products.shape[1])
    parts = zip(*(torch.split(each, height) for each in (products, places, matching)), strict=True)
    ranks = torch.cat([measure(*part) for part in parts]).double()
    return torch.where(matching, ranks, torch.inf).sort(1).values


def _ranks_by_sorting(products: Tensor, places: Tensor, _: Tensor) -> Tensor:
    """(R, M) int64: ranks of ``places`` (R, M) in ``products`` (R, W), ties by column."""
    order = products.argsort(dim=1, descending=True, stable=True)
    numbers = torch.arange(1, order.shape[1] + 1, device=order.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, numbers).gather(1, places)


def _ranks_by_counting(products: Tensor, places: Tensor, matching: Tensor) -> Tensor:
    """(R, M) int64: 1 + how many of ``products`` (R, W) are greater than that at each of ``places``.

    Of those that are equal, the ones that stand before it count as well. Rows of ``matching``
    (R, M) are true at first and then false, and have fewer that are true the further down they are.
    """
    tiles = products.view(len(products), -1, TILE)
    tile = torch.arange(tiles.shape[1], device=products.device)
    within = torch.arange(TILE, device=products.device)
    greater = torch.empty_like(tiles)
    ranks = torch.ones_like(places)
    remaining = matching.sum(0).tolist()
    for number, count in enumerate(remaining):
        place = places[:count, number, None]
        value = products[:count].gather(1, place)
        own = place // TILE
        # whatever is not less reaches the next float below
        below = torch.nextafter(value, torch.full_like(value, -torch.inf))
        least = torch.where(tile < own, below, value)
        # true as 1.0 is summed up in vectors, which bool is not
        torch.gt(tiles[:count], least[:, :, None], out=greater[:count])
        beside = tiles[torch.arange(count, device=own.device), own[:, 0]]
        before = (beside == value) & (within < place % TILE)
        ranks[:count, number] += greater[:count].sum(2).long().sum(1) + before.sum(1)
    return ranks
