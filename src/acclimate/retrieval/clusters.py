"""Pseudo identities: items that are probably of one identity, without labels."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from acclimate.core.errors import ConfigurationError, DataError
from acclimate.retrieval.reciprocal import cosine_blocks, jaccard_distances, unit_vectors

Floats = NDArray[np.float64]
Distance = Literal["jaccard", "cosine"]
#: share of all pairs whose mean distance is the radius where none is given
CLOSEST_PAIRS = 1.6e-3
_LEFT_OUT = -1


def pseudo_identities(
    descriptors: Tensor,
    cameras: Tensor | None = None,
    *,
    one_per_camera: bool = False,
    distance: Distance = "jaccard",
    neighbours: int = 4,
    radius: float | None = None,
    reciprocal: int = 30,
    expansion: int = 6,
    share: float = 0.5,
    centred: bool = True,
) -> Tensor:
    """Clusters of descriptors, (N,) int64 on the host: 0 to C − 1 by first item, −1 for what is left out.

    By density, for identities with several pictures: DBSCAN (Ester et al., KDD 1996) as Song et al.,
    "Unsupervised domain adaptive re-identification: Theory and practice", Pattern Recognition 102,
    2020, take it for pseudo identities. An item with ``neighbours`` items within ``radius``, itself
    among them, is in a cluster with them.

    By mutual nearest neighbours, for at most one picture an identity and camera
    (``one_per_camera``): density would put pictures of one camera together, which are alike. Two
    items of different cameras, each the other's nearest there by cosine, are linked; of the links
    the ``share`` with the largest margin over the second nearest, the smaller of both sides', is
    followed from the surest on, unless two pictures of one camera would meet in a cluster.

    Args:
        descriptors: (N, D) float, of any length but zero.
        cameras: (N,) int64, which camera an item is from; ``None`` where unknown.
        one_per_camera: by mutual nearest neighbours instead of by density.
        distance: of clusters by density, ``"jaccard"`` (see ``jaccard_distances``) or ``"cosine"``,
            1 − cosine.
        neighbours: ≥ 1; 4 in the paper.
        radius: > 0; ``None`` for the mean of the smallest 1.6e-3 of all distances between two
            items that differ, as in the paper.
        reciprocal: of Jaccard distances, k1; about as many as an identity has pictures, or more.
        expansion: of Jaccard distances, k2.
        share: in (0, 1], of the mutual nearest neighbours.
        centred: whether the mean descriptor of each camera is taken off first, so that what a
            camera does to all its pictures joins none of them; without ``cameras`` nothing is.

    Raises:
        ConfigurationError: for ``one_per_camera`` without cameras, or with a single one.
        DataError: for descriptors that are not finite.
    """
    finite = torch.isfinite(descriptors).all(1)
    if not bool(finite.all()):
        raise DataError(
            f"{int((~finite).sum())} of {len(finite)} descriptors are not finite, so that nothing "
            "can be clustered: the run has diverged; lower the learning rate"
        )
    unit = unit_vectors(descriptors)
    if cameras is not None:
        cameras = cameras.cpu()
        unit = _centred(unit, cameras) if centred else unit
    if one_per_camera:
        return mutual_clusters(unit, _several(cameras), share)
    if len(unit) == 0:
        return torch.zeros(0, dtype=torch.int64)
    graph = (
        _jaccard_graph(unit, reciprocal, expansion, radius)
        if distance == "jaccard"
        else _cosine_graph(unit, radius)
    )
    return _density_clusters(graph, neighbours)


class _Graph(NamedTuple):
    """``distances`` (N, N): those up to ``radius`` at least, the diagonal's zeros among them."""

    distances: sparse.csr_matrix
    radius: float


class _Link(NamedTuple):
    margin: float
    first: int
    second: int


def mutual_clusters(unit: Tensor, cameras: Tensor, share: float) -> Tensor:
    """Clusters (N,) of (N, D) unit vectors with at most one item of each of ``cameras`` (N,)."""
    links = sorted(_mutual_links(unit, cameras), key=lambda link: -link.margin)
    clusters = {item: [item] for item in range(len(unit))}
    for link in links[: math.ceil(share * len(links))]:
        joined = clusters[link.first] + clusters[link.second]
        if len(set(cameras[joined].tolist())) == len(joined):
            clusters.update(dict.fromkeys(joined, joined))
    lone = [len(clusters[item]) == 1 for item in range(len(unit))]
    found = [_LEFT_OUT if lone[item] else min(clusters[item]) for item in range(len(unit))]
    return _numbered(np.array(found, dtype=np.int64))


def _mutual_links(unit: Tensor, cameras: Tensor) -> Iterator[_Link]:
    for one, other in combinations(sorted(set(cameras.tolist())), 2):
        rows, columns = ((cameras == camera).nonzero()[:, 0] for camera in (one, other))
        cosines = unit[rows] @ unit[columns].T
        there, back = cosines.argmax(1), cosines.argmax(0)
        mutual = (back[there] == torch.arange(len(rows))).nonzero()[:, 0]
        margins = torch.minimum(_margins(cosines)[mutual], _margins(cosines.T)[there[mutual]])
        pairs = (rows[mutual].tolist(), columns[there[mutual]].tolist())
        yield from map(_Link, margins.tolist(), *pairs)


def _margins(cosines: Tensor) -> Tensor:
    """By how much the largest of each row exceeds the second; −1 where there is no second."""
    nothing = torch.full((len(cosines), 1), -1.0, dtype=cosines.dtype)
    largest = torch.cat([cosines, nothing], 1).topk(2, 1).values
    return largest[:, 0] - largest[:, 1]


def _several(cameras: Tensor | None) -> Tensor:
    found = 0 if cameras is None else len(set(cameras.tolist()))
    if cameras is None or found < 2:
        raise ConfigurationError(
            "clusters of one picture a camera need pictures of at least two cameras, and the target "
            f"has {'one' if found else 'no cameras named'}; choose clusters by density"
        )
    return cameras


def _centred(unit: Tensor, cameras: Tensor) -> Tensor:
    """Unit vectors without each camera's mean; a camera with a single item keeps its own."""
    moved = unit.clone()
    for camera in sorted(set(cameras.tolist())):
        own = cameras == camera
        if int(own.sum()) > 1:
            moved[own] -= unit[own].mean(0)
    return unit_vectors(moved)


def _jaccard_graph(unit: Tensor, reciprocal: int, expansion: int, radius: float | None) -> _Graph:
    distances = jaccard_distances(unit, reciprocal, expansion)
    if radius is None:
        count = len(unit)
        known = sparse.triu(distances, 1).data
        # what is not stored is 1; two items that are the same say nothing of how far others are
        zeros = int((known == 0).sum())
        wanted = max(1, round(CLOSEST_PAIRS * (count * (count - 1) // 2 - zeros)))
        smallest = np.sort(known[known > 0])[:wanted]
        radius = (float(smallest.sum()) + wanted - len(smallest)) / wanted
    if radius >= 1:
        # every pair is within it, those that share nothing too
        return _Graph(sparse.csr_matrix(np.ones(distances.shape)) - distances, radius)
    return _Graph(distances, radius)


def _cosine_graph(unit: Tensor, radius: float | None) -> _Graph:
    count = len(unit)
    if radius is None:
        wanted = max(1, round(CLOSEST_PAIRS * (count * (count - 1) // 2)))
        smallest = np.empty(0)
        for start, cosines in cosine_blocks(unit):
            later = torch.arange(count) > torch.arange(start, start + len(cosines))[:, None]
            near = (1 - cosines[later]).clamp_min(0).numpy()
            smallest = np.sort(np.concatenate([smallest, near[near > 0]]))[:wanted]
        radius = float(smallest.mean()) if len(smallest) else 0.0
    blocks = []
    for start, cosines in cosine_blocks(unit):
        distances = (1 - cosines).clamp_min(0)
        own = torch.arange(len(cosines))
        distances[own, own + start] = 0
        row, column = (distances <= radius).nonzero().numpy().T
        shape = (len(cosines), count)
        blocks.append(sparse.csr_matrix((distances.numpy()[row, column], (row, column)), shape))
    return _Graph(sparse.vstack(blocks).tocsr(), radius)


def _density_clusters(graph: _Graph, neighbours: int) -> Tensor:
    from sklearn.cluster import DBSCAN  # it takes a second to import
    from sklearn.neighbors import sort_graph_by_row_values

    distances = sort_graph_by_row_values(graph.distances, warn_when_not_sorted=False)
    # DBSCAN wants more than 0, which all items that are the same are within
    eps = max(graph.radius, np.finfo(np.float64).tiny)
    machine = DBSCAN(eps=eps, min_samples=neighbours, metric="precomputed")
    return _numbered(machine.fit_predict(distances))


def _numbered(found: NDArray[np.int64]) -> Tensor:
    """The same clusters, 0 to C − 1 in the order of their first items."""
    numbers: dict[int, int] = {}
    for cluster in found.tolist():
        if cluster != _LEFT_OUT:
            numbers.setdefault(cluster, len(numbers))
    numbered = [numbers.get(cluster, _LEFT_OUT) for cluster in found.tolist()]
    return torch.tensor(numbered, dtype=torch.int64)
