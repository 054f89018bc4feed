"""CORAL against matrix powers of scipy, and what it may not do where features are many."""

import tracemalloc

import numpy as np
import pytest
from scipy.linalg import fractional_matrix_power

from acclimate.core.errors import InputError
from acclimate.shallow.coral import CORAL

SHAPES = {"more rows": (60, 5), "more features": (12, 40), "as many": (15, 15)}


def correlated(rows, features, seed):
    draws = np.random.default_rng(seed)
    return draws.normal(size=(rows, features)) @ draws.normal(size=(features, features)) + 2


def by_scipy(X, X_target, regularisation):
    ridge = regularisation * np.eye(X.shape[1])
    whitening = fractional_matrix_power(np.cov(X.T) + ridge, -0.5)
    colouring = fractional_matrix_power(np.cov(X_target.T) + ridge, 0.5)
    return X_target.mean(axis=0) + (X - X.mean(axis=0)) @ whitening @ colouring


@pytest.mark.parametrize("regularisation", [1.0, 1e-3])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_it_is_the_matrix_powers_of_the_paper(shape, regularisation):
    X, X_target = correlated(*shape, 0), correlated(shape[0] + 7, shape[1], 1)
    found = CORAL(regularisation).fit_transform(X, X_target=X_target)
    np.testing.assert_allclose(found, by_scipy(X, X_target, regularisation), rtol=1e-7, atol=1e-9)


def test_rows_that_fit_never_saw_are_mapped_alike_where_features_are_many():
    X, X_target, new = (correlated(10, 30, seed) for seed in range(3))
    found = CORAL().fit(X, X_target=X_target).transform(new, sample_domain=np.zeros(10))
    whitening = fractional_matrix_power(np.cov(X.T) + np.eye(30), -0.5)
    colouring = fractional_matrix_power(np.cov(X_target.T) + np.eye(30), 0.5)
    expected = X_target.mean(axis=0) + (new - X.mean(axis=0)) @ whitening @ colouring
    np.testing.assert_allclose(found, expected, rtol=1e-8)


def test_features_that_never_vary_or_repeat_others():
    X, X_target = correlated(60, 4, 0), correlated(50, 4, 1)
    X, X_target = (np.c_[each, each[:, :1], np.full(len(each), 3.0)] for each in (X, X_target))
    found = CORAL().fit_transform(X, X_target=X_target)
    np.testing.assert_allclose(found, by_scipy(X, X_target, 1.0), rtol=1e-7)


def test_without_regularisation_the_moments_become_the_target_s():
    X, X_target = correlated(60, 5, 0), correlated(50, 5, 1)
    found = CORAL(regularisation=0).fit_transform(X, X_target=X_target)
    np.testing.assert_allclose(found.mean(axis=0), X_target.mean(axis=0))
    np.testing.assert_allclose(np.cov(found.T), np.cov(X_target.T), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_the_same_domain_twice_changes_nothing(shape):
    X = correlated(*shape, 0)
    np.testing.assert_allclose(CORAL().fit_transform(X, X_target=X), X, rtol=1e-9)


def test_target_rows_are_handed_out_as_they_are_but_not_themselves(source, target):
    mapped = CORAL().fit(source[0], X_target=target[0]).transform(target[0])
    np.testing.assert_array_equal(mapped, target[0])
    assert not np.shares_memory(mapped, target[0])


def test_no_square_matrix_of_many_features():
    X, X_target = (np.random.default_rng(seed).normal(size=(20, 2000)) for seed in (0, 1))
    tracemalloc.start()
    CORAL().fit_transform(X, X_target=X_target)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < X.nbytes * 15 < 2000 * 2000 * 8


def test_variances_far_above_the_regularisation_in_float32():
    X, X_target = (100 * correlated(30, 50, seed) for seed in (0, 1))
    found = CORAL().fit_transform(X.astype(np.float32), X_target=X_target.astype(np.float32))
    assert found.dtype == np.float32
    deviation = abs(found - by_scipy(X, X_target, 1.0))
    assert deviation.max() < 1e-3 * X_target.std()


@pytest.mark.parametrize(
    ("regularisation", "rows", "words"),
    [
        (-1.0, 60, "regularisation is -1.0"),
        (np.nan, 60, "regularisation is nan"),
        (0, 4, "4 rows of the source vary along 3 directions of 5, and none of the target's"),
    ],
)
def test_what_cannot_be_whitened_is_said(source, target, regularisation, rows, words):
    with pytest.raises(InputError, match=words):
        CORAL(regularisation).fit(source[0][:rows], X_target=target[0])
