"""uLSIF's closed forms against a numerical minimum and against refits with rows left out."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import norm

from acclimate.core.errors import InputError
from acclimate.shallow.ulsif import ULSIF, least_squares, leave_one_out_losses

alphas = pytest.mark.parametrize("alpha", [0.0, 0.1, 0.5])


def kernels(seed, source=25, target=18, centres=6):
    draws = np.random.default_rng(seed)
    return draws.random((source, centres)), draws.random((target, centres)) ** 2


def loss(source, target, coefficients, alpha):
    """Equation 5 of the paper; RuLSIF's equation 4 where alpha is above 0."""
    squares = alpha * ((target @ coefficients) ** 2).mean()
    squares += (1 - alpha) * ((source @ coefficients) ** 2).mean()
    return squares / 2 - (target @ coefficients).mean()


@alphas
@pytest.mark.parametrize("seed", range(3))
def test_coefficients_are_those_of_the_least_loss(seed, alpha):
    source, target = kernels(seed)
    expected = minimize(
        lambda alphas: loss(source, target, alphas, alpha) + 0.2 / 2 * alphas @ alphas,
        np.zeros(6),
        tol=1e-10,
    ).x
    assert (expected < -0.01).any() or seed
    found = least_squares(source, target, 0.2, alpha)
    np.testing.assert_allclose(found, expected.clip(0), atol=1e-5)


@alphas
@pytest.mark.parametrize("sizes", [(25, 18), (12, 30), (2, 9)])
def test_leaving_one_out_is_fitting_again_without_it(sizes, alpha):
    source, target = kernels(0, *sizes)
    penalties = [0.01, 0.3, 5.0]
    expected = np.zeros(3)
    for number, penalty in enumerate(penalties):
        for row in range(min(sizes)):
            rest = np.delete(source, row, 0), np.delete(target, row, 0)
            coefficients = least_squares(*rest, penalty, alpha)
            expected[number] += loss(source[[row]], target[[row]], coefficients, alpha)
    found = leave_one_out_losses(source, target, penalties, alpha)
    np.testing.assert_allclose(found, expected / min(sizes), rtol=1e-8)


@pytest.mark.parametrize(("alpha", "close"), [(0.0, 0.3), (0.5, 0.15)])
def test_the_ratio_of_two_normal_distributions(alpha, close):
    draws = np.random.default_rng(0)
    X, X_target = draws.normal(size=(800, 1)), draws.normal(0.5, 0.6, size=(800, 1))
    at = np.linspace(-0.5, 1.5, 9)
    densities = norm.pdf(at), norm.pdf(at, 0.5, 0.6)
    expected = densities[1] / (alpha * densities[1] + (1 - alpha) * densities[0])
    fitted = ULSIF(alpha=alpha).fit(X, X_target=X_target)
    np.testing.assert_allclose(fitted.score_samples(at[:, None]), expected, rtol=close)


def test_a_relative_ratio_stays_within_its_bound():
    """At most 1 / alpha, however far the domains are apart, where the plain ratio goes on growing."""
    draws = np.random.default_rng(0)
    X, X_target = draws.normal(size=(300, 1)), draws.normal(3, 1, size=(300, 1))
    largest = [
        ULSIF(alpha=alpha).fit(X, X_target=X_target).score_samples(X_target).max()
        for alpha in (0.0, 0.5)
    ]
    assert largest[1] < 2 * 1.15
    assert largest[0] > 2 * largest[1]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"alpha": 1.0}, "alpha is 1.0; give 0 or more, and less than 1"),
        ({"penalties": [0.0, 1.0]}, "give one or more above 0"),
        ({"penalties": []}, r"penalties are \[\]"),
        ({"n_centres": 0}, "ULSIF: n_centres is 0"),
    ],
)
def test_impossible_settings_are_refused(source, target, settings, words):
    with pytest.raises(InputError, match=words):
        ULSIF(**settings).fit(*source, X_target=target[0])
