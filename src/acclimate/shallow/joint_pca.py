"""Principal components of both domains together (JPCA)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin
from sklearn.decomposition import PCA

from acclimate.shallow.base import DomainTransformer, Matrix, adapters, check_components


@adapters.register("joint-pca")
class JointPCA(ClassNamePrefixFeaturesOutMixin, DomainTransformer):
    """One principal component analysis of source and target rows together.

    The baseline of Long et al., "Transfer Joint Matching for Unsupervised Domain Adaptation", CVPR
    2014: axes along which either domain varies, none of them made to match.

    Args:
        n_components: kept; ``None`` keeps as many as rows and features allow.
        random_state: of the randomised solver that large data get.

    Attributes:
        components_: (n_components, D), rows orthonormal.
        mean_: (D,) of all rows.

    >>> import numpy as np
    >>> X, X_target = np.eye(4)[:, :3], np.ones((4, 3))
    >>> JointPCA(n_components=2).fit(X, X_target=X_target).transform(X_target).shape
    (4, 2)
    """

    def __init__(self, n_components: int | None = None, *, random_state: Any = None) -> None:
        self.n_components = n_components
        self.random_state = random_state

    def _learn(self, source: Matrix, target: Matrix, labels: NDArray[Any] | None) -> None:
        if self.n_components is not None:
            check_components("joint-pca", self.n_components, source, target)
        fitted = PCA(self.n_components, random_state=self.random_state)
        fitted.fit(np.concatenate([source, target]))
        self.components_, self.mean_ = fitted.components_, fitted.mean_
        self._n_features_out = len(self.components_)

    def _map(self, rows: Matrix, is_source: bool) -> Matrix:
        return (rows - self.mean_) @ self.components_.T
