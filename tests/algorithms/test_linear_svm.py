"""The machine against scikit-learn's own, its mirror images and its closed forms."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from acclimate.algorithms import linear_svm
from acclimate.algorithms.base import LastLayerMaterial
from acclimate.algorithms.linear_svm import GRID, LinearMachine, LinearSvm
from acclimate.core.errors import ConfigurationError


def clouds(items, classes, width=5, seed=0):
    """Overlapping clouds whose features have unlike means and scales."""
    random = np.random.default_rng(seed)
    labels = np.arange(items) % classes
    features = 1.5 * np.eye(classes, width)[labels] + random.normal(size=(items, width))
    return features * np.geomspace(0.1, 30, width) + np.arange(width), labels


def material(features, labels, class_count, seed=0):
    return LastLayerMaterial(
        torch.from_numpy(features).float(),
        torch.from_numpy(labels),
        torch.from_numpy(features).float() + 1,
        class_count,
        lambda layer: pytest.fail("C is chosen on the source alone"),
        seed,
    )


def scores(layer, features):
    return features @ layer.weight.double().numpy().T + layer.bias.double().numpy()


@pytest.mark.parametrize("c", [1e-3, 1.0])
@pytest.mark.parametrize("items", [120, 6])  # fewer items than features are solved in the dual
def test_layer_is_the_machine_on_standardised_features(c, items):
    features, labels = clouds(items, 3, width=8)
    layer = LinearSvm(c=c).last_layer(material(features, labels, 3))
    pipeline = make_pipeline(
        StandardScaler(), LinearSVC(C=c, dual=items < 8, max_iter=100_000, tol=1e-6)
    ).fit(features, labels)
    expected = pipeline.decision_function(features)
    np.testing.assert_allclose(scores(layer, features), expected, atol=2e-3)
    assert layer.weight.dtype == layer.bias.dtype == torch.float32
    assert f"C = {c:g}" in layer.note


def test_two_classes_mirror_each_other():
    features, labels = clouds(80, 2)
    layer = LinearSvm(c=0.1).last_layer(material(features, labels, 2))
    machine = make_pipeline(StandardScaler(), LinearSVC(C=0.1, dual=False)).fit(features, labels)
    found = scores(layer, features)
    np.testing.assert_allclose(found[:, 1], machine.decision_function(features), atol=1e-4)
    np.testing.assert_allclose(found[:, 0], -found[:, 1], atol=1e-4)
    assert (found.argmax(1) == machine.predict(features)).all()


def test_a_class_without_items_is_always_refused():
    features, labels = clouds(90, 3)
    layer = LinearSvm(c=0.1).last_layer(material(features, 2 * labels, 6))
    absent = scores(layer, features)[:, [1, 3, 5]]
    assert (absent == -1).all()
    three = LinearSvm(c=0.1).last_layer(material(features, labels, 3))
    torch.testing.assert_close(layer.weight[::2], three.weight)


def test_two_classes_of_four():
    features, labels = clouds(90, 2)
    layer = LinearSvm(c=0.1).last_layer(material(features, 1 + 2 * labels, 4))
    found = scores(layer, features)
    assert (found[:, [0, 2]] == -1).all()
    np.testing.assert_allclose(found[:, 1], -found[:, 3], atol=1e-4)


def test_a_single_class_or_item_is_said_always():
    layer = LinearSvm().last_layer(material(np.ones((1, 4)), np.array([2]), 3))
    assert layer.bias.tolist() == [-1, -1, 1]
    assert not layer.weight.any()


def test_a_unit_that_is_always_off_changes_nothing():
    features, labels = clouds(90, 3)
    features[:, 2] = 0.3
    with_dead = LinearMachine(3, 0).fit(features, labels, 0.1)
    without = LinearMachine(3, 0).fit(np.delete(features, 2, axis=1), labels, 0.1)
    np.testing.assert_allclose(np.delete(with_dead[0], 2, axis=1), without[0], atol=1e-5)
    assert np.isfinite(with_dead[0]).all()


def test_scale_of_the_features_does_not_matter():
    """Each by its own deviation; together, only one factor for all."""
    features, labels = clouds(90, 3)
    factors = np.array([1e-3, 1.0, 10.0, 1e3, 5.0])
    for together, change in ((False, factors), (True, 1e3)):
        machine = LinearMachine(3, 0, together)
        weight, bias = machine.fit(features, labels, 0.1)
        other_weight, other_bias = machine.fit(features * change + 7, labels, 0.1)
        expected = features @ weight.T + bias
        found = (features * change + 7) @ other_weight.T + other_bias
        np.testing.assert_allclose(found, expected, atol=1e-4)
    unlike = LinearMachine(3, 0, True).fit(features * factors, labels, 0.1)
    together_scores = features * factors @ unlike[0].T + unlike[1]
    assert not np.allclose(together_scores, expected, atol=1e-2)


def test_c_is_the_best_on_held_out_items():
    """Many useless features: a stiff machine generalises better than a soft one."""
    random = np.random.default_rng(3)
    labels = random.integers(0, 2, 150)
    features = random.normal(size=(150, 60))
    features[:, 0] += 1.2 * labels
    machine = LinearMachine(2, seed=5)
    chosen = machine.chosen_c(features, labels)
    order = np.random.default_rng(5).permutation(150)
    held, kept = order[:30], order[30:]
    by_hand = {
        c: make_pipeline(StandardScaler(), LinearSVC(C=c, dual=False))
        .fit(features[kept], labels[kept])
        .score(features[held], labels[held])
        for c in GRID
    }
    assert chosen == max(GRID, key=by_hand.get)
    assert by_hand[chosen] > min(by_hand.values())
    assert f"C = {chosen:g}" in LinearSvm().last_layer(material(features, labels, 2, seed=5)).note


@settings(max_examples=25, deadline=None)
@given(
    items=st.integers(1, 12),
    width=st.integers(1, 6),
    classes=st.integers(1, 4),
    seed=st.integers(0, 2**63 - 1),
)
def test_any_small_material_gives_finite_numbers(items, width, classes, seed):
    random = np.random.default_rng(seed)
    features = np.maximum(random.normal(size=(items, width)), 0)
    labels = random.integers(0, classes, items)
    first, second = (
        LinearSvm().last_layer(material(features, labels, classes, seed)) for _ in range(2)
    )
    assert first.weight.shape == (classes, width)
    assert first.bias.shape == (classes,)
    assert torch.isfinite(first.weight).all()
    assert torch.isfinite(first.bias).all()
    assert torch.equal(first.weight, second.weight)


def test_c_must_be_positive():
    with pytest.raises(ConfigurationError, match=r"c: .*greater than 0"):
        LinearSvm.build("algorithm linear-svm", {"c": 0})


def test_of_many_items_some_decide_about_c(monkeypatch):
    features, labels = clouds(400, 3)
    seen = []
    fit = LinearMachine.fit
    monkeypatch.setattr(linear_svm, "CHOICE", 100)
    monkeypatch.setattr(
        LinearMachine, "fit", lambda self, x, y, c: seen.append(len(x)) or fit(self, x, y, c)
    )
    LinearSvm().last_layer(material(features, labels, 3))
    assert seen == [80] * len(GRID) + [400]
