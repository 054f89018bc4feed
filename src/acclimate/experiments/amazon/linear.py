"""Linear machines of the table: by the dual where rows are dense, and how far two domains lie apart."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.svm import SVC

#: prices of the paper's support vector machines, and of those that tell domains apart
PRICES = tuple(float(price) for price in np.logspace(-5, 0, 10))
_DOMAIN_PRICES = tuple(10.0**power for power in range(-5, 5))
_STEPS = 20_000
#: of logistic regression, by cross-validation on the source
_STRENGTHS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)


class LinearMachine(ClassifierMixin, BaseEstimator):
    """A linear support vector machine for two classes, by libsvm on inner products.

    A few thousand rows of many features: the (N, N) matrix comes from one product, which is
    most of the time.
    """

    def __init__(self, C: float = 1.0, max_iter: int = -1) -> None:
        self.C = C
        self.max_iter = max_iter

    def fit(self, X: Any, y: Any) -> Self:
        """(N, D) rows, CSR or dense, and (N,) labels of two classes."""
        gram = X @ X.T
        gram = gram.toarray() if sparse.issparse(gram) else gram
        machine = SVC(C=self.C, kernel="precomputed", max_iter=self.max_iter)
        machine.fit(gram.astype(np.float64), y)
        self.classes_ = machine.classes_
        self.coef_ = np.asarray(X[machine.support_].T @ machine.dual_coef_[0])
        self.intercept_ = float(machine.intercept_[0])
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """(N,) labels."""
        labels: NDArray[Any] = self.classes_[(X @ self.coef_ + self.intercept_ > 0).astype(int)]
        return labels


def logistic_regression(rows: Any, labels: Any, seed: int) -> tuple[LogisticRegression, float]:
    """Fitted with the strength that five folds of these rows prefer, and that strength."""
    from sklearn.model_selection import StratifiedKFold

    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    # of dense rows the one takes a tenth of the other's time, of sparse ones the other is ahead
    solver = "liblinear" if sparse.issparse(rows) else "lbfgs"

    def quality(strength: float) -> float:
        machine = LogisticRegression(C=strength, solver=solver)
        return float(cross_val_score(machine, rows, labels, cv=folds).mean())

    best = max(_STRENGTHS, key=quality)
    return LogisticRegression(C=best, solver=solver).fit(rows, labels), best


def distance(first: Any, second: Any, seed: int = 0) -> float:
    """Proxy A-distance 2 (1 − 2 ε) of (N, D) and (M, D) rows, in [0, 2].

    Ganin et al., JMLR 2016, section 5.1.5: ε is the error on one half of a linear machine trained
    on the other half to tell the domains apart, the lowest of ten prices'. Halves are random.
    """
    import warnings

    from sklearn.exceptions import ConvergenceWarning

    draws = np.random.default_rng(seed)
    halves = [np.array_split(draws.permutation(rows.shape[0]), 2) for rows in (first, second)]
    stack = sparse.vstack if sparse.issparse(first) else np.concatenate
    shown, held = (
        stack([first[own[part]], second[other[part]]]) for own, other in [halves] for part in (0, 1)
    )
    shown, held = (sparse.csr_matrix(x) if sparse.issparse(x) else x for x in (shown, held))
    labels = [np.repeat([0, 1], [len(own[part]) for own in halves]) for part in (0, 1)]
    errors = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for price in _DOMAIN_PRICES:
            machine = LinearMachine(price, max_iter=_STEPS).fit(shown, labels[0])
            errors.append(float(np.mean(machine.predict(held) != labels[1])))
    return 2 * (1 - 2 * min(0.5, *errors))
