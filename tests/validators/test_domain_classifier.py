"""Errors of domain classifiers against the Bayes error of two normal distributions."""

import numpy as np
import pytest
import torch
from scipy import sparse
from scipy.stats import norm

from acclimate.validators import Evidence
from acclimate.validators.domain_classifier import GRID, lowest_error


def apart(distance, sources=600, targets=600, seed=0):
    random = torch.Generator().manual_seed(seed)
    source = torch.randn(sources, 1, generator=random)
    target = torch.randn(targets, 1, generator=random) + distance
    labels = torch.zeros(sources, dtype=torch.int64)
    return Evidence(source, torch.zeros(sources, 2), labels, target, torch.zeros(targets, 2))


@pytest.mark.parametrize("targets", [600, 250])
def test_against_the_bayes_error(score, targets):
    """Φ(−½), also with more items on one side."""
    bayes, evidence = norm.cdf(-0.5), apart(1.0, targets=targets)
    assert score("domain-classifier-error", evidence) == pytest.approx(bayes, abs=0.04)
    assert score("proxy-a-distance", evidence) == pytest.approx(-2 * (1 - 2 * bayes), abs=0.16)


def test_from_no_distance_to_a_large_one(score):
    pairs = [apart(step, 400, 400) for step in (0.0, 1.0, 30.0)]
    errors = [score("domain-classifier-error", pair) for pair in pairs]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] == pytest.approx(0.5, abs=0.05)
    assert errors[-1] == 0
    distances = [score("proxy-a-distance", pair) for pair in pairs]
    assert distances == sorted(distances, reverse=True)
    assert -0.2 < distances[0] <= 0
    assert distances[-1] == -2


def test_aligned_features_score_higher(score, blobs):
    for name in ("domain-classifier-error", "proxy-a-distance", "mmd"):
        assert score(name, blobs(shift=0.05)) > score(name, blobs(shift=1.0)) + 0.1


def test_the_error_is_of_items_that_were_not_fitted():
    """60 features of noise tell 40 items of one distribution apart if they were seen."""
    random = np.random.default_rng(0)
    assert lowest_error(random.normal(size=(20, 60)), random.normal(size=(20, 60))) > 0.2


def test_the_split_is_random_and_fixed():
    """In order, the second half would be all that differs."""
    random = np.random.default_rng(1)
    source, target = random.normal(size=(400, 1)), random.normal(size=(400, 1))
    target[200:] += 8
    assert lowest_error(source, target) == pytest.approx(0.25, abs=0.08)
    assert lowest_error(source, target) == lowest_error(source, target)


def test_the_prices_of_the_paper():
    np.testing.assert_allclose(GRID, np.logspace(-5, 4, 10))
    assert lowest_error(np.zeros((1, 2)), np.ones((1, 2))) == 0.5


def test_sparse_items_are_told_apart_like_dense_ones():
    draws = np.random.default_rng(0)
    first, second = (draws.random((400, 5)) * (draws.random((400, 5)) < 0.3) for _ in range(2))
    apart = second.copy()
    apart[:, 3] += 2.0
    for other, low, high in ((second, 0.4, 0.5), (apart, 0.0, 0.01)):
        for form in (np.asarray, sparse.csr_matrix):
            assert low <= lowest_error(form(first), form(other)) <= high
