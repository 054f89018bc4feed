"""skada's scorers, splitters and pipelines take our estimators as they are."""

import warnings

import numpy as np
import pytest
from sklearn import get_config, set_config
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_validate

from acclimate import AdaptedClassifier
from acclimate.shallow import adapters

config = get_config()
skada = pytest.importorskip("skada")
metrics = pytest.importorskip("skada.metrics")
splitters = pytest.importorskip("skada.model_selection")
# skada turns metadata routing on for everybody when it is imported; only these tests want it
set_config(enable_metadata_routing=config["enable_metadata_routing"])


@pytest.fixture(autouse=True)
def _routing():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        set_config(enable_metadata_routing=True)
        yield
        set_config(enable_metadata_routing=False)


@pytest.fixture
def packed(source, target):
    X = np.concatenate([source[0], target[0]])
    # −1 is how skada masks what nobody may see
    y = np.concatenate([source[1] == "dog", np.full(len(target[1]), -1)]).astype(int)
    return X, y, np.concatenate([np.ones(len(source[1])), np.full(len(target[1]), -2)]).astype(int)


SCORERS = [
    metrics.ImportanceWeightedScorer,
    metrics.PredictionEntropyScorer,
    metrics.SoftNeighborhoodDensity,
    metrics.CircularValidation,
    metrics.MixValScorer,
    metrics.DeepEmbeddedValidation,
]
MODELS = {
    "bare": lambda: AdaptedClassifier(steps=30, random_state=0),
    "in a pipeline": lambda: skada.make_da_pipeline(AdaptedClassifier(steps=30, random_state=0)),
    "shallow": lambda: skada.make_da_pipeline(
        adapters.get("coral")(), LogisticRegression().set_score_request(sample_weight=True)
    ),
}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("scorer", SCORERS, ids=lambda kind: kind.__name__)
def test_scorers(model, scorer, packed):
    X, y, domain = packed
    found = cross_validate(
        MODELS[model](),
        X,
        y,
        params={"sample_domain": domain},
        scoring=scorer(),
        cv=splitters.SourceTargetShuffleSplit(n_splits=2, random_state=0),
        error_score="raise",
    )
    assert np.isfinite(found["test_score"]).all()


@pytest.mark.parametrize(
    "splitter",
    [
        splitters.SourceTargetShuffleSplit(n_splits=1, random_state=0),
        splitters.DomainShuffleSplit(n_splits=1, random_state=0),
        splitters.StratifiedDomainShuffleSplit(n_splits=1, random_state=0),
    ],
    ids=lambda splitter: type(splitter).__name__,
)
def test_splitters(splitter, packed):
    X, y, domain = packed
    search = GridSearchCV(
        AdaptedClassifier(steps=20, random_state=0),
        {"algorithm": ["source-only", "dann"]},
        scoring=metrics.PredictionEntropyScorer(),
        cv=splitter,
        error_score="raise",
    )
    search.fit(X, y, sample_domain=domain)
    assert search.predict(X[domain < 0]).shape == (110,)


@pytest.mark.parametrize("name", adapters.names())
def test_every_shallow_adapter_in_a_pipeline(name, packed):
    X, y, domain = packed
    adapter = adapters.get(name)()
    if hasattr(adapter, "transform"):
        model = skada.make_da_pipeline(adapter, LogisticRegression())
    elif hasattr(adapter, "predict"):
        model = skada.make_da_pipeline(adapter)
    else:
        pytest.skip("weighs rows, for a classifier to use")
    model.fit(X, y, sample_domain=domain)
    assert model.predict(X[domain < 0], sample_domain=domain[domain < 0]).shape == (110,)
