"""Distances and kernels against scipy and scikit-learn."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.metrics.pairwise import rbf_kernel

from acclimate.shallow.gaussian import gaussian, median_distance, squared_distances


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_distances_are_right_far_from_the_origin_too(offset):
    draws = np.random.default_rng(0)
    rows, centres = draws.normal(size=(30, 4)) + offset, draws.normal(size=(20, 4)) + offset
    expected = cdist(rows, centres, "sqeuclidean")
    np.testing.assert_allclose(squared_distances(rows, centres), expected, rtol=1e-9)


def test_a_kernel_is_that_of_scikit_learn():
    rows = np.random.default_rng(0).normal(size=(30, 4))
    expected = rbf_kernel(rows, rows[:7], gamma=1 / (2 * 1.7**2))
    np.testing.assert_allclose(gaussian(squared_distances(rows, rows[:7]), 1.7), expected)


def test_the_median_is_that_of_all_pairs_or_of_enough():
    draws = np.random.default_rng(0)
    source, target = draws.normal(size=(100, 3)), draws.normal(size=(150, 3))
    expected = np.median(cdist(source, target))
    assert median_distance(source, target) == pytest.approx(expected)
    many = median_distance(np.tile(source, (30, 1)), np.tile(target, (20, 1)))
    assert many == pytest.approx(expected, rel=0.1)


def test_equal_rows_have_some_width_all_the_same():
    same = np.ones((5, 2))
    assert median_distance(same, same) == 1
    other = np.concatenate([same[:4], [[1.0, 4.0]]])
    assert median_distance(same, other) == pytest.approx(3 / 5)
