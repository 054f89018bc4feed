"""How many of their reciprocal neighbours two items share."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
#: numbers held at once where pairs of items are compared
_HELD = 2**22
#: items with the same sets are at distance 0, whatever the last digits of their sums
_DIGITS = 12


def jaccard_distances(
    descriptors: Tensor, neighbours: int = 30, expansion: int = 6
) -> sparse.csr_matrix:
    """Jaccard distances of k-reciprocal neighbours, (N, N) float64 in [0, 1]; what is not stored is 1.

    Zhong et al., "Re-ranking person re-identification with k-reciprocal encoding", CVPR 2017:
    the sets R* of equations 2 and 3 with k1 = ``neighbours``, weighed by e to the minus distance
    (7), averaged over the nearest k2 = ``expansion`` items (11), and compared (10). Distances are
    the squared ones of unit vectors, 2 − 2 cosines. As in the authors' code an item is the first
    of its own neighbours, the k nearest come on top of it in R and count it in (11), half of k1 is
    rounded to even, and the weights of a set sum to 1.

    Args:
        descriptors: (N, D) float, of any length but zero.
        neighbours: ≥ 1; the authors' default is 20, clustering has taken 30 since.
        expansion: ≥ 1; 1 leaves the sets as they are.

    The diagonal is stored, as 0. Time and memory grow with N · (N + k1³), in double precision
    on the host.
    """
    unit = unit_vectors(descriptors)
    order = nearest(unit, max(neighbours + 1, expansion))
    weights = _weights(unit, _extended(order, neighbours))
    few = order[:, :expansion]
    return _jaccard(sparse.csr_matrix(_membership(few) @ weights / few.shape[1]))


def unit_vectors(descriptors: Tensor) -> Tensor:
    """(N, D) float64 on the host, each of length 1; a zero stays one."""
    return F.normalize(descriptors.detach().cpu().double(), dim=1)


def cosine_blocks(unit: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Rows of the (N, N) cosines of (N, D) unit vectors, some at a time, and the first one's index."""
    rows = max(1, _HELD // max(1, len(unit)))
    for start in range(0, len(unit), rows):
        yield start, unit[start : start + rows] @ unit.T


def nearest(unit: Tensor, count: int) -> Indices:
    """(N, min(``count``, N)) indices of each item's nearest by cosine, itself always the first."""
    found = []
    for start, cosines in cosine_blocks(unit):
        own = torch.arange(len(cosines))
        # of items that are the same, each comes first in its own row
        cosines[own, own + start] = torch.inf
        found.append(cosines.topk(min(count, len(unit)), 1).indices)
    order: Indices = torch.cat(found).numpy()
    return order


def _membership(order: Indices) -> sparse.csr_matrix:
    """(N, N) of ones: in row i, those that row i of ``order`` names."""
    count, width = order.shape
    rows = np.repeat(np.arange(count), width)
    ones = np.ones(order.size, dtype=np.int64)
    return sparse.csr_matrix((ones, (rows, order.ravel())), (count, count))


def _reciprocal(order: Indices, neighbours: int) -> sparse.csr_matrix:
    """R(p, k) of equation 2, ones in row p."""
    near = _membership(order[:, : neighbours + 1])
    return near.multiply(near.T).tocsr()


def _extended(order: Indices, neighbours: int) -> sparse.csr_matrix:
    """R*(p, k1) of equation 3: with it the R(q, k1/2) of its members q that lie in it by two thirds."""
    whole = _reciprocal(order, neighbours)
    half = _reciprocal(order, round(neighbours / 2))
    shared = whole.multiply(whole @ half.T).tocoo()
    sizes = np.asarray(half.sum(1)).ravel()
    within = 3 * shared.data >= 2 * sizes[shared.col]
    taken = sparse.csr_matrix(
        (np.ones(int(within.sum()), np.int64), (shared.row[within], shared.col[within])),
        shared.shape,
    )
    return sparse.csr_matrix(whole + taken @ half)


def _weights(unit: Tensor, members: sparse.csr_matrix) -> sparse.csr_matrix:
    """e to the minus distance for the members of each row, 0 for all others; rows sum to 1."""
    pairs = members.tocoo()
    cosines = np.empty(pairs.nnz)
    held = max(1, _HELD // unit.shape[1])
    for start in range(0, pairs.nnz, held):
        part = slice(start, start + held)
        rows, columns = (unit[torch.from_numpy(of[part]).long()] for of in (pairs.row, pairs.col))
        cosines[part] = (rows * columns).sum(1).numpy()
    weights = sparse.csr_matrix((np.exp(2 * cosines - 2), (pairs.row, pairs.col)), pairs.shape)
    totals = np.asarray(weights.sum(1)).ravel()
    return sparse.csr_matrix(sparse.diags(1 / totals) @ weights)


def _jaccard(weights: sparse.csr_matrix) -> sparse.csr_matrix:
    """1 − Σ min / Σ max of all pairs of rows that share a column; rows sum to 1."""
    weights.sort_indices()  # one order of summation for both halves: exactly symmetric
    columns = weights.tocsc()
    count = weights.shape[0]
    # pairs of numbers that the rows lead to: where to cut them into blocks
    ends = np.cumsum(np.add.reduceat(np.diff(columns.indptr)[weights.indices], weights.indptr[:-1]))
    rows = min(count, max(1, _HELD // count))
    blocks, start = [], 0
    while start < count:
        before = ends[start - 1] if start else 0
        stop = int(np.searchsorted(ends, before + _HELD, side="right"))
        stop = min(max(stop, start + 1), start + rows, count)
        blocks.append(_overlap(weights[start:stop], columns))
        start = stop
    found = sparse.vstack(blocks).tocsr()
    # Σ max = 2 − Σ min
    found.data = np.clip((1 - found.data / (2 - found.data)).round(_DIGITS), 0, 1)
    found.setdiag(0)
    return found


def _overlap(some: sparse.csr_matrix, columns: sparse.csc_matrix) -> sparse.csr_matrix:
    """Σ min of ``some`` rows with every row, (rows, N)."""
    lengths = np.diff(columns.indptr)[some.indices]
    # for each entry of the rows, all entries of its column, one after the other
    offsets = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    places = np.repeat(columns.indptr[some.indices], lengths) + offsets
    row = np.repeat(np.repeat(np.arange(some.shape[0]), np.diff(some.indptr)), lengths)
    smaller = np.minimum(np.repeat(some.data, lengths), columns.data[places])
    shape = (some.shape[0], columns.shape[0])
    cells = row * shape[1] + columns.indices[places]
    sums = np.bincount(cells, weights=smaller, minlength=shape[0] * shape[1])
    return sparse.csr_matrix(sums.reshape(shape))
