"""Projections and linear programmes against scipy's solvers."""

import numpy as np
import pytest
from scipy.optimize import linprog, minimize

from acclimate.shallow.weighted_sums import Bounds, least_sum, nearest_within

every_bounds = pytest.mark.parametrize(
    "bounds",
    [Bounds(2, 8, 12), Bounds(2, 0, 3), Bounds(1.5, 13, 14), Bounds(2, 6, 6), Bounds(1, 10, 10)],
)


@every_bounds
@pytest.mark.parametrize("seed", range(5))
def test_the_nearest_weights_are_those_of_slsqp(bounds, seed):
    values = np.random.default_rng(seed).normal(0.5, 2, size=10)
    expected = minimize(
        lambda weights: ((weights - values) ** 2).sum(),
        np.full(10, bounds.least_total / 10),
        jac=lambda weights: 2 * (weights - values),
        method="SLSQP",
        bounds=[(0, bounds.largest)] * 10,
        constraints=[
            {"type": "ineq", "fun": lambda weights: weights.sum() - bounds.least_total},
            {"type": "ineq", "fun": lambda weights: bounds.largest_total - weights.sum()},
        ],
        options={"ftol": 1e-14},
    )
    np.testing.assert_allclose(nearest_within(values, bounds), expected.x, atol=1e-6)


@every_bounds
@pytest.mark.parametrize("seed", range(5))
def test_the_least_sum_is_that_of_a_linear_programme(bounds, seed):
    costs = np.random.default_rng(seed).normal(size=10)
    ones = np.ones(10)
    expected = linprog(
        costs,
        A_ub=[ones, -ones],
        b_ub=[bounds.largest_total, -bounds.least_total],
        bounds=(0, bounds.largest),
    )
    assert least_sum(costs, bounds) == pytest.approx(expected.fun)
