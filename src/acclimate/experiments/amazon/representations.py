"""Documents as counts, as weighted words, and through denoising autoencoders; each pair's once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import cholesky, eigh, solve_triangular
from sklearn.feature_extraction.text import TfidfTransformer

from acclimate.core.files import replace_atomically
from acclimate.data import datasets
from acclimate.data.domain import Domain, SparseStore
from acclimate.shallow.msda import MSDA

#: length of a weighted document, about that of one of counts: where tanh begins to bend
LENGTH = 10.0
#: principal directions of denoised counts: a network on all 4,000 takes four times as long
LEADING = 1000
#: of mSDA: 5,000 words and five hidden layers of 5,000
DENOISED_FEATURES = 30_000
_BLOCK = 1024


class Part(NamedTuple):
    """``rows`` (N, D), CSR or dense, and ``labels`` (N,) in {−1, 1}."""

    rows: Any
    labels: Any


class Task(NamedTuple):
    """What a row of the table learns from, and ``test``, which it is measured on at the end.

    The labels of ``target`` are for the oracle row alone.
    """

    source: Part
    target: Part
    test: Part


def load(domain: str, split: str) -> Part:
    """Reviews of ``domain``: rows are counts of 5,000 words and pairs of words."""
    found: Domain = datasets.get(f"amazon-{domain}").load(None, split)
    assert isinstance(found.store, SparseStore)
    assert found.labels is not None
    rows = sparse.csr_matrix(found.store.matrix, dtype=np.float32)
    # some solvers take 32 bit indices only
    rows.indices, rows.indptr = rows.indices.astype(np.int32), rows.indptr.astype(np.int32)
    return Part(rows, 2 * found.labels.numpy() - 1)


@dataclass(frozen=True)
class Representations:
    """All that the rows need; what costs is made once for a pair of domains and kept in ``folder``."""

    folder: Path

    def counts(self, source: str, target: str) -> Task:
        return Task(load(source, "train"), load(target, "train"), load(target, "test"))

    def weighted(self, source: str, target: str) -> Task:
        """tf-idf with sublinear counts, frequencies from both training sets."""
        task = self.counts(source, target)
        weigh = TfidfTransformer(sublinear_tf=True)
        weigh.fit(sparse.vstack([task.source.rows, task.target.rows]))
        return Task(*(Part(_weighted(weigh, part.rows), part.labels) for part in task))

    def denoised(self, source: str, target: str, weighted: bool) -> Task:
        """mSDA of counts, or of weighted words, in coordinates that keep every inner product.

        The 30,000 features of a pair's documents span 4,000 dimensions at most, one for each
        document that was learnt from. Rows are their coordinates in an orthonormal basis of that span,
        centred: whatever works by inner products is the same there and takes an eighth of the time.
        Of counts, whose rows are for networks, only the ``LEADING`` principal ones are kept.
        """
        first, second = sorted((source, target))
        path = self.folder / f"{first}-{second}-{'words' if weighted else 'counts'}.npz"
        if not path.exists():
            self._denoise(path, first, second, weighted)
        with np.load(path, allow_pickle=False) as kept:
            rows = {name: kept[name] for name in ("train", f"test_{target}")}
        halves = dict(zip((first, second), np.split(rows["train"], 2), strict=True))
        counts = self.counts(source, target)
        return Task(
            Part(halves[source], counts.source.labels),
            Part(halves[target], counts.target.labels),
            Part(rows[f"test_{target}"], counts.test.labels),
        )

    def _denoise(self, path: Path, first: str, second: str, weighted: bool) -> None:
        there = (self.weighted if weighted else self.counts)(first, second)
        back = (self.weighted if weighted else self.counts)(second, first)
        msda = MSDA()
        train = msda.fit_transform(sparse.vstack([there.source.rows, there.target.rows]))
        mean = train.mean(0)
        train -= mean
        basis = _basis(train, None if weighted else LEADING)
        tests = {}
        for domain, part in ((second, there.test), (first, back.test)):
            blocks = []
            for start in range(0, part.rows.shape[0], _BLOCK):
                blocks.append(basis.of(msda.transform(part.rows[start : start + _BLOCK]) - mean))
            tests[f"test_{domain}"] = np.concatenate(blocks)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replace_atomically(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, train=basis.train, **tests)  # type: ignore[arg-type]


class _Basis(NamedTuple):
    """``train`` (N, C): coordinates of the rows that span it; ``of``: (M, D) centred rows → (M, C)."""

    train: NDArray[np.float32]
    of: Callable[[NDArray[Any]], NDArray[Any]]


def _basis(rows: NDArray[np.float32], leading: int | None) -> _Basis:
    """All directions of ``rows`` (N, D) by Cholesky, or the ``leading`` principal ones by eigenvectors."""
    gram = (rows @ rows.T).astype(np.float64)
    count = len(gram)
    if leading is None or leading >= count:
        # centred rows are dependent, and float32 leaves its noise in the last directions
        gram[np.diag_indices(count)] += 1e-4 * np.trace(gram) / count
        factor = cholesky(gram, lower=True, overwrite_a=True).astype(np.float32)
        return _Basis(factor, lambda more: solve_triangular(factor, rows @ more.T, lower=True).T)
    values, vectors = eigh(gram, subset_by_index=[count - leading, count - 1], overwrite_a=True)
    root = np.sqrt(np.maximum(values, values[-1] * 1e-9))
    directions = rows.T @ (vectors / root).astype(np.float32)
    return _Basis((vectors * root).astype(np.float32), lambda more: more @ directions)


def _weighted(weigh: TfidfTransformer, rows: Any) -> Any:
    return sparse.csr_matrix(weigh.transform(rows) * LENGTH, dtype=np.float32)
