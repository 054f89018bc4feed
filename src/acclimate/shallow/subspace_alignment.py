"""Subspace alignment of feature tables."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from sklearn.base import ClassNamePrefixFeaturesOutMixin
from sklearn.decomposition import PCA

from acclimate.shallow.base import DomainTransformer, Floats, Matrix, adapters, check_components

_MOST_ROWS = 4_000  # whose inner products take less time and memory than the rows' own axes


@adapters.register("subspace-alignment")
class SubspaceAlignment(ClassNamePrefixFeaturesOutMixin, DomainTransformer):
    """The source's principal axes turned onto the target's.

    Fernando et al., "Unsupervised Visual Domain Adaptation Using Subspace Alignment", ICCV 2013,
    equations 1 to 3: with orthonormal bases P_S and P_T (D, d), source rows become
    (x − mean_S) P_S P_Sᵀ P_T and target rows (x − mean_T) P_T.

    Args:
        n_components: d; ``None`` takes the fewest that keep 90 % of the variance of either domain.
        random_state: of the randomised solver that large data get.

    Attributes:
        source_map_, target_map_: (D, d).
        source_mean_, target_mean_: (D,).

    >>> import numpy as np
    >>> X = np.array([[1.0, 0.0], [-1.0, 0.0], [2.0, 0.1], [-2.0, -0.1]])
    >>> aligned = SubspaceAlignment(n_components=1).fit(X, X_target=X[:, ::-1])
    >>> np.allclose(abs(aligned.transform(X[:, ::-1])[:, 0]).round(1), [1, 1, 2, 2])
    True
    """

    def __init__(self, n_components: int | None = None, *, random_state: Any = None) -> None:
        self.n_components = n_components
        self.random_state = random_state

    def _learn(self, source: Matrix, target: Matrix, labels: NDArray[Any] | None) -> None:
        if self.n_components is not None:
            check_components("subspace-alignment", self.n_components, source, target)
        fitted = [self._axes(rows) for rows in (source, target)]
        kept = self.n_components or max(_keeping(each.shares) for each in fitted)
        own, others = (each.axes[:, :kept] for each in fitted)
        kept = min(own.shape[1], others.shape[1])
        own, others = own[:, :kept], others[:, :kept]
        self.source_mean_, self.target_mean_ = (each.mean for each in fitted)
        self.source_map_, self.target_map_ = own @ (own.T @ others), others
        self._n_features_out = kept

    def _axes(self, rows: Floats) -> _Axes:
        few = _of_few(rows, self.n_components) if self.n_components else None
        if few is not None:
            return few
        fitted = PCA(self.n_components, random_state=self.random_state).fit(rows)
        return _Axes(fitted.mean_, fitted.components_.T, fitted.explained_variance_ratio_)

    def _map(self, rows: Matrix, is_source: bool) -> Matrix:
        if is_source:
            return (rows - self.source_mean_) @ self.source_map_
        return (rows - self.target_mean_) @ self.target_map_


class _Axes(NamedTuple):
    """``mean`` (D,), principal ``axes`` (D, d), largest variance first, and its ``shares`` (d,)."""

    mean: Floats
    axes: Floats
    shares: Floats


def _of_few(rows: Floats, wanted: int) -> _Axes | None:
    """Exact, by inner products of rows (N, D), N ≤ D; ``None`` where those are too many or dependent.

    The randomised solver of so few leading axes multiplies with all rows fifteen times.
    """
    count = len(rows)
    if not 2 * wanted < count <= min(_MOST_ROWS, rows.shape[1]):
        return None
    mean = rows.mean(0)
    centred = rows - mean
    inner = (centred @ centred.T).astype(np.float64)
    whole = np.trace(inner)
    values, vectors = eigh(inner, subset_by_index=[count - wanted, count - 1], overwrite_a=True)
    if values[0] <= np.finfo(rows.dtype).eps * count * values[-1]:
        return None
    axes = centred.T @ (vectors / np.sqrt(values)).astype(rows.dtype)[:, ::-1]
    return _Axes(mean, axes, values[::-1] / whole)


def _keeping(ratios: NDArray[np.floating[Any]], share: float = 0.9) -> int:
    """The fewest leading components whose variances sum to ``share``; at least one."""
    return int(np.searchsorted(np.cumsum(ratios), share - 1e-9)) + 1
