"""Labels of the source spread to the target over a graph of neighbours."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.base import ClassifierMixin
from sklearn.neighbors import NearestNeighbors, kneighbors_graph
from sklearn.semi_supervised import LabelSpreading
from sklearn.utils.validation import check_is_fitted, validate_data

from acclimate.shallow.base import DomainEstimator, Floats, Matrix, adapters, stacked, take_apart
from acclimate.shallow.labels import encoded

CHECKS: dict[str, Any] = {"dtype": [np.float64, np.float32], "accept_sparse": "csr"}


@adapters.register("label-propagation")
class LabelPropagationClassifier(ClassifierMixin, DomainEstimator):
    """Rows of either domain take over their neighbours' labels until nothing changes.

    Zhou et al., "Learning with Local and Global Consistency", NIPS 2003 (2004): F ← α S F +
    (1 − α) Y, with S = D^(−½) W D^(−½) and Y the source's labels, by scikit-learn's
    ``LabelSpreading``. Deviations: W is 1 between a row and its nearest neighbours, in either
    direction, and 0 elsewhere, where the paper has a Gaussian of the distance; and a row that no
    label reaches, its part of the graph having no source row, takes the shares of the nearest row that
    one reaches.

    Args:
        n_neighbors: of each row; all the others where there are fewer.
        alpha: in (0, 1), how much a row heeds its neighbours, and not its own label. 0.99 is the
            paper's.
        max_iter: of the spreading, with a ``ConvergenceWarning`` where it has not come to rest.
        tol: the spreading is at rest where all shares together change by less.

    Attributes:
        classes_: (K,).
        transduction_: (T,) labels of the target's rows; the source's own where there is one domain.
        label_distributions_: (N, K) shares of the classes, rows of the source first; each sums to 1.
        n_iter_: rounds of spreading.

    >>> import numpy as np
    >>> X, X_target = np.array([[0.0], [9.0]]), np.array([[1.0], [2.0], [8.0], [7.0]])
    >>> fitted = LabelPropagationClassifier(2).fit(X, ["low", "high"], X_target=X_target)
    >>> fitted.transduction_
    array(['low', 'low', 'high', 'high'], dtype='<U4')
    >>> fitted.predict([[0.5], [8.5]])
    array(['low', 'high'], dtype='<U4')
    """

    _checks: ClassVar[dict[str, Any]] = CHECKS

    def __init__(
        self,
        n_neighbors: int = 7,
        *,
        alpha: float = 0.99,
        max_iter: int = 3000,
        tol: float = 1e-3,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.alpha = alpha
        self.max_iter = max_iter
        self.tol = tol

    def fit(
        self,
        X: Matrix,
        y: ArrayLike,
        X_target: Matrix | None = None,
        sample_domain: ArrayLike | None = None,
    ) -> Self:
        """Spread labels ``y`` of source ``X`` (S, D) to ``X_target`` (T, D), or both in ``X``."""
        source, labels, target, _ = take_apart(self, X, y, X_target, sample_domain, **CHECKS)
        self.classes_, codes = encoded(self, labels)
        rows, unlabelled = source, slice(None)
        if target is not source:
            rows, unlabelled = stacked(source, target), slice(len(codes), None)
            codes = np.concatenate([codes, np.full(target.shape[0], -1)])
        neighbours = min(self.n_neighbors, rows.shape[0] - 1)
        spreading = LabelSpreading(
            lambda rows, _: _graph(rows, neighbours),
            alpha=self.alpha,
            max_iter=self.max_iter,
            tol=self.tol,
        ).fit(rows, codes)
        self.n_iter_ = spreading.n_iter_
        self.label_distributions_ = _reaching_all(rows, spreading.label_distributions_)
        self.transduction_ = self._labels(self.label_distributions_[unlabelled])
        self.neighbours_ = NearestNeighbors(n_neighbors=neighbours).fit(rows)
        return self

    def predict(self, X: Matrix) -> NDArray[Any]:
        """(N, D) → (N,) labels of rows of the target, new ones too."""
        return self._labels(self.predict_proba(X))

    def predict_proba(self, X: Matrix) -> Floats:
        """(N, D) → (N, K): the mean shares of a row's nearest neighbours among those of ``fit``."""
        check_is_fitted(self)
        rows = validate_data(self, X, **CHECKS, reset=False)
        nearest = self.neighbours_.kneighbors(rows, return_distance=False)
        shares: Floats = self.label_distributions_[nearest].mean(1)
        return shares

    def _labels(self, shares: Floats) -> NDArray[Any]:
        labels: NDArray[Any] = self.classes_[shares.argmax(1)]
        return labels


def _graph(rows: Matrix, neighbours: int) -> sparse.csr_matrix:
    """(N, N) of 0 and 1, symmetric: who is among whose nearest."""
    nearest = kneighbors_graph(rows, neighbours, mode="connectivity", include_self=False)
    return nearest.maximum(nearest.T)


def _reaching_all(rows: Matrix, shares: Floats) -> Floats:
    """``shares`` (N, K) with those of the nearest row that has some where a row has none."""
    reached = shares.any(1)
    if reached.all():
        return shares
    nearest = NearestNeighbors(n_neighbors=1).fit(rows[reached]).kneighbors(rows[~reached])[1][:, 0]
    filled = shares.copy()
    filled[~reached] = shares[reached][nearest]
    return filled
