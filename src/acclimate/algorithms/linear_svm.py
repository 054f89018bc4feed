"""A linear support vector machine in the place of the trained last layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from acclimate.algorithms.base import LastLayer, LastLayerMaterial, algorithms
from acclimate.algorithms.source_only import SourceOnly

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
#: inside the range that Ganin et al., JMLR 2016, search in section 5.1
GRID = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
HELD_OUT = 0.2
#: items among which C is chosen: five fits for each class to tell powers of ten apart
CHOICE = 5_000
#: five to twenty are enough, but for a large C where classes can be told apart without fault: there
#: the last digits take hundreds and change no decision
NEWTON_STEPS = 50
#: largest gradient of a solution, as a share of that at weights of 0
TOLERANCE = 1e-5
C_OPTION = "price of an item within its margin; null = chosen on held-out source features"


@algorithms.register("linear-svm")
class LinearSvm(SourceOnly):
    """Source-only training, then a linear SVM on source features as the last layer.

    Ganin et al., JMLR 17(59), 2016, section 5.2, retrain every network's last layer so before
    they score table 2: ``dann+linear-svm`` is their DANN. Deviations: features are standardised
    first and C is chosen on held-out source features; the paper states neither.
    """

    c: float | None = Field(None, gt=0, description=C_OPTION)

    def last_layer(self, material: LastLayerMaterial) -> LastLayer | None:
        features, labels = material.source_features.double().numpy(), material.source_labels.numpy()
        machine = LinearMachine(material.class_count, material.seed)
        c = self.c or machine.chosen_c(features, labels)
        return layer_of(*machine.fit(features, labels, c), f"linear SVM on the source, C = {c:g}")


@dataclass(frozen=True)
class LinearMachine:
    """One-against-the-rest linear support vector machines on scaled features.

    ``together``: one scale for all features, which keeps their proportions; otherwise each is
    divided by its own deviation.
    """

    class_count: int
    seed: int
    together: bool = False

    def fit(self, features: Floats, labels: Labels, c: float) -> tuple[Floats, Floats]:
        """Weights (K, D) and biases (K,) for unscaled ``features`` (N, D); ``labels`` (N,) in [0, K).

        A class without items gets the solution of its own problem: always −1.
        """
        present = np.unique(labels)
        weight, bias = np.zeros((self.class_count, features.shape[1])), -np.ones(self.class_count)
        if len(present) == 1:
            bias[present] = 1.0
            return weight, bias
        mean, scale = features.mean(0), self._scale(features)
        signs = np.where(labels[:, None] == present, 1.0, -1.0)
        solved = _solve((features - mean) / scale, signs, c)
        weight[present] = solved[:-1].T / scale
        bias[present] = solved[-1] - weight[present] @ mean
        return weight, bias

    def chosen_c(self, features: Floats, labels: Labels) -> float:
        """The C of ``GRID`` with the best accuracy on a held-out fifth; of equal ones the smallest.

        Of many items, ``CHOICE`` drawn at random decide.
        """
        order = np.random.default_rng(self.seed).permutation(len(labels))[:CHOICE]
        held, kept = np.split(order, [max(1, round(HELD_OUT * len(order)))])
        if len(kept) == 0:
            return GRID[0]

        def accuracy(c: float) -> float:
            weight, bias = self.fit(features[kept], labels[kept], c)
            return float(((features[held] @ weight.T + bias).argmax(1) == labels[held]).mean())

        return max(GRID, key=accuracy)

    def _scale(self, features: Floats) -> Floats:
        variance: Floats = features.var(0)
        if self.together:
            variance = np.full_like(variance, variance.mean())
        # a unit that is always off, or one constant up to rounding, is left as it is
        tiny = np.finfo(np.float32).eps * np.abs(features).max(0)
        return np.where(variance > tiny**2, np.sqrt(variance), 1.0)


def _solve(features: Floats, signs: Floats, c: float) -> Floats:
    """Weights (D + 1, K) of machines that tell signs (N, K) by features (N, D); biases come last.

    The problem is that of liblinear and of scikit-learn's ``LinearSVC``, squared hinge loss in the primal with
    the bias among the weights, for all classes at once: ``LinearSVC`` solves one after the other through
    sparse rows and took five times as long for ten classes and 2,048 features.
    """
    # few runs end in a machine
    from scipy.optimize import minimize

    seen = np.concatenate([features, np.ones((len(features), 1))], axis=1)
    shape = (seen.shape[1], signs.shape[1])
    kept: dict[str, Floats] = {}

    def loss(flat: Floats) -> tuple[float, Floats]:
        weights = flat.reshape(shape)
        short = np.maximum(0.0, 1.0 - signs * (seen @ weights))
        kept["at"], kept["curved"] = flat, np.where(short > 0, 2 * c, 0.0)
        gradient = weights - 2 * c * (seen.T @ (signs * short))
        return float(0.5 * np.sum(weights**2) + c * np.sum(short**2)), gradient.ravel()

    def curvature(flat: Floats, direction: Floats) -> Floats:
        if not np.array_equal(kept["at"], flat):  # a step was tried and not taken
            loss(flat)
        moved = direction.reshape(shape)
        return (moved + seen.T @ (kept["curved"] * (seen @ moved))).ravel()

    start = np.zeros(shape).ravel()
    steepest = float(np.linalg.norm(loss(start)[1]))
    if steepest == 0:  # as many items for a class as against it, and features that tell nothing
        return start.reshape(shape)
    found = minimize(
        loss,
        start,
        jac=True,
        hessp=curvature,
        method="trust-ncg",
        options={"gtol": TOLERANCE * steepest, "maxiter": NEWTON_STEPS},
    )
    solution: Floats = found.x.reshape(shape)
    return solution


def layer_of(weight: Floats, bias: Floats, note: str) -> LastLayer:
    """The layer in float32."""
    return LastLayer(torch.from_numpy(weight).float(), torch.from_numpy(bias).float(), note)
