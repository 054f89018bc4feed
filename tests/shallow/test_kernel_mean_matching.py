"""Kernel mean matching against scipy's SLSQP and against skada."""

import numpy as np
import pytest
import sklearn
from scipy.optimize import minimize
from scipy.spatial.distance import cdist
from sklearn.exceptions import ConvergenceWarning

from acclimate.core.errors import InputError
from acclimate.shallow.kernel_mean_matching import KernelMeanMatching, matched


@pytest.fixture
def rows():
    draws = np.random.default_rng(0)
    return draws.normal(size=(40, 3)), draws.normal(size=(35, 3)) * 0.7 + 0.6


def problem(X, X_target, width):
    """K and κ of the paper, written down once more."""
    kernel = np.exp(-(cdist(X, X) ** 2) / (2 * width**2))
    return kernel, len(X) * np.exp(-(cdist(X, X_target) ** 2) / (2 * width**2)).mean(1)


def by_slsqp(kernel, means, largest, tolerance):
    count = len(means)
    found = minimize(
        lambda weights: weights @ kernel @ weights / 2 - means @ weights,
        np.ones(count),
        jac=lambda weights: kernel @ weights - means,
        method="SLSQP",
        bounds=[(0, largest)] * count,
        constraints=[
            {"type": "ineq", "fun": lambda weights: weights.mean() - 1 + tolerance},
            {"type": "ineq", "fun": lambda weights: 1 + tolerance - weights.mean()},
        ],
        options={"ftol": 1e-13, "maxiter": 1000},
    )
    assert found.success
    return found.x / found.x.mean()


@pytest.mark.parametrize("width", [0.3, 1.0, None])
@pytest.mark.parametrize(
    ("largest", "tolerance"), [(1000.0, None), (2.0, 0.1), (1.5, 0.0), (1000.0, 0.01)]
)
def test_weights_are_those_of_slsqp(rows, width, largest, tolerance):
    estimator = KernelMeanMatching(
        width, largest_weight=largest, mean_tolerance=tolerance, tol=1e-10, max_iter=100_000
    )
    found = estimator.fit(rows[0], X_target=rows[1])
    used = 1 - 40**-0.5 if tolerance is None else tolerance
    expected = by_slsqp(*problem(*rows, found.width_), largest, used)
    np.testing.assert_allclose(found.weights_, expected, atol=2e-3)


@pytest.mark.parametrize("tolerance", [0.0, 0.05, 0.5])
def test_two_rows_around_one_have_a_closed_form(tolerance):
    """At ±½ around the target at 0, without bounds, each has 2 k(½) / (1 + k(1)) = 1.099, before scaling."""
    kernel, means = problem(np.array([[-0.5], [0.5]]), np.zeros((1, 1)), 1.0)
    bounds = KernelMeanMatching(mean_tolerance=tolerance)._bounds(2)
    found, gap, _ = matched(kernel, means, bounds, tol=1e-12, max_iter=1000)
    free = 2 * np.exp(-1 / 8) / (1 + np.exp(-1 / 2))
    np.testing.assert_allclose(found, min(free, 1 + tolerance), rtol=1e-5)
    assert gap <= 1e-12


def test_the_tolerance_is_kept(rows):
    """The sum of the source's embedding is as near to the target's as ``tol`` says, and needs fewer steps."""
    kernel, means = problem(*rows, 1.0)
    settings = {"width": 1.0, "mean_tolerance": 0.0}
    fits = [
        KernelMeanMatching(**settings, tol=tol).fit(rows[0], X_target=rows[1])
        for tol in (1e-9, 1e-3)
    ]
    heights = [(fit.weights_ @ kernel @ fit.weights_ / 2 - means @ fit.weights_) for fit in fits]
    assert 0 < (heights[1] - heights[0]) / 40**2 < 1e-3
    assert fits[1].n_iter_ < fits[0].n_iter_


def test_too_few_steps_are_said_to_be(rows):
    with pytest.warns(ConvergenceWarning, match="stopped after 3 steps"):
        KernelMeanMatching(tol=1e-9, max_iter=3).fit(rows[0], X_target=rows[1])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"width": 0}, "width is 0; give more than 0"),
        ({"largest_weight": 0.5, "mean_tolerance": 0.1}, "at most 0.5 have a mean within 0.1 of 1"),
        ({"mean_tolerance": -1}, "within -1 of 1"),
    ],
)
def test_impossible_settings_are_refused(rows, settings, words):
    with pytest.raises(InputError, match=words):
        KernelMeanMatching(**settings).fit(rows[0], X_target=rows[1])


def test_against_skada(rows):
    """The same programme by Frank and Wolfe's steps or by scipy; its weights are not scaled to mean 1."""
    # importing it switches metadata routing on
    with sklearn.config_context():
        skada = pytest.importorskip("skada", exc_type=ImportError)
        theirs = skada.KMMReweightAdapter(gamma=0.5, solver="scipy", tol=1e-12, max_iter=1000)
        domain = np.repeat([1, -2], [40, 35])
        weights = theirs.fit(np.concatenate(rows), sample_domain=domain).source_weights_
    found = KernelMeanMatching(1.0, tol=1e-10, max_iter=100_000).fit(rows[0], X_target=rows[1])
    np.testing.assert_allclose(found.weights_, weights / weights.mean(), atol=2e-3)
