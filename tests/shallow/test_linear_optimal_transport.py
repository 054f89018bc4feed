"""The Gaussian transport map against POT, and what a transport map keeps."""

import numpy as np
import ot.gaussian
import pytest

from acclimate.core.errors import InputError
from acclimate.shallow.linear_optimal_transport import LinearOptimalTransport


def moments(X):
    return X.mean(axis=0), np.cov(X.T, bias=True)


@pytest.mark.parametrize("regularisation", [0.0, 1e-6, 0.1])
def test_it_is_the_map_of_pot(source, target, regularisation):
    X, X_target = source[0], target[0]
    ridge = regularisation * (X.var(axis=0).mean() + X_target.var(axis=0).mean()) / 2
    A, b = ot.gaussian.empirical_bures_wasserstein_mapping(X, X_target, reg=ridge)
    fitted = LinearOptimalTransport(regularisation).fit(X, X_target=X_target)
    np.testing.assert_allclose(fitted.map_, A, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(fitted.transform(X, np.zeros(len(X))), X @ A + b, rtol=1e-8)


def test_moments_become_the_target_s_at_the_least_cost(source, target):
    X, X_target = source[0], target[0]
    moved = LinearOptimalTransport(0).fit_transform(X, X_target=X_target)
    for found, wanted in zip(moments(moved), moments(X_target), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-8, atol=1e-10)
    least = ot.gaussian.bures_wasserstein_distance(
        *(each[part] for part in (0, 1) for each in (moments(X), moments(X_target)))
    )
    assert np.sqrt(((moved - X) ** 2).sum(axis=1).mean()) == pytest.approx(least)


def test_there_and_back_is_the_identity(source, target):
    there = LinearOptimalTransport(0).fit(source[0], X_target=target[0]).map_
    back = LinearOptimalTransport(0).fit(target[0], X_target=source[0]).map_
    np.testing.assert_allclose(there @ back, np.eye(5), atol=1e-9)
    np.testing.assert_allclose(there, there.T, atol=1e-12)


def test_other_units_give_the_same_rows_in_other_units(source, target):
    transport = LinearOptimalTransport(regularisation=0.1)
    plain = transport.fit_transform(source[0], X_target=target[0])
    small = transport.fit_transform(1e-5 * source[0], X_target=1e-5 * target[0])
    np.testing.assert_allclose(small, 1e-5 * plain, rtol=1e-9)


def test_one_feature_is_scaled_by_the_ratio_of_deviations():
    X, X_target = np.array([[0.0], [2.0]]), np.array([[5.0], [11.0]])
    moved = LinearOptimalTransport(0).fit_transform(X, X_target=X_target)
    np.testing.assert_allclose(moved, X_target)


def test_more_features_than_rows():
    """Along the source's own axes nothing is singular, and both sides have so many rows."""
    draws = np.random.default_rng(0)
    X, X_target = draws.normal(size=(8, 30)), draws.normal(size=(9, 30)) + 1
    X_target[:, 10:] = 1
    fitted = LinearOptimalTransport().fit(X, X_target=X_target)
    moved = fitted.transform(X, np.zeros(8))
    np.testing.assert_allclose(moved.mean(axis=0), X_target.mean(axis=0))
    assert np.isfinite(moved).all()
    A, b = ot.gaussian.empirical_bures_wasserstein_mapping(
        X, X_target, reg=1e-6 * (X.var(axis=0).mean() + X_target.var(axis=0).mean()) / 2
    )
    np.testing.assert_allclose(moved, X @ A + b, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("regularisation", "change", "words"),
    [
        (-1.0, lambda X: X, "regularisation is -1.0"),
        (0, lambda X: X[:4], "no variance in the source, .* the target's; raise regularisation$"),
    ],
)
def test_what_has_no_map_is_said(source, target, regularisation, change, words):
    with pytest.raises(InputError, match=words):
        LinearOptimalTransport(regularisation).fit(change(source[0]), X_target=target[0])


def test_domains_without_any_variance_are_refused():
    with pytest.raises(InputError, match="give rows that differ"):
        LinearOptimalTransport().fit(np.ones((4, 3)), X_target=np.zeros((5, 3)))
