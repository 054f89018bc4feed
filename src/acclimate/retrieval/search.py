"""The nearest gallery items of every probe, exactly, in memory that does not grow with either."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from acclimate.core.errors import ConfigurationError, DataError, UnknownNameError, near_miss
from acclimate.retrieval.descriptors import check_rankable

BACKENDS = ("matrix", "faiss")
PROBES, ITEMS = 1024, 4096  # in a block of similarities, 16 MiB: it stays in the processor's cache
GROUP = 32  # neighbouring gallery items of which first only the largest similarity is looked at
TILE = 64
"""Blocks have a multiple of so many rows.

Matrix libraries add up the products of odd rows at the edge in another order, so that equal
descriptors would differ in the last bit, and what is found would depend on the block size.
"""


@torch.no_grad()
def search(
    probes: Tensor, gallery: Tensor, count: int, *, backend: str = "matrix"
) -> tuple[Tensor, Tensor]:
    """The ``count`` gallery items of largest inner product with each probe, the largest first.

    ``probes`` (P, D), ``gallery`` (G, D): descriptors, normalised where cosines are wanted; they are
    multiplied in float32. Returns indices (P, count) int64 and similarities (P, count) float32;
    ``count`` becomes G where the gallery has fewer items. Of equally similar items the one of lower index
    comes first. Nothing is approximated, and no more than some 100 MiB is held beside the result.

    ``backend="faiss"`` is FAISS's exact inner-product index, on the CPU, with a copy of the gallery;
    which of equally similar items comes in at the last place is then its own affair.

    Raises ``DataError`` for an empty gallery, widths that differ and descriptors that are not
    finite, ``ConfigurationError`` for a backend that is unknown or not installed.

    >>> indices, similarities = search(torch.eye(2), torch.tensor([[0.0, 1], [1, 0], [1, 0]]), 2)
    >>> indices
    tensor([[1, 2],
            [0, 1]])
    """
    if backend not in BACKENDS:
        raise UnknownNameError(f"unknown backend {backend!r}.{near_miss(backend, BACKENDS)}")
    if count < 1:
        raise ConfigurationError(f"count={count}: give 1 or more neighbours to search for")
    check_comparable(probes, gallery)
    count = min(count, len(gallery))
    if backend == "faiss":
        return _by_faiss(probes, gallery, count)
    indices = torch.empty(len(probes), count, dtype=torch.int64, device=probes.device)
    similarities = torch.empty(len(probes), count, device=probes.device)
    # the first block has to hold as many as are asked for
    width = max(ITEMS, -(-count // TILE) * TILE)
    height = max(TILE, min(PROBES, PROBES * ITEMS // width // TILE * TILE))
    for start in range(0, len(probes), height):
        rows = slice(start, start + height)
        similarities[rows], indices[rows] = _of_some(probes[rows], gallery, count, width)
    return indices, similarities


def check_comparable(probes: Tensor, gallery: Tensor) -> None:
    """Raise ``DataError`` unless probes (P, D) can be ranked against a gallery (G, D) that holds items."""
    check_rankable(probes, "probe")
    check_rankable(gallery, "gallery item")
    if not len(gallery):
        raise DataError("the gallery is empty; give at least one item to be found")
    if probes.shape[1] != gallery.shape[1]:
        raise DataError(
            f"probes have descriptors of {probes.shape[1]} numbers, the gallery of "
            f"{gallery.shape[1]}; both must come from the same network"
        )


def inner_products(probes: Tensor, gallery: Tensor, out: Tensor) -> None:
    """Fill ``out`` (P, G), float32 and each padded to a multiple of ``TILE``, with inner products.

    ``probes`` (P, D) float32 padded likewise; ``gallery`` (any number of rows up to G, D). Equal rows give
    equal values wherever they stand. Columns without a gallery item are -inf.
    """
    for start in range(0, len(gallery), ITEMS):
        block = padded(gallery[start : start + ITEMS].to(probes.device))
        torch.mm(probes, block.T, out=out[:, start : start + len(block)])
    out[:, len(gallery) :] = -torch.inf


def padded(descriptors: Tensor) -> Tensor:
    """``descriptors`` (N, D) as float32, with rows of zeros up to a multiple of ``TILE``."""
    missing = -len(descriptors) % TILE
    floats = descriptors.float()
    return pad(floats, (0, 0, 0, missing)) if missing else floats


def _of_some(probes: Tensor, gallery: Tensor, count: int, width: int) -> tuple[Tensor, Tensor]:
    """Similarities and indices (P, count) for a block of probes, gallery block by gallery block."""
    rows = padded(probes)
    best = rows.new_empty(len(probes), 0)
    indices = torch.empty(len(probes), 0, dtype=torch.int64, device=rows.device)
    for start in range(0, len(gallery), width):
        block = gallery[start : start + width]
        products = rows.new_empty(len(rows), len(block) + -len(block) % TILE)
        inner_products(rows, block, products)
        products = products[: len(probes)]
        columns = _promising(products, best[:, -1:]) if start else None
        if columns is None:
            columns = torch.arange(products.shape[1], device=rows.device).expand_as(products)
        elif columns.shape[1]:
            products = products.gather(1, columns)
        else:
            continue
        # what was found before stands first: it has the lower indices, as ties demand
        values = torch.cat((best, products), 1)
        where = first_largest(values, count)
        indices = torch.cat((indices, columns + start), 1).gather(1, where)
        best = values.gather(1, where)
    return best, indices


def _promising(products: Tensor, least: Tensor) -> Tensor | None:
    """Columns (P, C), ascending, among which are all products (P, W) above ``least`` (P, 1).

    ``None`` where they are so many that all may as well be looked at.
    """
    groups = products.view(len(products), -1, GROUP)
    largest = groups.amax(2)
    most = int((largest > least).sum(1).max())
    if 2 * most > largest.shape[1]:
        return None
    chosen = largest.topk(most, 1).indices.sort(1).values
    within = torch.arange(GROUP, device=products.device)
    return (chosen[:, :, None] * GROUP + within).flatten(1)


def first_largest(values: Tensor, count: int) -> Tensor:
    """Columns (P, count) of the largest of ``values`` (P, W), the largest first; ties by column."""
    top = values.topk(count, 1)
    # topk says nothing of which it takes of several that are equal
    last = top.values[:, -1:]
    # as floats, since whether they are true would be added up one by one
    reaching = torch.ge(values, last, out=torch.empty_like(values)).sum(1)
    unclear = (reaching > count).nonzero()[:, 0]
    columns = top.indices.index_copy(
        0, unclear, values[unclear].argsort(dim=1, descending=True, stable=True)[:, :count]
    )
    columns = columns.sort(1).values
    order = values.gather(1, columns).argsort(dim=1, descending=True, stable=True)
    return columns.gather(1, order)


def _by_faiss(probes: Tensor, gallery: Tensor, count: int) -> tuple[Tensor, Tensor]:
    try:
        import faiss
    except ImportError as error:
        raise ConfigurationError(
            "backend 'faiss' needs the package faiss, which is not installed: "
            "pip install faiss-cpu, or leave the backend at 'matrix'"
        ) from error
    index: Any = faiss.IndexFlatIP(gallery.shape[1])
    index.add(gallery.float().cpu().contiguous().numpy())
    found = index.search(probes.float().cpu().contiguous().numpy(), count)
    similarities, indices = (torch.from_numpy(each).to(probes.device) for each in found)
    # by index first, so that it decides where similarities are equal
    indices, order = indices.long().sort(1)
    similarities, order = similarities.gather(1, order).sort(dim=1, descending=True, stable=True)
    return indices.gather(1, order), similarities
