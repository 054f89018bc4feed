"""Importance weights from who is whose nearest neighbour."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.neighbors import NearestNeighbors

from acclimate.core.errors import InputError
from acclimate.shallow.base import Floats, Matrix, adapters
from acclimate.shallow.weighting import DomainWeighting


@adapters.register("nearest-neighbour-weights")
class NearestNeighbourWeights(DomainWeighting):
    """How many rows of the target have this row of the source for their nearest, plus 1.

    Loog, "Nearest neighbor-based importance weighting", MLSP 2012: the share of the target in
    the Voronoi cell of each row of the source, with Laplace's smoothing.

    Args:
        smoothing: what is added to every count, 0 or more; 0 leaves rows that are nobody's nearest
            without weight.

    Attributes:
        weights_: (S,) float64 ≥ 0 of mean 1.

    >>> import numpy as np
    >>> X, X_target = np.array([[0.0], [1.0], [2.0]]), np.array([[2.0], [3.0], [1.1]])
    >>> NearestNeighbourWeights().fit(X, X_target=X_target).weights_
    array([0.5, 1. , 1.5])
    """

    _checks: ClassVar[dict[str, Any]] = {"accept_sparse": "csr"}

    def __init__(self, smoothing: float = 1.0) -> None:
        self.smoothing = smoothing

    def _weigh(self, source: Matrix, target: Matrix) -> Floats:
        if self.smoothing < 0:
            raise InputError(
                f"nearest-neighbour-weights: smoothing is {self.smoothing}; give 0 or more"
            )
        nearest = (
            NearestNeighbors(n_neighbors=1).fit(source).kneighbors(target, return_distance=False)
        )
        weights: Floats = np.bincount(nearest[:, 0], minlength=source.shape[0]) + self.smoothing
        return weights
