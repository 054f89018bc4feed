"""The shallow domain-adversarial network: one hidden layer, plain stochastic gradient descent."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from sklearn.base import ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from acclimate.shallow.base import DomainEstimator, Floats, Matrix, adapters, stacked, take_apart
from acclimate.shallow.labels import encoded

_CHECKS: dict[str, Any] = {"accept_sparse": "csr", "dtype": np.float32}


@adapters.register("shallow-dann")
class ShallowDANN(ClassifierMixin, DomainEstimator):
    """A sigmoid hidden layer that should tell the classes and not the domains.

    Ganin et al., "Domain-Adversarial Training of Neural Networks", JMLR 17(59), 2016, section 4.1 and
    Algorithm 1: h = σ(W x + b), y = softmax(V h + c), o = σ(u·h + d) for "from the source". W, b, V, c
    descend L_y − λ L_d and u, d descend λ L_d (both sides carry λ, unlike the deep version), from
    weights uniform in ±√(6 / (fan in + fan out)) and biases 0. Every source row is shown once an
    epoch, beside a target row drawn uniformly.

    Deviation: ``batch_size`` rows take their steps together, their gradients added, so
    ``learning_rate`` keeps the meaning it has for single rows (a batch of 1 is the paper's own order).
    Early stopping as in the authors' code: the weights with the lowest error on held-out source
    rows are kept, and training ends when 1.5 times their epoch, at least 30, has passed.

    Args:
        hidden: units of the hidden layer.
        domain_weight: λ; 0 is the paper's NN.
        learning_rate: of one row.
        max_epochs: passes over the source at most.
        batch_size: rows of each domain that take a step together.
        validation_fraction: of the source, for early stopping; 0 trains ``max_epochs``.
        fan_in: features that weights W are drawn for, those of the rows if None. Rows that are the
            coordinates of more features in an orthonormal basis begin as these would with theirs.
        warm_start: begin with the weights of the last ``fit``, where there are any of that shape.
        random_state: of weights, order and draws.

    Attributes:
        classes_: (K,).
        weights_: W (D, hidden), b, V (hidden, K), c, u (hidden,), d.
        epoch_: after which the weights were kept.

    Rows may be CSR and stay so.

    >>> import numpy as np
    >>> draws = np.random.default_rng(0)
    >>> y = np.repeat([-1, 1], 40)
    >>> X = draws.normal(size=(80, 2)) + 2 * y[:, None]
    >>> ShallowDANN(random_state=0).fit(X, y, X_target=X + 1).score(X, y) > 0.95
    True
    """

    _checks: ClassVar[dict[str, Any]] = _CHECKS

    def __init__(
        self,
        hidden: int = 50,
        domain_weight: float = 0.1,
        *,
        learning_rate: float = 0.01,
        max_epochs: int = 200,
        batch_size: int = 16,
        validation_fraction: float = 0.1,
        fan_in: int | None = None,
        warm_start: bool = False,
        random_state: Any = None,
    ) -> None:
        self.hidden = hidden
        self.domain_weight = domain_weight
        self.learning_rate = learning_rate
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.validation_fraction = validation_fraction
        self.fan_in = fan_in
        self.warm_start = warm_start
        self.random_state = random_state

    def fit(
        self,
        X: Matrix,
        y: ArrayLike,
        X_target: Matrix | None = None,
        sample_domain: ArrayLike | None = None,
    ) -> Self:
        """Train on source ``X`` (S, D), ``y`` (S,) and ``X_target`` (T, D), or both domains in ``X``."""
        domains = take_apart(self, X, y, X_target, sample_domain, **_CHECKS)
        classes, codes = encoded(self, domains.labels)
        labels = np.eye(len(classes), dtype=np.float32)[codes]
        draws = np.random.default_rng(check_random_state(self.random_state).randint(2**31 - 1))
        start = self._start(domains.source.shape[1], labels.shape[1], draws)
        self.classes_ = classes
        self.weights_, self.epoch_ = self._descend(
            start, domains.source, labels, domains.target, draws
        )
        return self

    def predict_proba(self, X: Matrix) -> NDArray[np.float64]:
        """(N, K) probabilities in the order of ``classes_``."""
        probabilities: NDArray[np.float64] = _softmax(self._logits(X))
        return probabilities

    def decision_function(self, X: Matrix) -> NDArray[np.float64]:
        """(N, K) logits, or (N,) their difference for two classes."""
        logits = self._logits(X)
        return logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits

    def predict(self, X: Matrix) -> NDArray[Any]:
        """(N,) labels."""
        logits = self._logits(X)
        labels: NDArray[Any] = self.classes_[logits.argmax(1)]
        return labels

    def hidden_layer(self, X: Matrix) -> Floats:
        """(N, hidden) features in [0, 1]."""
        check_is_fitted(self)
        rows = validate_data(self, X, reset=False, accept_sparse="csr", dtype=np.float64)
        weights = self.weights_
        # in float64, so that a row's output does not depend on how many others it is asked with
        hidden: Floats = expit(rows @ weights.W.astype(np.float64) + weights.b)
        return hidden

    def _logits(self, X: Matrix) -> NDArray[np.float64]:
        hidden = self.hidden_layer(X)
        return hidden @ self.weights_.V.astype(np.float64) + self.weights_.c

    def _start(self, width: int, classes: int, draws: np.random.Generator) -> Weights:
        shapes = (width, self.hidden), (self.hidden, classes)
        known = getattr(self, "weights_", None) if self.warm_start else None
        if known is not None and (known.W.shape, known.V.shape) == shapes:
            return Weights(*(each.copy() for each in known))
        W, V = (
            draws.uniform(-1, 1, shape).astype(np.float32)
            * np.float32((6 / (inputs + shape[1])) ** 0.5)
            for shape, inputs in zip(shapes, (self.fan_in or width, self.hidden), strict=True)
        )
        zeros = [np.zeros(size, np.float32) for size in (self.hidden, classes, self.hidden, 1)]
        return Weights(W, zeros[0], V, zeros[1], zeros[2], zeros[3])

    def _descend(
        self,
        weights: Weights,
        source: Matrix,
        labels: Floats,
        target: Matrix,
        draws: np.random.Generator,
    ) -> tuple[Weights, int]:
        """Weights of the epoch with the lowest held-out error, and that epoch."""
        order = draws.permutation(source.shape[0])
        held = round(source.shape[0] * self.validation_fraction)
        aside, shown = order[:held], order[held:]
        validation, wanted = source[aside], labels[aside].argmax(1)
        everything = stacked(source, target)
        best, lowest, at = weights, np.inf, 0
        for epoch in range(1, self.max_epochs + 1):
            order = draws.permutation(shown)
            others = draws.integers(target.shape[0], size=len(order)) + source.shape[0]
            # gathered once, batch by batch: slices of an epoch cost nothing
            rows, classes = everything[_by_batch(order, others, self.batch_size)], labels[order]
            for start in range(0, len(order), self.batch_size):
                some = classes[start : start + self.batch_size]
                both = rows[2 * start : 2 * (start + len(some))]
                _step(weights, both, some, self.domain_weight, self.learning_rate)
            if not held:
                best, at = weights, epoch
                continue
            logits = expit(validation @ weights.W + weights.b) @ weights.V + weights.c
            error = float((logits.argmax(1) != wanted).mean())
            if error <= lowest:
                # of equal ones the later, as the authors have it
                best, lowest, at = Weights(*(each.copy() for each in weights)), error, epoch
            if epoch >= max(30, 1.5 * at):
                break
        return best, at


class Weights(NamedTuple):
    """W (D, H), b (H,), V (H, K), c (K,), u (H,), d (1,); float32, changed in place."""

    W: Floats
    b: Floats
    V: Floats
    c: Floats
    u: Floats
    d: Floats


def _by_batch(order: NDArray[Any], others: NDArray[Any], size: int) -> NDArray[Any]:
    """``size`` of ``order``, then those of ``others`` beside them, and so on."""
    cuts = range(size, len(order), size)
    pairs = zip(np.split(order, cuts), np.split(others, cuts), strict=True)
    return np.concatenate([part for pair in pairs for part in pair])


def _step(
    weights: Weights, rows: Matrix, labels: Floats, domain_weight: float, rate: float
) -> None:
    """The updates of Algorithm 1, lines 5 to 32; ``rows`` (2 B, D): source rows, then target rows."""
    W, b, V, c, u, d = weights
    count = len(labels)
    hidden = expit(rows @ W + b)
    ours = hidden[:count]
    wrong = _softmax(ours @ V + c)
    wrong -= labels
    slope = np.zeros_like(hidden)
    np.matmul(wrong, V.T, out=slope[:count])
    if domain_weight:
        told = expit(hidden @ u + d)
        told[:count] -= 1  # the derivative of L_d by the domain logit
        slope -= (np.float32(domain_weight) * told)[:, None] * u
        step = np.float32(rate * domain_weight)
        u -= step * (told @ hidden)
        d -= step * told.sum()
    slope *= hidden
    slope *= 1 - hidden
    V -= np.float32(rate) * (ours.T @ wrong)
    c -= np.float32(rate) * wrong.sum(0)
    slope *= np.float32(rate)
    W -= rows.T @ slope
    b -= slope.sum(0)


def _softmax(logits: Any) -> Any:
    """Of (N, K) logits, in their place: scipy's checks would cost more than a step's products."""
    logits -= logits.max(1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(1, keepdims=True)
    return logits
