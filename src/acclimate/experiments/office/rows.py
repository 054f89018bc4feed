"""The rows of the tables: each from features of two domains to probabilities for the target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from acclimate.shallow.coral import CORAL
from acclimate.shallow.selective_pseudo_labels import SelectivePseudoLabels
from acclimate.shallow.subspace_alignment import SubspaceAlignment

Floats = NDArray[np.float32]
#: of the logistic regressions, chosen by folds of what they are fitted on
STRENGTHS = (0.0001, 0.001, 0.01, 0.1, 1.0)
FOLDS = 5
#: of subspace alignment; Fernando et al. (ICCV 2013) find 80 on these domains by a bound on the source
COMPONENTS = 80
#: the network of the rows that train one: a bottleneck on the features, as in the DANN paper's Office net
NETWORK: dict[str, Any] = {"network": "mlp", "network_options": {"widths": (256,)}}
STEPS, BATCH, RATE = 600, 64, 1e-3
#: the kind of the rows that train the backbone too, and how their names begin
FINE_TUNED = "fine-tuned"


class Pair(NamedTuple):
    """Features of the labelled source and of the target: (S, D), (S,), (T, D).

    ``oracle_labels`` (T,) are for the oracle's row alone.
    """

    source: Floats
    labels: NDArray[np.int64]
    target: Floats
    oracle_labels: NDArray[np.int64]


class Outcome(NamedTuple):
    """``probabilities`` (T, K) of the target's items; ``chosen``: what was chosen on the way."""

    probabilities: NDArray[Any]
    chosen: dict[str, Any]


Run = Callable[[Pair, int], Outcome]


@dataclass(frozen=True)
class Row:
    """``kind``: rows of one kind share their classifier, so that a gain is a gain of adaptation.

    ``run`` is ``None`` for the rows that train the backbone too, by the algorithm ``fine_tunes``.
    ``seeds`` is false where the seed decides nothing but folds.
    """

    name: str
    title: str
    kind: str
    run: Run | None
    seeds: bool = False
    oracle: bool = False
    pools_sources: bool = False
    fine_tunes: str = ""


class OneScale(TransformerMixin, BaseEstimator):
    """Rows centred and divided by one number, the mean deviation of their features.

    Each feature by its own would make the last principal axes, which are noise, as loud as the first.
    """

    def fit(self, X: Floats, y: Any = None) -> Self:
        self.mean_, self.scale_ = X.mean(0), float(X.std(0).mean()) or 1.0
        return self

    def transform(self, X: Floats) -> Floats:
        scaled: Floats = (X - self.mean_) / self.scale_
        return scaled


def _linear(
    rows: Floats, labels: NDArray[np.int64], seed: int, scaler: type[TransformerMixin] = OneScale
) -> tuple[Any, float]:
    """Scaled logistic regression with the strength that folds of these rows prefer."""
    smallest = int(np.bincount(labels)[np.unique(labels)].min())
    folds = StratifiedKFold(max(2, min(FOLDS, smallest)), shuffle=True, random_state=seed)

    def made(strength: float) -> Any:
        return make_pipeline(scaler(), LogisticRegression(C=strength, max_iter=500))

    best = max(STRENGTHS, key=lambda c: cross_val_score(made(c), rows, labels, cv=folds).mean())
    return made(best).fit(rows, labels), best


def _source_only(scaler: type[TransformerMixin]) -> Run:
    def run(pair: Pair, seed: int) -> Outcome:
        model, strength = _linear(pair.source, pair.labels, seed, scaler)
        return Outcome(model.predict_proba(pair.target), {"C": strength})

    return run


def _mapped(make: Callable[[Pair], Any]) -> Run:
    def run(pair: Pair, seed: int) -> Outcome:
        adapter = make(pair)
        source = adapter.fit_transform(pair.source, X_target=pair.target)
        model, strength = _linear(source, pair.labels, seed)
        return Outcome(model.predict_proba(adapter.transform(pair.target)), {"C": strength})

    return run


def _aligned(pair: Pair) -> SubspaceAlignment:
    fitting = min(COMPONENTS, len(pair.source) - 1, len(pair.target) - 1, pair.source.shape[1])
    return SubspaceAlignment(fitting)


def _best(pair: Pair, seed: int) -> Outcome:
    model = SelectivePseudoLabels().fit(pair.source, pair.labels, X_target=pair.target)
    return Outcome(model.predict_proba(pair.target), {})


def _on_target(pair: Pair, seed: int) -> Outcome:
    """Each item by a classifier that has not seen it: folds of the target itself."""
    smallest = int(np.bincount(pair.oracle_labels).min())
    folds = StratifiedKFold(max(2, min(FOLDS, smallest)), shuffle=True, random_state=seed)
    _, strength = _linear(pair.target, pair.oracle_labels, seed)
    model = make_pipeline(OneScale(), LogisticRegression(C=strength, max_iter=500))
    probabilities = cross_val_predict(
        model, pair.target, pair.oracle_labels, cv=folds, method="predict_proba"
    )
    return Outcome(probabilities, {"C": strength})


def _network(algorithm: str) -> Run:
    def run(pair: Pair, seed: int) -> Outcome:
        from acclimate.estimators.adapted_classifier import AdaptedClassifier

        model = AdaptedClassifier(
            algorithm,
            **NETWORK,
            steps=STEPS,
            batch_size=BATCH,
            learning_rate=RATE,
            validation_fraction=0,
            random_state=seed,
        ).fit(pair.source, pair.labels, X_target=pair.target)
        return Outcome(model.predict_proba(pair.target), {})

    return run


ON_FEATURES = (
    Row(
        "source-only-standardised",
        "source-only: each feature standardised",
        "standardised",
        _source_only(StandardScaler),
    ),
    Row(
        "source-only",
        "source-only: logistic regression",
        "linear",
        _source_only(OneScale),
        pools_sources=True,
    ),
    Row("subspace-alignment", "subspace alignment", "linear", _mapped(_aligned)),
    Row("coral", "CORAL", "linear", _mapped(lambda pair: CORAL())),
    Row("network-source-only", "source-only: network", "network", _network("source-only"), True),
    Row("dann", "DANN", "network", _network("dann"), True),
    Row("cdan", "CDAN", "network", _network("cdan"), True),
    Row("mcc", "MCC", "network", _network("mcc"), True),
    Row("best", "best: selective pseudo-labels", "subspace", _best),
    Row(
        "train-on-target",
        "train-on-target (oracle): logistic regression",
        "linear",
        _on_target,
        oracle=True,
    ),
)


def _fine_tuned(algorithm: str, title: str, oracle: bool = False) -> Row:
    return Row(
        f"{FINE_TUNED}-{algorithm}",
        f"{FINE_TUNED} {title}",
        FINE_TUNED,
        None,
        seeds=True,
        oracle=oracle,
        fine_tunes=algorithm,
    )


#: minutes each, so they are trained where they are named
WHOLE = (
    _fine_tuned("source-only", "source-only"),
    _fine_tuned("dann", "DANN"),
    _fine_tuned("cdan", "CDAN"),
    _fine_tuned("mcc", "MCC"),
    _fine_tuned("best", "best: the default of fit"),
    _fine_tuned("train-on-target", "train-on-target (oracle): photos held out", oracle=True),
)
ROWS = (*ON_FEATURES, *WHOLE)
