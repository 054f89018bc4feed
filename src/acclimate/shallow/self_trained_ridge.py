"""Ridge classification that teaches itself the target."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.linalg import cho_factor, cho_solve
from sklearn.base import ClassifierMixin
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.validation import check_is_fitted, validate_data

from acclimate.core.errors import InputError
from acclimate.shallow.base import DomainEstimator, Floats, Matrix, adapters, stacked, take_apart
from acclimate.shallow.labels import encoded

_CHECKS: dict[str, Any] = {"accept_sparse": "csr", "dtype": [np.float64, np.float32]}
#: of the mean squared length of a centred row
ALPHAS = tuple(10.0 ** (power / 2) for power in range(-6, 5))


@adapters.register("self-trained-ridge")
class SelfTrainedRidge(ClassifierMixin, DomainEstimator):
    """Linear least squares on the source's labels, then on its own soft labels of the target as well.

    Self-training with a regression on ±1 targets, in the manner of Scudder, "Probability of error of
    some adaptive pattern-recognition machines", IEEE Trans. Inf. Theory 1965. A round gives each
    target row the scores of the last fit, shifted so that every class has the share that it has
    in the source, divided by their deviation and clipped to ±1; then source and target rows are
    fitted together. Only right-hand sides change between rounds, so all of them share one
    factorisation of an (S + T) × (S + T) matrix, whatever the number of features.

    Args:
        alpha: ridge, in units of the mean squared length of a centred row; ``None`` takes the one with
            the lowest leave-one-out error on the source.
        rounds: of self-training; 0 is ridge classification of the source. It ends sooner when less
            than one target row in a thousand changes its class.
        keep_shares: shift scores to the source's class shares. Leave it out where classes are
            known to be more or less frequent in the target.

    Attributes:
        classes_: (K,).
        alpha_: the ridge that was used.
        coefficients_: (D, M), ``intercept_``: (M,); M is K, or 1 for two classes.
        rounds_: that were trained.

    Rows may be CSR and stay so. Memory grows with (S + T)².

    >>> import numpy as np
    >>> draws = np.random.default_rng(0)
    >>> y = np.repeat(["down", "up"], 50)
    >>> X = draws.normal(size=(100, 3)) + 2 * np.where(y == "up", 1, -1)[:, None]
    >>> model = SelfTrainedRidge().fit(X, y, X_target=X + [3, 0, 0])
    >>> model.score(X + [3, 0, 0], y) > 0.95
    True
    """

    _checks: ClassVar[dict[str, Any]] = _CHECKS

    def __init__(
        self, alpha: float | None = None, *, rounds: int = 10, keep_shares: bool = True
    ) -> None:
        self.alpha = alpha
        self.rounds = rounds
        self.keep_shares = keep_shares

    def fit(
        self,
        X: Matrix,
        y: ArrayLike,
        X_target: Matrix | None = None,
        sample_domain: ArrayLike | None = None,
    ) -> Self:
        """Fit on source ``X`` (S, D), ``y`` (S,) and ``X_target`` (T, D), or both domains in ``X``."""
        domains = take_apart(self, X, y, X_target, sample_domain, **_CHECKS)
        if (self.alpha is not None and self.alpha <= 0) or self.rounds < 0:
            raise InputError(
                f"alpha is {self.alpha} and rounds {self.rounds}: give more than 0, and 0 or more"
            )
        self.classes_, codes = encoded(self, domains.labels)
        wanted = np.where(codes[:, None] == np.arange(len(self.classes_)), 1.0, -1.0)
        wanted = wanted[:, 1:] if wanted.shape[1] == 2 else wanted
        count = domains.source.shape[0]
        rows = stacked(domains.source, domains.target)
        mean = np.asarray(rows.mean(0)).ravel()
        gram, scale = _gram(rows, mean)
        self.alpha_ = self.alpha or _chosen_alpha(gram[:count, :count], wanted)
        values, self.rounds_ = self._rounds(gram, wanted, np.mean(wanted > 0, axis=0))
        weights, offset = values
        used = rows[: len(weights)]
        self.coefficients_ = (
            np.asarray(safe_sparse_dot(used.T, weights)) - np.outer(mean, weights.sum(0))
        ) / scale
        self.intercept_ = offset - mean @ self.coefficients_
        return self

    def decision_function(self, X: Matrix) -> NDArray[Any]:
        """(N, K) scores, or (N,) for two classes, above 0 for ``classes_[1]``."""
        check_is_fitted(self)
        rows = validate_data(self, X, reset=False, **_CHECKS)
        scores: NDArray[Any] = (
            np.asarray(safe_sparse_dot(rows, self.coefficients_)) + self.intercept_
        )
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def predict(self, X: Matrix) -> NDArray[Any]:
        """(N,) labels."""
        scores = self.decision_function(X)
        index = (scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(1)
        labels: NDArray[Any] = self.classes_[index]
        return labels

    def _rounds(
        self, gram: NDArray[np.float64], wanted: Floats, shares: Floats
    ) -> tuple[tuple[Floats, Floats], int]:
        """Dual weights of the rows fitted and the offset, after the last round; how many there were."""
        count = len(wanted)
        offset = wanted.mean(0)
        weights = cho_solve(_factor(gram[:count, :count], self.alpha_), wanted - offset)
        if self.rounds == 0:
            return (weights, offset), 0
        scores = gram[count:, :count] @ weights + offset
        factor = _factor(gram, self.alpha_)
        taught, before = 0, None
        while taught < self.rounds:
            taught += 1
            shift = self._shift(scores, shares)
            labels = np.concatenate([wanted, _soft(scores - shift)])
            offset = labels.mean(0)
            weights = cho_solve(factor, labels - offset)
            scores = gram[count:] @ weights + offset
            now = _classes(scores - self._shift(scores, shares))
            if before is not None and np.mean(now != before) < 1e-3:
                break
            before = now
        return (weights, offset - self._shift(scores, shares)), taught

    def _shift(self, scores: Floats, shares: Floats) -> Floats:
        """(M,) to be subtracted: every column is then above 0 for its class's share of the rows."""
        if not self.keep_shares:
            return np.zeros(scores.shape[1])
        columns = zip(scores.T, shares, strict=True)
        return np.array([np.quantile(column, 1 - share) for column, share in columns])


def _gram(rows: Matrix, mean: Floats) -> tuple[NDArray[np.float64], float]:
    """Inner products (N, N) of the centred rows, divided by their mean square, and that square."""
    if sparse.issparse(rows):
        gram = (rows @ rows.T).toarray().astype(np.float64)
        shadow = np.asarray(rows @ mean).ravel()
        gram += mean @ mean - shadow[:, None] - shadow
    else:
        centred = rows - mean
        gram = (centred @ centred.T).astype(np.float64)
    scale = float(np.trace(gram)) / len(gram)
    # rows that are all alike have nothing to tell
    scale = scale if scale > 0 else 1.0
    gram /= scale
    return gram, scale


def _factor(gram: NDArray[np.float64], alpha: float) -> Any:
    return cho_factor(gram + alpha * np.eye(len(gram)), lower=True, overwrite_a=True)


def _chosen_alpha(gram: NDArray[np.float64], wanted: Floats) -> float:
    """Of ``ALPHAS`` the one with the lowest squared leave-one-out error, by the closed form."""
    # the rows' own mean: the gram is centred on that of both domains
    centre = gram.mean(0)
    own = gram - centre - centre[:, None] + centre.mean()
    values, vectors = np.linalg.eigh(own)
    turned = vectors.T @ (wanted - wanted.mean(0))
    squared = vectors**2
    errors = []
    for alpha in ALPHAS:
        inverse = 1 / (np.maximum(values, 0) + alpha)
        left_out = (vectors @ (turned * inverse[:, None])) / (squared @ inverse)[:, None]
        errors.append(np.mean(left_out**2))
    return float(ALPHAS[int(np.argmin(errors))])


def _soft(scores: Floats) -> Floats:
    """Scores as labels in [−1, 1]."""
    soft: Floats = np.clip(scores / np.maximum(scores.std(0), 1e-12), -1, 1)
    return soft


def _classes(scores: Floats) -> NDArray[Any]:
    return scores[:, 0] > 0 if scores.shape[1] == 1 else scores.argmax(1)
