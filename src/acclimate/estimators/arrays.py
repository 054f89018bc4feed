"""From the arrays that scikit-learn's users pass to the engine's domains.

Rows are put into an order that follows from their content, and equal ones into one row of larger
weight. So a model does not depend on the order of the rows, and a weight of 2 is a row given twice.
"""

from __future__ import annotations

from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

from acclimate.core.errors import InputError
from acclimate.data.domain import Domain, InMemory, ResidentStore, SparseStore
from acclimate.data.tables import inputs_of

Rows = Any
"""(N, D) numpy or CSR, or pictures (N, height, width, channels)."""


def make_domain(
    name: str,
    rows: Rows,
    labels: NDArray[np.int64] | None,
    class_names: tuple[str, ...],
    weights: NDArray[np.float64] | None = None,
    places: NDArray[np.int64] | None = None,
) -> Domain:
    """The engine's domain of ``rows``; ``places`` (N,) says which of several sources each is of."""
    weights = np.ones(rows.shape[0]) if weights is None else weights
    order, weights = _in_order(rows, labels, weights, places)
    even = bool((weights == weights[0]).all())
    if places is not None and not even:
        raise InputError(
            "sample_weight and repeated rows cannot be used with several sources, of which each "
            "batch has as many; drop one of them"
        )
    return Domain(
        name,
        _store(rows[order]),
        None if labels is None else torch.from_numpy(labels[order]),
        class_names,
        weights=None if even else torch.from_numpy(weights),
        places=None if places is None else torch.from_numpy(places[order]),
        place_names=() if places is None else tuple(f"source {n}" for n in np.unique(places)),
    )


def dimensions(X: Any) -> tuple[int, ...]:
    """The shape of an array, table or nested list; of anything else, which may become one, ()."""
    if isinstance(X, (list, tuple)):
        try:
            return np.shape(X)
        except ValueError:  # rows of unequal length; scikit-learn says so
            return ()
    return tuple(getattr(X, "shape", ()))


def pictures(X: Any, name: str) -> NDArray[np.uint8]:
    """(N, H, W, C) or (N, C, H, W), uint8 or float in [0, 1] → uint8 (N, H, W, C)."""
    found: NDArray[np.uint8] = inputs_of(Path(name), {"x": np.asarray(X)})
    return found


def _store(rows: Rows) -> InMemory:
    if sparse.issparse(rows):
        return SparseStore(sparse.csr_matrix(rows, dtype=np.float32))
    kind = np.uint8 if rows.ndim == 4 else np.float32
    return ResidentStore(torch.from_numpy(np.ascontiguousarray(rows, dtype=kind)))


def _in_order(
    rows: Rows,
    labels: NDArray[np.int64] | None,
    weights: NDArray[np.float64],
    places: NDArray[np.int64] | None,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Indices of the rows to keep, in order, and the weight of each: those of equal rows added up."""
    notes = [
        np.zeros(len(weights), np.int64) if each is None else each for each in (labels, places)
    ]
    digests = _digests(rows, np.stack(notes, axis=1))
    kept = np.flatnonzero(weights > 0)
    _, first, group = np.unique(digests[kept], return_index=True, return_inverse=True)
    added = np.bincount(group.ravel(), weights[kept]).astype(np.float64)
    return kept[first].astype(np.int64), added


def _digests(rows: Rows, notes: NDArray[np.int64]) -> NDArray[np.bytes_]:
    """16 bytes for each row that tell it, its label and its source from every other."""
    if rows.ndim == 4:
        parts = [np.ascontiguousarray(row).tobytes() for row in rows]
    else:
        # what is not 0, in the precision that is trained in: alike for a table and its sparse form
        thin = sparse.csr_matrix(rows, dtype=np.float32, copy=True)
        thin.sum_duplicates()
        thin.eliminate_zeros()
        parts = [
            thin.indices[a:b].tobytes() + thin.data[a:b].tobytes() for a, b in pairwise(thin.indptr)
        ]
    found = [
        blake2b(part + note.tobytes(), digest_size=16).digest()
        for part, note in zip(parts, notes, strict=True)
    ]
    # numpy's byte strings end at the first 0 byte from behind: hexadecimal has none
    return np.array([each.hex() for each in found], dtype="S32")
