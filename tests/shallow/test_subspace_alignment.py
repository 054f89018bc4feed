"""Axes by inner products are those of the features' covariance, and left alone where they would not be."""

import numpy as np
import pytest

from acclimate.shallow.subspace_alignment import SubspaceAlignment, _of_few


def draw(count, seed, width=80):
    draws = np.random.default_rng(seed)
    return draws.normal(size=(count, width)) * np.linspace(3, 0.5, width) + 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_axes_of_few_rows_are_the_covariances(dtype):
    rows = draw(40, 0).astype(dtype)
    found = _of_few(rows, 5)
    variances, axes = np.linalg.eigh(np.cov(rows.T.astype(np.float64)))
    wanted = axes[:, ::-1][:, :5]
    assert found.axes.dtype == dtype
    np.testing.assert_allclose(abs(np.sum(found.axes * wanted, axis=0)), 1, atol=1e-4)
    np.testing.assert_allclose(found.shares, variances[::-1][:5] / variances.sum(), rtol=1e-4)


def test_few_and_many_rows_give_the_published_map():
    for count in (40, 100):  # by inner products, and by the features
        source, target = draw(count, 1), draw(count, 2)
        aligned = SubspaceAlignment(5).fit(source, X_target=target)
        bases = [np.linalg.svd(rows - rows.mean(0))[2][:5].T for rows in (source, target)]
        own, others = bases
        expected = (source - source.mean(0)) @ own @ own.T @ others
        found = aligned.transform(source, sample_domain=np.zeros(count))
        np.testing.assert_allclose(abs(found), abs(expected), atol=1e-6)


def test_dependent_and_many_rows_are_left_to_the_solver_of_features():
    twice = np.repeat(draw(4, 0), 10, axis=0)
    assert _of_few(twice, 5) is None
    assert _of_few(draw(100, 0), 5) is None
    assert SubspaceAlignment(5).fit(twice, X_target=draw(40, 1)).target_map_.shape == (80, 5)
