"""The rows of the table: each from a task to predictions, with what was chosen on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal, NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression

from acclimate.core.errors import UnknownNameError, near_miss
from acclimate.experiments.amazon.choosing import choose
from acclimate.experiments.amazon.linear import PRICES, LinearMachine, logistic_regression
from acclimate.experiments.amazon.representations import DENOISED_FEATURES, Task
from acclimate.shallow.coral import CORAL
from acclimate.shallow.discriminator_weights import DiscriminatorWeights
from acclimate.shallow.label_propagation import LabelPropagationClassifier
from acclimate.shallow.self_trained_ridge import SelfTrainedRidge
from acclimate.shallow.shallow_dann import ShallowDANN
from acclimate.shallow.subspace_alignment import SubspaceAlignment
from acclimate.shallow.weighted_classifier import ImportanceWeightedClassifier

Features = Literal["counts", "words", "denoised counts", "denoised words"]
#: the paper's grids, section 5.1.3
LAMBDAS = tuple(float(weight) for weight in np.logspace(-2, 0, 9))
HIDDEN = (50, 100)
#: learning rates as in section 5.1.3; a tenth of the rate allows more rows in a step. Denoised
#: rows are coordinates in an orthonormal basis of the paper's 30,000 features
_COUNTS = {"learning_rate": 1e-3, "batch_size": 32}
_DENOISED = {"learning_rate": 1e-4, "batch_size": 64, "fan_in": DENOISED_FEATURES}


class Outcome(NamedTuple):
    """``predicted`` (N,) labels of the test items; ``chosen``: options and how they were chosen."""

    predicted: Any
    chosen: dict[str, Any]
    model: Any = None


@dataclass(frozen=True)
class Row:
    """``run(task, seed, chosen)``, where ``chosen`` is what the first seed chose, if it did.

    ``seeds`` is false where nothing but a split depends on chance.
    """

    name: str
    title: str
    features: Features
    run: Callable[[Task, int, dict[str, Any] | None], Outcome]
    seeds: bool = False
    oracle: bool = False


def _network(
    adapts: bool, **settings: Any
) -> Callable[[Task, int, dict[str, Any] | None], Outcome]:
    def run(task: Task, seed: int, chosen: dict[str, Any] | None) -> Outcome:
        def make(**options: Any) -> ShallowDANN:
            return ShallowDANN(**options, **settings, random_state=seed)

        if chosen is None:
            weights = LAMBDAS if adapts else (0.0,)
            grid = [
                {"hidden": hidden, "domain_weight": weight}
                for hidden, weight in product(HIDDEN, weights)
            ]
            found = choose(make, grid, task, seed, adapts=True)
            chosen = {**found.options, "reverse_risk": found.risk}
        options = {name: value for name, value in chosen.items() if name != "reverse_risk"}
        model = make(**options).fit(*task.source, X_target=task.target.rows)
        return Outcome(model.predict(task.test.rows), chosen, model)

    return run


def _machine(task: Task, seed: int, chosen: dict[str, Any] | None) -> Outcome:
    found = choose(LinearMachine, [{"C": price} for price in PRICES], task, seed, adapts=False)
    model = LinearMachine(**found.options).fit(*task.source)
    chosen = {**found.options, "reverse_risk": found.risk}
    return Outcome(model.predict(task.test.rows), chosen, model)


def _linear(task: Task, seed: int, chosen: dict[str, Any] | None) -> Outcome:
    model, strength = logistic_regression(*task.source, seed)
    return Outcome(model.predict(task.test.rows), {"C": strength})


def _on_target(task: Task, seed: int, chosen: dict[str, Any] | None) -> Outcome:
    return _linear(task._replace(source=task.target), seed, chosen)


def _mapped(make: Callable[[int], Any]) -> Callable[[Task, int, dict[str, Any] | None], Outcome]:
    def run(task: Task, seed: int, chosen: dict[str, Any] | None) -> Outcome:
        adapter = make(seed)
        source = adapter.fit_transform(
            task.source.rows.toarray(), X_target=task.target.rows.toarray()
        )
        model, strength = logistic_regression(source, task.source.labels, seed)
        target = adapter.transform(task.test.rows.toarray())
        return Outcome(model.predict(target), {"C": strength})

    return run


def _weighted(task: Task, seed: int, chosen: dict[str, Any] | None) -> Outcome:
    _, strength = logistic_regression(*task.source, seed)
    model = ImportanceWeightedClassifier(
        LogisticRegression(C=strength, solver="liblinear"), DiscriminatorWeights(random_state=seed)
    )
    model.fit(*task.source, X_target=task.target.rows)
    return Outcome(model.predict(task.test.rows), {"C": strength})


def _propagated(task: Task, seed: int, chosen: dict[str, Any] | None) -> Outcome:
    model = LabelPropagationClassifier().fit(*task.source, X_target=task.target.rows)
    return Outcome(model.predict(task.test.rows), {})


def _ridge(rounds: int) -> Callable[[Task, int, dict[str, Any] | None], Outcome]:
    def run(task: Task, seed: int, chosen: dict[str, Any] | None) -> Outcome:
        model = SelfTrainedRidge(rounds=rounds).fit(*task.source, X_target=task.target.rows)
        return Outcome(
            model.predict(task.test.rows), {"alpha": model.alpha_, "rounds": model.rounds_}
        )

    return run


ROWS = (
    Row("nn", "NN", "counts", _network(False, **_COUNTS), seeds=True),
    Row("dann", "DANN", "counts", _network(True, **_COUNTS), seeds=True),
    Row("svm", "SVM", "counts", _machine),
    Row("msda-nn", "mSDA + NN", "denoised counts", _network(False, **_DENOISED), seeds=True),
    Row("msda-dann", "mSDA + DANN", "denoised counts", _network(True, **_DENOISED), seeds=True),
    Row("msda-svm", "mSDA + SVM", "denoised counts", _machine),
    Row("source-only", "source-only: logistic regression", "words", _linear),
    Row(
        "subspace-alignment",
        "subspace alignment, 100 components",
        "words",
        _mapped(lambda seed: SubspaceAlignment(100, random_state=seed)),
    ),
    Row("coral", "CORAL", "words", _mapped(lambda seed: CORAL())),
    Row("discriminator-weights", "importance weighting by a discriminator", "words", _weighted),
    Row("label-propagation", "label propagation", "words", _propagated),
    Row("best-source-only", "best without self-training", "denoised words", _ridge(0)),
    Row("best", "best: mSDA of weighted words, self-trained ridge", "denoised words", _ridge(10)),
    Row(
        "train-on-target",
        "train-on-target (oracle): logistic regression",
        "words",
        _on_target,
        oracle=True,
    ),
)


def find_row(name: str) -> Row:
    """The row called ``name``; raises ``UnknownNameError`` with the near miss."""
    for row in ROWS:
        if row.name == name:
            return row
    raise UnknownNameError(
        f"table amazon has no row {name!r}.{near_miss(name, [row.name for row in ROWS])}"
    )
