"""Every weighting: against a density ratio that is known, and what the base class promises."""

import numpy as np
import pytest
from scipy import sparse
from scipy.stats import spearmanr

from acclimate.core.errors import InputError
from acclimate.shallow import adapters
from acclimate.shallow.weighting import DomainWeighting, RatioWeighting

weightings = {name: kind for name, kind in adapters.items() if issubclass(kind, DomainWeighting)}
every_weighting = pytest.mark.parametrize("name", weightings)
every_ratio = pytest.mark.parametrize(
    "name", [name for name, kind in weightings.items() if issubclass(kind, RatioWeighting)]
)
every_sparse = pytest.mark.parametrize(
    "name", [name for name, kind in weightings.items() if "accept_sparse" in kind._checks]
)

#: a nearest neighbour's cell counts a handful of rows, and matched means leave many rows without weight
LEAST_CORRELATION = {"nearest-neighbour-weights": 0.5, "kernel-mean-matching": 0.6}


def gaussians(seed, count=300, shift=1.0):
    """Rows of N(0, I) and of N((shift, 0), I) in the plane."""
    draws = np.random.default_rng(seed)
    return draws.normal(size=(count, 2)), draws.normal([shift, 0], size=(count + 50, 2))


def true_ratio(rows, shift=1.0):
    return np.exp(shift * rows[:, 0] - shift**2 / 2)


@every_weighting
@pytest.mark.parametrize("seed", range(3))
def test_weights_follow_the_true_ratio(name, seed):
    X, X_target = gaussians(seed)
    weights = weightings[name]().fit(X, X_target=X_target).weights_
    assert weights.shape == (300,)
    assert weights.dtype == np.float64
    assert (weights >= 0).all()
    assert weights.mean() == pytest.approx(1)
    assert spearmanr(weights, true_ratio(X))[0] > LEAST_CORRELATION.get(name, 0.8)


@every_weighting
def test_the_weighted_mean_of_the_source_is_the_mean_of_the_target(name):
    X, X_target = gaussians(0, 400)
    weights = weightings[name]().fit(X, X_target=X_target).weights_
    apart = np.linalg.norm(X_target.mean(0) - X.mean(0))
    left = np.linalg.norm(X_target.mean(0) - weights @ X / len(X))
    assert left < 0.6 * apart


@every_ratio
def test_scores_are_the_ratio_itself(name):
    X, X_target = gaussians(1, 400)
    fitted = weightings[name]().fit(X, X_target=X_target)
    rows = np.array([[-1.0, 0.0], [0.0, 0.0], [0.5, 0.5], [1.0, -0.5], [1.5, 0.0]])
    found, tolerance = fitted.score_samples(rows), 0.4
    if name == "ulsif":  # the only one whose mean ratio of the source need not be 1
        found, tolerance = found / fitted.score_samples(X).mean(), 0.6
    np.testing.assert_allclose(found, true_ratio(rows), rtol=tolerance, atol=0.1)


@every_weighting
def test_weights_are_of_the_source_rows_in_their_order(name):
    """In ``sample_domain``'s spelling the rows are mixed; the weights are those of the source alone."""
    X, X_target = gaussians(2, 40)
    domain = np.random.default_rng(0).permutation(np.repeat([3, -1], [len(X), len(X_target)]))
    joint = np.empty((len(domain), 2))
    joint[domain > 0], joint[domain < 0] = X, X_target
    together = weightings[name]().fit(joint, sample_domain=domain)
    apart = weightings[name]().fit(X, X_target=X_target)
    np.testing.assert_array_equal(together.weights_, apart.weights_)


@every_weighting
def test_one_domain_has_equal_weights(name):
    np.testing.assert_array_equal(weightings[name]().fit(gaussians(0, 30)[0]).weights_, np.ones(30))


@every_weighting
def test_units_do_not_matter(name):
    """Of all features together: widths come from distances, and the classifier standardises."""
    X, X_target = gaussians(3, 60)
    first = weightings[name]().fit(X, X_target=X_target).weights_
    second = weightings[name]().fit(1e3 * X + 1e5, X_target=1e3 * X_target + 1e5).weights_
    np.testing.assert_allclose(second, first, rtol=1e-3, atol=1e-3)


@every_sparse
def test_sparse_rows_weigh_what_dense_ones_do(name):
    draws = np.random.default_rng(0)
    X, X_target = (draws.random((count, 20)).clip(0.6) - 0.6 for count in (40, 50))
    dense = weightings[name]().fit(X, X_target=X_target)
    slim = weightings[name]().fit(sparse.csr_array(X), X_target=sparse.csr_array(X_target))
    np.testing.assert_allclose(slim.weights_, dense.weights_, rtol=0.02)
    with pytest.raises(InputError, match="the source is sparse and X_target dense: give both"):
        weightings[name]().fit(sparse.csr_array(X), X_target=X_target)


def test_domains_too_far_apart_are_said_to_be():
    X = np.random.default_rng(0).normal(size=(20, 2))
    for name in ("kliep", "ulsif"):
        with pytest.raises(InputError, match="every weight is 0, as none of the 20 rows"):
            weightings[name](widths=[0.01]).fit(X, X_target=X[:15] + 100)
