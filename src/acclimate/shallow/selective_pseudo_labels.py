"""Pseudo-labels that clusters of the target confirm, taken in from the surest on."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import eigh
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from sklearn.base import ClassifierMixin
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.preprocessing import normalize
from sklearn.utils.validation import check_is_fitted, validate_data

from acclimate.core.errors import InputError
from acclimate.shallow.base import DomainEstimator, Floats, Matrix, adapters, take_apart
from acclimate.shallow.labels import encoded

_CHECKS: dict[str, Any] = {"dtype": [np.float64, np.float32]}


@adapters.register("selective-pseudo-labels")
class SelectivePseudoLabels(ClassifierMixin, DomainEstimator):
    """A subspace in which classes are tight, learnt from the source and from the surest of the target.

    Wang & Breckon, "Unsupervised Domain Adaptation via Structured Prediction Based Selective
    Pseudo-Labeling", AAAI 2020. Rows are reduced by PCA and set to length 1. A round learns a
    supervised locality-preserving projection from the labelled rows (equations 1 to 3), gives every target
    row two opinions on its class, from the distance to the classes' centres (equation 5) and from
    that to the centres of the target's own k-means clusters, matched one to one with the classes
    (equations 6 to 8), and believes the larger. Round t of T keeps the surest t/T of the rows of each
    class as labelled rows of the next, so no class is left out. Made for features of a deep network.

    Deviations: (1) with fewer target rows than classes there are no clusters, and the first opinion
    stands alone; (2) new rows go to the last round's projection, class and cluster centres.

    Args:
        rounds: T, at least 1.
        reduced: components of the PCA; fewer where rows or features are.
        dimensions: of the projection, at most ``reduced``.

    Attributes:
        classes_: (K,).
        projection_: (reduced, dimensions).
        centres_: (K, dimensions) of the classes; ``clusters_``: the same of the target's clusters, or ``None``.
        selected_: how many target rows the last projection was learnt from.

    >>> import numpy as np
    >>> draws = np.random.default_rng(0)
    >>> y = np.repeat(["down", "up"], 50)
    >>> X = draws.normal(size=(100, 3)) + 3 * np.where(y == "up", 1, -1)[:, None]
    >>> model = SelectivePseudoLabels().fit(X, y, X_target=X + [2, 0, 0])
    >>> model.score(X + [2, 0, 0], y) > 0.95
    True
    """

    _checks: ClassVar[dict[str, Any]] = _CHECKS

    def __init__(self, rounds: int = 10, *, reduced: int = 512, dimensions: int = 128) -> None:
        self.rounds = rounds
        self.reduced = reduced
        self.dimensions = dimensions

    def fit(
        self,
        X: Matrix,
        y: ArrayLike,
        X_target: Matrix | None = None,
        sample_domain: ArrayLike | None = None,
    ) -> Self:
        """Fit on source ``X`` (S, D), ``y`` (S,) and ``X_target`` (T, D), or both domains in ``X``."""
        domains = take_apart(self, X, y, X_target, sample_domain, **_CHECKS)
        if min(self.rounds, self.reduced, self.dimensions) < 1:
            raise InputError(
                f"rounds {self.rounds}, reduced {self.reduced} and dimensions {self.dimensions}: "
                "each must be 1 or more"
            )
        self.classes_, codes = encoded(self, domains.labels)
        rows = np.concatenate([domains.source, domains.target]).astype(np.float64)
        components = min(self.reduced, *rows.shape)
        self.pca_ = PCA(components, svd_solver="full").fit(rows)
        reduced = self._reduced(rows)
        source, target = reduced[: len(codes)], reduced[len(codes) :]
        chosen, guessed = np.zeros(len(target), dtype=bool), np.zeros(len(target), dtype=np.int64)
        for number in range(1, self.rounds + 2):
            labels = np.concatenate([codes, guessed[chosen]])
            self.selected_ = int(chosen.sum())
            self.projection_ = _locality_preserving(
                np.concatenate([source, target[chosen]]), labels, self.dimensions
            )
            self.mean_ = (reduced @ self.projection_).mean(0)
            self._place_centres(self._projected(source), codes, self._projected(target))
            opinions = self._opinions(self._projected(target))
            guessed = opinions.argmax(1)
            chosen = _surest(opinions.max(1), guessed, min(1.0, number / self.rounds))
        return self

    def predict_proba(self, X: Matrix) -> NDArray[np.float64]:
        """(N, K): the larger of the two opinions on each class, made to sum to 1."""
        check_is_fitted(self)
        rows = validate_data(self, X, reset=False, **_CHECKS)
        opinions = self._opinions(self._projected(self._reduced(rows.astype(np.float64))))
        probabilities: NDArray[np.float64] = opinions / opinions.sum(1, keepdims=True)
        return probabilities

    def predict(self, X: Matrix) -> NDArray[Any]:
        """(N,) labels."""
        index = self.predict_proba(X).argmax(1)
        labels: NDArray[Any] = self.classes_[index]
        return labels

    def _reduced(self, rows: Floats) -> Floats:
        unit: Floats = normalize(self.pca_.transform(rows))
        return unit

    def _projected(self, reduced: Floats) -> Floats:
        unit: Floats = normalize(reduced @ self.projection_ - self.mean_)
        return unit

    def _place_centres(self, source: Floats, codes: NDArray[np.int64], target: Floats) -> None:
        count = len(self.classes_)
        self.centres_ = normalize(
            np.stack([source[codes == label].mean(0) for label in range(count)])
        )
        self.clusters_ = None
        if len(target) < count:
            return
        found = KMeans(count, init=self.centres_, n_init=1, max_iter=100).fit(target)
        distances = cdist(found.cluster_centers_, self.centres_, "sqeuclidean")
        clusters, classes = linear_sum_assignment(distances)
        self.clusters_ = np.empty_like(self.centres_)
        self.clusters_[classes] = found.cluster_centers_[clusters]

    def _opinions(self, projected: Floats) -> Floats:
        """(N, K): the larger of the probabilities by class centres and by clusters."""
        by_class = _near(projected, self.centres_)
        if self.clusters_ is None:
            return by_class
        return np.maximum(by_class, _near(projected, self.clusters_))


def _locality_preserving(
    rows: Floats, labels: NDArray[np.int64], dimensions: int
) -> NDArray[np.float64]:
    """(D, dimensions): solves XᵀDX p = λ (XᵀLX + I) p for the similarity "of one class" and its Laplacian."""
    members = np.zeros((len(rows), labels.max() + 1))
    members[np.arange(len(rows)), labels] = 1
    degree = members.sum(0)[labels]
    spread = (rows.T * degree) @ rows
    sums = rows.T @ members
    within = spread - sums @ sums.T + np.eye(rows.shape[1])
    wanted = min(dimensions, rows.shape[1])
    last = rows.shape[1] - 1
    _, vectors = eigh(spread, within, subset_by_index=(last - wanted + 1, last))
    found: NDArray[np.float64] = vectors[:, ::-1]
    return found


def _near(rows: Floats, centres: Floats) -> Floats:
    """(N, K) probabilities: softmax of minus the squared distances."""
    squared = cdist(rows, centres, "sqeuclidean")
    near = np.exp(squared.min(1, keepdims=True) - squared)
    probabilities: Floats = near / near.sum(1, keepdims=True)
    return probabilities


def _surest(sureness: Floats, guessed: NDArray[np.int64], share: float) -> NDArray[np.bool_]:
    """(N,) bool: of the rows of each guessed class the surest ``share``, rounded up."""
    chosen = np.zeros(len(sureness), dtype=bool)
    for label in np.unique(guessed):
        members = np.flatnonzero(guessed == label)
        count = int(np.ceil(share * len(members)))
        chosen[members[np.argsort(-sureness[members], kind="stable")[:count]]] = True
    return chosen
