"""Correlation alignment (CORAL) of feature tables."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from sklearn.base import OneToOneFeatureMixin

from acclimate.core.errors import InputError
from acclimate.shallow.base import DomainTransformer, Floats, Matrix, adapters


class SymmetricPower(NamedTuple):
    """(C + λI)^p of a covariance C (D, D), kept as rest · I + axes · diag(changes) · axesᵀ.

    ``axes`` (D, r) orthonormal, r at most rows or features; ``changes`` (r,). So no D×D matrix is
    needed where rows are few.
    """

    axes: Floats
    changes: Floats
    rest: float

    def __call__(self, rows: Floats) -> Floats:
        """(N, D) → (N, D)."""
        return self.rest * rows + ((rows @ self.axes) * self.changes) @ self.axes.T


@adapters.register("coral")
class CORAL(OneToOneFeatureMixin, DomainTransformer):
    """Source rows whitened by their own covariance and coloured with the target's.

    Sun, Feng and Saenko, "Return of Frustratingly Easy Domain Adaptation", AAAI 2016, Algorithm 1:
    with A = (C_S + λI)^(−1/2) (C_T + λI)^(1/2), source rows become mean_T + (x − mean_S) A; target
    rows stay. The paper standardises each domain first, so its algorithm has no means; there the two
    agree, and on other features the means are matched too.

    Both powers come from the eigenvectors of a domain's covariance, and where it has fewer rows than
    features from those of its Gram matrix, (S, S) or (T, T): no D×D matrix is formed then.

    Args:
        regularisation: λ, added to every variance; 1 in the paper. 0 needs more rows than features.

    Attributes:
        source_mean_, target_mean_: (D,).
        whitening_: (C_S + λI)^(−1/2), a function of centred rows.
        colouring_: (C_T + λI)^(1/2), likewise.

    >>> import numpy as np
    >>> X = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    >>> coral = CORAL(regularisation=0).fit(X, X_target=X * [2, 3] + 5)
    >>> coral.transform(X, sample_domain=[0, 0, 0, 0]).round(3)
    array([[7., 5.],
           [3., 5.],
           [5., 8.],
           [5., 2.]])
    """

    def __init__(self, regularisation: float = 1.0) -> None:
        self.regularisation = regularisation

    def _learn(self, source: Matrix, target: Matrix, labels: NDArray[Any] | None) -> None:
        if not 0 <= self.regularisation < np.inf:
            raise InputError(f"coral: regularisation is {self.regularisation}; give 0 or more")
        self.source_mean_, self.target_mean_ = source.mean(axis=0), target.mean(axis=0)
        self.whitening_ = _power(source, self.regularisation, -0.5)
        self.colouring_ = _power(target, self.regularisation, 0.5)

    def _map(self, rows: Matrix, is_source: bool) -> Matrix:
        if not is_source:
            return rows.copy()
        return self.target_mean_ + self.colouring_(self.whitening_(rows - self.source_mean_))


def _power(rows: Floats, regularisation: float, exponent: float) -> SymmetricPower:
    """(C + λI)^exponent of the covariance of ``rows`` (N, D), in their type."""
    variances, axes = _principal_axes(rows)
    rest = 0.0
    if len(variances) < rows.shape[1]:
        if regularisation == 0 and exponent < 0:
            raise InputError(
                f"coral: the {len(rows)} rows of the source vary along {len(variances)} directions "
                f"of {rows.shape[1]}, and none of the target's variance can be given to the others; "
                "give a regularisation above 0"
            )
        rest = float(regularisation) ** exponent
    changes = (variances + regularisation) ** exponent - rest
    return SymmetricPower(axes, changes.astype(rows.dtype), rest)


def _principal_axes(rows: Floats) -> tuple[Floats, Floats]:
    """Variances (r,) float64 above rounding and their axes (D, r) in the type of ``rows`` (N, D)."""
    # moments in float64, since λ may be small beside the largest
    centred = rows - rows.mean(axis=0, dtype=np.float64)
    count, features = centred.shape
    few = count <= features
    moments = centred @ centred.T if few else centred.T @ centred
    values, vectors = linalg.eigh(moments / (count - 1), driver="evd", overwrite_a=True)
    kept = values > max(count, features) * np.finfo(np.float64).eps * values[-1]
    values, vectors = values[kept], vectors[:, kept]
    if few:
        scaled = vectors / np.sqrt(values * (count - 1))
        return values, centred.astype(rows.dtype).T @ scaled.astype(rows.dtype)
    return values, vectors.astype(rows.dtype)
