"""The optimal transport map between two Gaussians, for feature tables."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from sklearn.base import OneToOneFeatureMixin

from acclimate.core.errors import InputError
from acclimate.shallow.base import DomainTransformer, Floats, Matrix, adapters


@adapters.register("linear-optimal-transport")
class LinearOptimalTransport(OneToOneFeatureMixin, DomainTransformer):
    """Source rows moved by the least total squared distance that gives them the target's moments.

    Knott and Smith, "On the Optimal Mapping of Distributions", JOTA 1984; its estimate from samples
    in Flamary, Lounici and Ferrari, "Concentration bounds for linear Monge mapping estimation and
    optimal transport domain adaptation", 2019: source rows become mean_T + (x − mean_S) A with

        A = C_S^(−1/2) (C_S^(1/2) C_T C_S^(1/2))^(1/2) C_S^(−1/2),

    which is symmetric, and A C_S A = C_T; target rows stay. The covariances divide by the number
    of rows. Unlike the paper's, the ridge on both is relative, so that other units of all features
    change nothing but the units of the result.

    Args:
        regularisation: the ridge, as a share of the mean variance of a feature over both domains.
            Directions in which the source has no variance are stretched by at most the square root
            of the target's variance there over the ridge.

    Attributes:
        source_mean_, target_mean_: (D,).
        map_: A, (D, D).

    >>> import numpy as np
    >>> X = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    >>> transport = LinearOptimalTransport().fit(X, X_target=X * [2, 3] + 5)
    >>> transport.map_.round(3)
    array([[2., 0.],
           [0., 3.]])
    """

    def __init__(self, regularisation: float = 1e-6) -> None:
        self.regularisation = regularisation

    def _learn(self, source: Matrix, target: Matrix, labels: NDArray[Any] | None) -> None:
        if not 0 <= self.regularisation < np.inf:
            raise InputError(
                f"linear-optimal-transport: regularisation is {self.regularisation}; give 0 or more"
            )
        # in float64: the map divides by the smallest standard deviation
        own, others = (
            np.atleast_2d(np.cov(rows, rowvar=False, bias=True, dtype=np.float64))
            for rows in (source, target)
        )
        ridge = self.regularisation * (np.trace(own) + np.trace(others)) / (2 * len(own))
        diagonal = np.diag_indices_from(own)
        own[diagonal] += ridge
        others[diagonal] += ridge
        self.map_ = _gaussian_map(own, others).astype(source.dtype)
        self.source_mean_, self.target_mean_ = source.mean(axis=0), target.mean(axis=0)

    def _map(self, rows: Matrix, is_source: bool) -> Matrix:
        if not is_source:
            return rows.copy()
        return self.target_mean_ + (rows - self.source_mean_) @ self.map_


def _gaussian_map(source: Floats, target: Floats) -> Floats:
    """A (D, D) of covariances (D, D) of both sides; ``InputError`` for a singular source."""
    variances, axes = linalg.eigh(source)
    if variances[0] <= len(source) * np.finfo(np.float64).eps * variances[-1]:
        raise InputError(
            "linear-optimal-transport: some direction has no variance in the source, which no linear "
            "map can give the target's; raise regularisation"
            + ("" if variances[-1] > 0 else ", and give rows that differ")
        )
    deviations = np.sqrt(variances)
    # in the source's axes C_S is diagonal, so its roots only scale rows and columns
    inner = deviations[:, None] * (axes.T @ target @ axes) * deviations
    values, vectors = linalg.eigh(inner)
    # what rounding leaves below 0 where the target does not vary
    half = axes @ (vectors * values.clip(min=0) ** 0.25 / deviations[:, None])
    found: Floats = half @ half.T
    return found
