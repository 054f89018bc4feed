"""What every importance weighting shares: weights of the source's rows by how likely the target has such."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from sklearn.utils.validation import check_is_fitted, validate_data

from acclimate.core.errors import InputError
from acclimate.shallow.base import DomainEstimator, Floats, Matrix, take_apart


class DomainWeighting(DomainEstimator):
    """Weights of source rows, so that their weighted mean stands for the target's.

    The weight of a row x estimates p_target(x) / p_source(x), Shimodaira, "Improving predictive
    inference under covariate shift by weighting the log-likelihood function", 2000; all are scaled
    to mean 1. Given one domain only, both densities are the same and every weight is 1.

    A subclass writes ``_weigh`` and, where it takes them, names CSR matrices in ``_checks``.

    Attributes:
        weights_: (S,) float64 ≥ 0 of mean 1, of the source's rows in the order given.
    """

    def fit(
        self,
        X: Matrix,
        y: ArrayLike | None = None,
        X_target: Matrix | None = None,
        sample_domain: ArrayLike | None = None,
    ) -> Self:
        """Weigh source ``X`` (S, D) by ``X_target`` (T, D), or both in ``X``; returns itself.

        ``y`` is not used. Raises ``InputError`` where the two do not fit together, or are so far
        apart that every weight is 0.
        """
        source, _, target, _ = take_apart(self, X, y, X_target, sample_domain, **self._checks)
        if sparse.issparse(source) != sparse.issparse(target):
            kinds = ["sparse" if sparse.issparse(each) else "dense" for each in (source, target)]
            raise InputError(f"the source is {kinds[0]} and X_target {kinds[1]}: give both alike")
        weights = self._weigh(source, target)
        if target is source:
            weights = np.ones(source.shape[0])
        if not weights.any():
            raise InputError(
                f"{type(self).__name__}: every weight is 0, as none of the {len(weights)} rows of the "
                f"source is near any of the {target.shape[0]} of the target; rescale the features"
            )
        self.weights_: Floats = weights / weights.mean()
        return self

    def _weigh(self, source: Matrix, target: Matrix) -> Floats:
        """(S, D) and (T, D) validated rows → (S,) ≥ 0, to any scale."""
        raise NotImplementedError


class RatioWeighting(DomainWeighting):
    """A weighting by a model of the density ratio, which tells it for any row; see ``_ratio``."""

    def score_samples(self, X: Matrix) -> Floats:
        """(N, D) → (N,) float64 ≥ 0: the estimated p_target(x) / p_source(x) of each row."""
        check_is_fitted(self)
        checks = {"dtype": [np.float64, np.float32], **self._checks, "reset": False}
        return self._ratio(validate_data(self, X, **checks))

    def _ratio(self, rows: Matrix) -> Floats:
        """(N, D) validated rows → (N,) by what ``_weigh`` has fitted."""
        raise NotImplementedError
