"""The autoencoders against the paper's own normal equations, in float64 and as they are printed."""

import numpy as np
import pytest
from scipy import sparse

from acclimate.core.errors import InputError
from acclimate.shallow.msda import MSDA


def printed(rows, layers, corruption, ridge):
    """Chen et al.: W = P Q⁻¹ with the bias as a last, uncorrupted feature; all layers side by side."""
    below, outputs, maps = rows.T, [rows], []
    for _ in range(layers):
        width, count = below.shape
        inputs = np.vstack([below, np.ones(count)])
        stay = np.r_[np.full(width, 1 - corruption), 1.0]
        scatter = inputs @ inputs.T
        Q = scatter * np.outer(stay, stay)
        np.fill_diagonal(Q, np.diag(scatter) * stay)
        P = scatter[:-1] * stay
        W = np.linalg.solve((Q + ridge * np.diag(np.r_[np.ones(width), 0.0])).T, P.T).T
        below = np.tanh(W @ inputs)
        outputs.append(below.T)
        maps.append(W)
    return np.hstack(outputs), maps


def counts(rows, columns, seed=0):
    draws = np.random.default_rng(seed)
    return (draws.poisson(1.0, (rows, columns)) * (draws.random((rows, columns)) < 0.3)).astype(
        float
    )


@pytest.mark.parametrize(("rows", "columns"), [(30, 50), (50, 12)])
@pytest.mark.parametrize("corruption", [0.5, 0.2])
def test_normal_equations_of_the_paper(rows, columns, corruption):
    X, new = counts(rows, columns), counts(9, columns, seed=1)
    expected, maps = printed(X, 3, corruption, 1e-2)
    fitted = MSDA(3, corruption=corruption, ridge=1e-2)
    np.testing.assert_allclose(fitted.fit_transform(X), expected, atol=2e-4)
    np.testing.assert_allclose(fitted.transform(X), expected, atol=2e-4)
    below = new
    for number, W in enumerate(maps, 1):
        below = np.tanh(below @ W[:, :-1].T + W[:, -1])
        np.testing.assert_allclose(
            fitted.transform(new)[:, number * columns : (number + 1) * columns], below, atol=2e-4
        )


def test_both_domains_are_learnt_from():
    source, target = counts(20, 30), counts(25, 30, seed=1)
    together = MSDA(2).fit(np.vstack([source, target]))
    apart = MSDA(2).fit(source, X_target=target)
    np.testing.assert_allclose(apart.transform(target), together.transform(target), atol=1e-5)


def test_sparse_is_dense():
    source, target = counts(20, 30), counts(25, 30, seed=1)
    dense = MSDA(2).fit_transform(source, X_target=target)
    thin = MSDA(2)
    found = thin.fit_transform(sparse.csr_matrix(source), X_target=sparse.csr_matrix(target))
    np.testing.assert_allclose(found, dense, atol=1e-6)
    np.testing.assert_allclose(thin.transform(sparse.csr_matrix(source)), dense, atol=1e-4)


def test_features_that_never_occur_say_nothing():
    X = counts(20, 6)
    X[:, 2] = 0
    fitted = MSDA(1).fit(X)
    new = np.zeros((1, 6))
    quiet = fitted.transform(new)
    new[0, 2] = 5
    np.testing.assert_array_equal(fitted.transform(new)[:, 6:], quiet[:, 6:])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"corruption": 1.0}, "corruption is 1.0"),
        ({"n_layers": 0}, "n_layers is 0"),
        ({"ridge": 0.0}, "ridge is 0.0"),
    ],
)
def test_impossible_options(options, words):
    with pytest.raises(InputError, match=words):
        MSDA(**options).fit(counts(5, 4))


def test_names():
    fitted = MSDA(2).fit(counts(5, 2))
    assert list(fitted.get_feature_names_out()) == [
        "x0", "x1", "hidden1_x0", "hidden1_x1", "hidden2_x0", "hidden2_x1",
    ]  # fmt: skip
