"""KLIEP's optimum against scipy's SLSQP, its width against held-out likelihoods written out."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.spatial.distance import cdist
from scipy.stats import norm

from acclimate.core.errors import InputError
from acclimate.shallow.kliep import KLIEP, likeliest


def kernels(seed, width, centres=15):
    draws = np.random.default_rng(seed)
    X, X_target = draws.normal(size=(60, 2)), draws.normal(size=(50, 2)) * 0.8 + 0.5
    source, target = (
        np.exp(-(cdist(rows, X_target[:centres]) ** 2) / (2 * width**2)) for rows in (X, X_target)
    )
    return source, target


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("width", [0.3, 1.0, 3.0])
def test_the_likeliest_ratio_is_that_of_slsqp(seed, width):
    source, target = kernels(seed, width)
    means = source.mean(0)
    found = likeliest(target, means)
    expected = minimize(
        lambda alpha: -np.log(target @ alpha).mean(),
        np.full(15, 1 / means.sum()),
        jac=lambda alpha: -(1 / (target @ alpha)) @ target / len(target),
        method="SLSQP",
        bounds=[(0, None)] * 15,
        constraints={"type": "eq", "fun": lambda alpha: means @ alpha - 1, "jac": lambda _: means},
        options={"ftol": 1e-13, "maxiter": 1000},
    )
    assert (found >= 0).all()
    assert means @ found == pytest.approx(1)
    assert np.log(target @ found).mean() == pytest.approx(-expected.fun, abs=1e-5)
    np.testing.assert_allclose(source @ found, source @ expected.x, atol=2e-2)


def test_no_other_ratio_is_likelier():
    """By concavity none is by more than log max_l mean(target_l / ratio) / source_mean_l."""
    source, target = kernels(7, 0.8, centres=50)
    ratio = target @ likeliest(target, source.mean(0))
    assert ((target / ratio[:, None]).mean(0) / source.mean(0)).max() == pytest.approx(1, abs=1e-3)


def test_a_centre_out_of_reach_of_the_source_gets_nothing():
    source, target = kernels(0, 1.0)
    means = source.mean(0)
    means[[2, 5]] = 0
    found = likeliest(target, means)
    assert (found[[2, 5]] == 0).all()
    np.testing.assert_array_equal(
        np.delete(found, [2, 5]), likeliest(np.delete(target, [2, 5], 1), np.delete(means, [2, 5]))
    )


def test_the_width_is_the_likeliest_for_rows_held_out():
    draws = np.random.default_rng(3)
    X, X_target = draws.normal(size=(25, 1)), draws.normal(size=(25, 1)) * 0.4 + 1
    widths = [0.05, 0.4, 6.0]
    fitted = KLIEP(widths=widths, cv=25).fit(X, X_target=X_target)
    scores = []
    for width in widths:
        alone, held = KLIEP(widths=[width]), []
        for row in range(25):
            rest = np.delete(X, row, 0), np.delete(X_target, row, 0)
            pair = np.stack([X[row], X_target[row]])
            held.append(alone.fit(rest[0], X_target=rest[1]).score_samples(pair))
        with np.errstate(divide="ignore"):
            scores.append(np.log(held)[:, 1].mean() - np.log(np.mean(held, 0)[0]))
    assert fitted.width_ == widths[int(np.argmax(scores))] == 0.4


def test_the_ratio_of_two_normal_distributions():
    draws = np.random.default_rng(0)
    X, X_target = draws.normal(size=(800, 1)), draws.normal(0.5, 0.6, size=(800, 1))
    at = np.linspace(-0.5, 1.5, 9)
    expected = norm.pdf(at, 0.5, 0.6) / norm.pdf(at)
    found = KLIEP(widths=[0.2, 0.6, 2.0]).fit(X, X_target=X_target).score_samples(at[:, None])
    np.testing.assert_allclose(found, expected, rtol=0.35)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"n_centres": 0}, "n_centres is 0; give 1 or more"),
        ({"widths": []}, r"widths are \[\]; give one or more"),
        ({"widths": [1, -1]}, "give one or more above 0"),
        ({"cv": 1}, "cv is 1; give 2 folds or more"),
    ],
)
def test_impossible_settings_are_refused(source, target, settings, words):
    with pytest.raises(InputError, match=words):
        KLIEP(**settings).fit(*source, X_target=target[0])
