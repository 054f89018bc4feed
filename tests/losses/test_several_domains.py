"""Criteria over several sources against loops written from the papers."""

from itertools import combinations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from acclimate.losses.domain_classification import domain_classification
from acclimate.losses.several_domains import (
    domain_accuracies,
    domain_cross_entropy,
    moment_distance,
)

RANDOM = np.random.default_rng(0)
FEATURES = RANDOM.normal(1, 2, (20, 5))
PLACES = np.array([0] * 7 + [2] * 3 + [1] * 4 + [3] * 6)


def distance(features, places, count, moments):
    """Equation 1 of Peng et al., 2019, domain by domain."""
    there = [k for k in range(count) if (places == k).any()]
    sources = [k for k in there if k != count - 1]
    total = 0.0
    for order in range(1, moments + 1):
        means = {k: (features[places == k] ** order).mean(0) for k in there}
        if count - 1 in there and sources:
            total += np.mean([np.linalg.norm(means[k] - means[count - 1]) for k in sources])
        pairs = list(combinations(sources, 2))
        if pairs:
            total += np.mean([np.linalg.norm(means[i] - means[j]) for i, j in pairs])
    return total


@pytest.mark.parametrize("moments", [1, 2, 3])
@pytest.mark.parametrize("absent", [-1, 0, 1, 3])
def test_moment_distance(moments, absent):
    keep = np.not_equal(PLACES, absent)
    found = moment_distance(
        torch.from_numpy(FEATURES[keep]), torch.from_numpy(PLACES[keep]), 4, moments
    )
    assert found.item() == pytest.approx(
        distance(FEATURES[keep], PLACES[keep], 4, moments), rel=1e-5
    )


def test_alike_domains_have_no_distance_and_a_finite_gradient():
    features = torch.ones(6, 3, requires_grad=True)
    found = moment_distance(features, torch.tensor([0, 0, 1, 1, 2, 2]), 3)
    found.backward()
    assert found.item() == pytest.approx(0, abs=1e-4)
    assert torch.isfinite(features.grad).all()


def test_cross_entropy_gives_every_domain_the_same_weight():
    logits, places = torch.from_numpy(FEATURES[:, :4]), torch.from_numpy(PLACES)
    each = [F.cross_entropy(logits[places == k], places[places == k]) for k in range(4)]
    expected = torch.stack(each).mean()
    torch.testing.assert_close(domain_cross_entropy(logits, places), expected)
    right = [(logits[places == k].argmax(1) == k).double().mean() for k in range(4)]
    assert domain_accuracies(logits, places).item() == pytest.approx(np.mean(right))


def test_two_domains_are_those_of_binary_cross_entropy():
    logit, places = torch.from_numpy(FEATURES[:, 0]).float(), torch.from_numpy(PLACES).clamp_max(1)
    binary = domain_classification(logit[places == 0], logit[places == 1])
    two = torch.stack([torch.zeros_like(logit), logit], 1)
    torch.testing.assert_close(domain_cross_entropy(two, places), binary)


def test_autocast_does_not_reach_the_moments():
    """A matrix product of cubes would be rounded to eight bits, and of sixteen-bit floats overflow."""
    features = 12 * torch.rand(9, 4, generator=torch.Generator().manual_seed(0))
    places = torch.arange(9) % 3
    exact = moment_distance(features, places, 3, moments=4)
    for dtype in (torch.bfloat16, torch.float16):
        with torch.autocast("cpu", dtype):
            assert torch.equal(moment_distance(features, places, 3, moments=4), exact)
            shares = domain_accuracies(features[:, :3], places)
        assert torch.equal(shares, domain_accuracies(features[:, :3], places))
