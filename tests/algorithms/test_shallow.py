"""An adapter as a last layer: exact where it is linear, faithful where it is not, clear where it cannot be."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from acclimate.algorithms import LastLayerMaterial, algorithms, combination
from acclimate.core.errors import AcclimateError, ConfigurationError
from acclimate.shallow import adapters

NAMES = adapters.names()


def clouds(seed=0, items=90, width=8, moved=1.0):
    draws = np.random.default_rng(seed)
    labels = np.arange(items) % 3
    centres = 3 * draws.normal(size=(3, width))
    source, target = (centres[labels] + draws.normal(size=(items, width)) for _ in range(2))
    return LastLayerMaterial(
        torch.from_numpy(source).float(),
        torch.from_numpy(labels),
        torch.from_numpy(target + moved).float(),
        3,
        lambda layer: 0.0,
        0,
    )


def logits_of(layer, features):
    return torch.addmm(layer.bias, features, layer.weight.T).numpy()


@pytest.mark.parametrize("name", NAMES)
def test_every_adapter_becomes_a_layer_that_tells_the_target_s_classes(name):
    given = clouds()
    layer = algorithms.get("shallow")(adapter=name).last_layer(given)
    assert layer.weight.shape == (3, 8)
    right = logits_of(layer, given.target_features).argmax(1) == given.source_labels.numpy()
    assert right.mean() > 0.8
    assert layer.note.startswith(name if name != "importance-weighted" else "importance")


@pytest.mark.parametrize("name", ["coral", "subspace-alignment", "linear-optimal-transport"])
def test_a_linear_adapter_and_its_regression_are_one_layer_exactly(name):
    given = clouds(moved=2.0)
    source, target = (x.double().numpy() for x in (given.source_features, given.target_features))
    layer = algorithms.get("shallow")(adapter=name, c=0.1).last_layer(given)
    adapter = adapters.get(name)()
    adapted = adapter.fit_transform(source, X_target=target)
    mean, scale = adapted.mean(0), adapted.std(0).mean()
    regression = LogisticRegression(C=0.1, max_iter=500).fit(
        (adapted - mean) / scale, given.source_labels.numpy()
    )
    expected = regression.decision_function((adapter.transform(target) - mean) / scale)
    assert np.allclose(logits_of(layer, given.target_features), expected, atol=1e-3)


def test_a_classifier_is_kept_as_the_note_says():
    given = clouds(moved=2.0)
    layer = algorithms.get("shallow")(adapter="label-propagation").last_layer(given)
    source, target = given.source_features.double().numpy(), given.target_features.double().numpy()
    predicted = (
        adapters.get("label-propagation")()
        .fit(source, given.source_labels.numpy(), X_target=target)
        .predict(target)
    )
    kept = (logits_of(layer, given.target_features).argmax(1) == predicted).mean()
    assert f"keeps {100 * kept:.1f} %" in layer.note


def test_options_reach_the_adapter_and_wrong_ones_are_named():
    given = clouds()
    made = algorithms.get("shallow")(
        adapter="subspace-alignment", adapter_options={"n_components": 2}
    ).last_layer(given)
    assert np.linalg.matrix_rank(made.weight.numpy(), tol=1e-4) <= 2
    for adapter, option, said in (
        ("coral", "regularization", "no option 'regularization'.*regularisation"),
        ("importance-weighted", "folds", "importance-weighted has no option 'folds'"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            combination.make("shallow", {"adapter": adapter, "adapter_options": {option: 2}})
    # the options of a weighting are discriminator-weights' own
    one_fold = {"adapter": "importance-weighted", "adapter_options": {"cv": 1}}
    with pytest.raises(AcclimateError, match="cv is 1"):
        combination.make("shallow", one_fold).last_layer(given)
    with pytest.raises(ConfigurationError, match=r"unknown adapter 'corral'.*coral"):
        algorithms.get("shallow").build("algorithm", {"adapter": "corral"})


def test_an_adapter_that_does_not_fit_says_so_in_one_line():
    given = clouds(items=12)
    wide = algorithms.get("shallow")(
        adapter="subspace-alignment", adapter_options={"n_components": 500}
    )
    with pytest.raises(AcclimateError, match="500 components") as caught:
        wide.last_layer(given)
    assert "\n" not in str(caught.value)
