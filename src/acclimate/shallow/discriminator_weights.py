"""Importance weights from a classifier that tells the domains apart."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from acclimate.core.errors import InputError
from acclimate.shallow.base import Floats, Matrix, adapters
from acclimate.shallow.weighting import RatioWeighting


@adapters.register("discriminator-weights")
class DiscriminatorWeights(RatioWeighting):
    """The odds of the target by a classifier of domains, times S / T.

    Bickel, Brückner and Scheffer, "Discriminative learning for differing training and test
    distributions", ICML 2007: by Bayes' rule the odds are the density ratio, times T / S.
    Deviations: a source row's odds are from classifiers that were fitted without it, as
    a flexible classifier knows its training rows' domains; and a probability is kept 1 / (N + 2)
    away from 0 and from 1, with N rows in all, the most that N rows can tell (Laplace's rule).

    Args:
        estimator: a classifier with ``predict_proba``, without class weights; ``None`` is logistic
            regression of standardised features.
        cv: folds.
        random_state: of the folds.

    Attributes:
        weights_: (S,) float64 > 0 of mean 1.
        mean_ratio_: mean of the source's odds before they were scaled to mean 1. That of true density
            ratios is 1; far below it hardly any source row is like the target, and weights are noise.
        estimator_: fitted to all rows, 0 the source and 1 the target.

    >>> import numpy as np
    >>> X, X_target = np.array([[0.0], [1.0]] * 5), np.array([[1.0], [2.0]] * 5)
    >>> DiscriminatorWeights(random_state=0).fit(X, X_target=X_target).weights_[:2].round(1)
    array([0.2, 1.9])
    """

    _checks: ClassVar[dict[str, Any]] = {"accept_sparse": "csr"}

    def __init__(
        self, estimator: BaseEstimator | None = None, *, cv: int = 5, random_state: Any = 0
    ) -> None:
        self.estimator = estimator
        self.cv = cv
        self.random_state = random_state

    def _weigh(self, source: Matrix, target: Matrix) -> Floats:
        counts = source.shape[0], target.shape[0]
        if self.cv < 2:
            raise InputError(f"discriminator-weights: cv is {self.cv}; give 2 folds or more")
        is_sparse = sparse.issparse(source)
        stacked = sparse.vstack if is_sparse else np.concatenate
        rows, domain = stacked([source, target]), np.repeat([0, 1], counts)
        classifier = self._classifier(is_sparse)
        folds = StratifiedKFold(min(self.cv, *counts), shuffle=True, random_state=self.random_state)
        probabilities = cross_val_predict(
            classifier, rows, domain, cv=folds, method="predict_proba"
        )
        self.estimator_ = clone(classifier).fit(rows, domain)
        self._counts = counts
        ratios = self._odds(probabilities[: counts[0]])
        self.mean_ratio_ = float(ratios.mean())
        return ratios

    def _classifier(self, is_sparse: bool) -> BaseEstimator:
        if self.estimator is None:
            # centring would make a sparse matrix dense
            scaler = StandardScaler(with_mean=not is_sparse)
            return make_pipeline(scaler, LogisticRegression(max_iter=1000))
        if not hasattr(self.estimator, "predict_proba"):
            raise InputError(
                f"discriminator-weights: {type(self.estimator).__name__} has no predict_proba, "
                "which tells source from target; give an estimator that has"
            )
        return self.estimator

    def _odds(self, probabilities: Floats) -> Floats:
        """(N, 2) probabilities of source and target → (N,) density ratios."""
        least = 1 / (sum(self._counts) + 2)
        of_target = probabilities[:, 1].astype(np.float64).clip(least, 1 - least)
        ratio: Floats = of_target / (1 - of_target) * self._counts[0] / self._counts[1]
        return ratio

    def _ratio(self, rows: Matrix) -> Floats:
        return self._odds(self.estimator_.predict_proba(rows))
