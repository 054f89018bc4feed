"""Subspace alignment of feature tables."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin
from sklearn.decomposition import PCA

from acclimate.shallow.base import DomainTransformer, Matrix, adapters, check_components


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
        fitted = [
            PCA(self.n_components, random_state=self.random_state).fit(rows)
            for rows in (source, target)
        ]
        kept = self.n_components or max(_keeping(each.explained_variance_ratio_) for each in fitted)
        own, others = (each.components_[:kept].T for each in fitted)
        kept = min(own.shape[1], others.shape[1])
        own, others = own[:, :kept], others[:, :kept]
        self.source_mean_, self.target_mean_ = (each.mean_ for each in fitted)
        self.source_map_, self.target_map_ = own @ (own.T @ others), others
        self._n_features_out = kept

    def _map(self, rows: Matrix, is_source: bool) -> Matrix:
        if is_source:
            return (rows - self.source_mean_) @ self.source_map_
        return (rows - self.target_mean_) @ self.target_map_


def _keeping(ratios: NDArray[np.floating[Any]], share: float = 0.9) -> int:
    """The fewest leading components whose variances sum to ``share``; at least one."""
    return int(np.searchsorted(np.cumsum(ratios), share - 1e-9)) + 1
