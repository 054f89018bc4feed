"""The updates against automatic differentiation of the saddle objective, and what λ does."""

import numpy as np
import pytest
import torch
from scipy import sparse

from acclimate.shallow.shallow_dann import ShallowDANN, Weights, _step

RATE, LAMBDA = 0.05, 0.3


def draw_weights(width=4, hidden=3, classes=2):
    draws = np.random.default_rng(0)
    shapes = [(width, hidden), hidden, (hidden, classes), classes, hidden, 1]
    return Weights(*(draws.normal(size=shape).astype(np.float32) for shape in shapes))


def by_autograd(weights, source, labels, target):
    """One step on L_y − λ L_d for W, b, V, c and on λ L_d for u, d, summed over the rows."""
    W, b, V, c, u, d = (
        torch.tensor(each, dtype=torch.float64, requires_grad=True) for each in weights
    )
    ours, theirs = (
        torch.sigmoid(torch.tensor(x, dtype=torch.float64) @ W + b) for x in (source, target)
    )
    told = -(
        torch.sigmoid(ours @ u + d).log().sum() + (1 - torch.sigmoid(theirs @ u + d)).log().sum()
    )
    classes = -(torch.log_softmax(ours @ V + c, 1) * torch.tensor(labels)).sum()
    down = torch.autograd.grad(classes - LAMBDA * told, [W, b, V, c], retain_graph=True)
    domain = torch.autograd.grad(LAMBDA * told, [u, d])
    moved = zip((W, b, V, c, u, d), (*down, *domain), strict=True)
    return [(value - RATE * gradient).detach().numpy() for value, gradient in moved]


@pytest.mark.parametrize("thin", [False, True])
@pytest.mark.parametrize("count", [1, 5])
def test_a_step_is_the_gradient_of_the_saddle_objective(count, thin):
    draws = np.random.default_rng(1)
    source, target = draws.normal(size=(2, count, 4)).astype(np.float32)
    labels = np.eye(2, dtype=np.float32)[draws.integers(0, 2, count)]
    weights = draw_weights()
    expected = by_autograd(weights, source, labels, target)
    kind = sparse.csr_matrix if thin else np.asarray
    _step(weights, kind(np.concatenate([source, target])), labels, LAMBDA, RATE)
    for found, wanted in zip(weights, expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=2e-6)


def test_without_weight_the_target_does_nothing(source, target):
    options = {"domain_weight": 0, "random_state": 0, "max_epochs": 5}
    first = ShallowDANN(**options).fit(*source, X_target=target[0])
    second = ShallowDANN(**options).fit(*source, X_target=target[0] + 9)
    np.testing.assert_array_equal(first.weights_.W, second.weights_.W)
    assert not first.weights_.u.any()


def test_domains_grow_alike(source, target):
    """A linear look at the hidden layer tells the domains apart less well than without the adversary."""
    from sklearn.linear_model import LogisticRegression

    def told(weight):
        model = ShallowDANN(
            15, weight, learning_rate=0.05, max_epochs=60, validation_fraction=0, random_state=0
        )
        model.fit(*source, X_target=target[0])
        hidden = model.hidden_layer(np.concatenate([source[0], target[0]]))
        domains = np.repeat([0, 1], [len(source[0]), len(target[0])])
        return LogisticRegression(C=100.0).fit(hidden, domains).score(hidden, domains)

    assert told(3.0) < told(0.0) - 0.05


def test_sparse_rows_give_the_same_model(source, target):
    dense = ShallowDANN(random_state=0, max_epochs=3).fit(*source, X_target=target[0])
    thin = ShallowDANN(random_state=0, max_epochs=3).fit(
        sparse.csr_matrix(source[0]), source[1], X_target=sparse.csr_matrix(target[0])
    )
    np.testing.assert_allclose(thin.weights_.W, dense.weights_.W, atol=1e-5)


def test_a_warm_start_goes_on(source, target):
    model = ShallowDANN(random_state=0, max_epochs=2, validation_fraction=0, warm_start=True)
    once = model.fit(*source, X_target=target[0]).weights_.W.copy()
    twice = model.fit(*source, X_target=target[0]).weights_.W
    cold = ShallowDANN(random_state=0, max_epochs=2, validation_fraction=0)
    np.testing.assert_array_equal(cold.fit(*source, X_target=target[0]).weights_.W, once)
    assert np.abs(twice - once).max() > 1e-3


def test_coordinates_begin_as_the_features_they_stand_for_would(source, target):
    options = {"hidden": 200, "max_epochs": 0, "random_state": 0}
    features = np.pad(source[0], [(0, 0), (0, 395)]), np.pad(target[0], [(0, 0), (0, 395)])
    wide = ShallowDANN(**options).fit(features[0], source[1], X_target=features[1])
    own = ShallowDANN(**options, fan_in=400).fit(*source, X_target=target[0])
    assert wide.weights_.W.shape == (400, 200)
    for model in (wide, own):
        np.testing.assert_allclose(model.weights_.W.std(), (2 / 600) ** 0.5, rtol=0.05)
    assert ShallowDANN(**options).fit(*source, X_target=target[0]).weights_.W.std() > 0.09
