"""Distances of two samples against scikit-learn, SciPy and NumPy, and against closed forms."""

from itertools import combinations

import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.spatial.distance
import scipy.stats
import torch
from hypothesis import given, settings
from sklearn.metrics.pairwise import rbf_kernel

from acclimate.losses.central_moments import central_moment_discrepancy
from acclimate.losses.correlation_alignment import correlation_alignment
from acclimate.losses.distances import squared_distances
from acclimate.losses.maximum_mean_discrepancy import gaussian_kernel, maximum_mean_discrepancy

samples = given(
    source=st.integers(1, 9),
    target=st.integers(1, 9),
    width=st.integers(1, 5),
    shift=st.sampled_from([0.0, 1.0, 1000.0]),
    seed=st.integers(0, 1000),
)


def draw(count, width, seed, shift=0.0):
    random = torch.Generator().manual_seed(seed)
    return torch.randn(count, width, generator=random, dtype=torch.float64) + shift


def pair_of(source, target, width, shift, seed):
    return draw(source, width, seed, shift), 2 * draw(target, width, seed + 1) + shift


@settings(deadline=None, max_examples=40)
@samples
def test_squared_distances_against_scipy(**sizes):
    first, second = pair_of(**sizes)
    expected = scipy.spatial.distance.cdist(first, second, "sqeuclidean")
    np.testing.assert_allclose(squared_distances(first, second), expected, rtol=1e-8, atol=1e-9)


def test_far_off_items_keep_their_digits():
    """‖x‖² + ‖y‖² − 2xy of float32 numbers near 3000 is off by 1 and more."""
    first, second = draw(5, 4, 0).float() + 3000, draw(6, 4, 1).float() + 3000
    expected = scipy.spatial.distance.cdist(first.double(), second.double(), "sqeuclidean")
    np.testing.assert_allclose(squared_distances(first, second), expected, rtol=1e-3)


@settings(deadline=None, max_examples=30)
@samples
def test_kernel_against_scikit_learn(**sizes):
    items = torch.cat(pair_of(**sizes))
    between = scipy.spatial.distance.pdist(items, "sqeuclidean").mean()
    each = [rbf_kernel(items, gamma=1 / (between * 2.0**power)) for power in (-2, -1, 0, 1, 2)]
    np.testing.assert_allclose(gaussian_kernel(items), np.mean(each, axis=0), rtol=1e-6, atol=1e-9)
    one = rbf_kernel(items, gamma=1 / 1.68)
    np.testing.assert_allclose(gaussian_kernel(items, 1, 1.68), one, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("unbiased", [True, False])
@pytest.mark.parametrize(("source", "target"), [(5, 7), (3, 2), (2, 2)])
def test_mean_discrepancy_pair_by_pair(unbiased, source, target):
    kernel = gaussian_kernel(torch.cat(pair_of(source, target, 3, 0.0, 4)))
    values = kernel.tolist()
    sides = range(source), range(source, source + target)

    def within(side):
        chosen = [values[i][j] for i in side for j in side if not (unbiased and i == j)]
        return sum(chosen) / len(chosen)

    across = np.mean([values[i][j] for i in sides[0] for j in sides[1]])
    expected = within(sides[0]) + within(sides[1]) - 2 * across
    found = maximum_mean_discrepancy(kernel, source, unbiased=unbiased)
    assert float(found) == pytest.approx(expected, abs=1e-12)


def test_unbiased_means_zero_over_all_ways_to_split_one_sample():
    items = draw(7, 2, 0)
    found = {True: [], False: []}
    for chosen in combinations(range(7), 3):
        order = [*chosen, *(i for i in range(7) if i not in chosen)]
        for unbiased, values in found.items():
            kernel = gaussian_kernel(items[order])
            values.append(float(maximum_mean_discrepancy(kernel, 3, unbiased=unbiased)))
    assert np.mean(found[True]) == pytest.approx(0, abs=1e-12)
    assert min(found[True]) < 0 < max(found[True])
    assert np.mean(found[False]) > 0.1
    assert min(found[False]) > 0


def test_no_gradient_flows_through_the_bandwidth():
    items = draw(6, 2, 0)
    between = float(scipy.spatial.distance.pdist(items, "sqeuclidean").mean())
    gradients = []
    for bandwidth in (None, between):
        leaf = items.clone().requires_grad_()
        maximum_mean_discrepancy(gaussian_kernel(leaf, 5, bandwidth), 3).backward()
        gradients.append(leaf.grad)
    torch.testing.assert_close(*gradients)


def test_the_same_point_everywhere_is_no_discrepancy():
    items = torch.ones(4, 3, requires_grad=True)
    found = maximum_mean_discrepancy(gaussian_kernel(items), 2, unbiased=False)
    found.backward()
    assert found == 0
    assert torch.equal(items.grad, torch.zeros(4, 3))


@settings(deadline=None, max_examples=40)
@samples
def test_covariances_against_numpy(**sizes):
    source, target = pair_of(**sizes)
    width = source.shape[1]
    covariances = [
        np.cov(side.T.numpy()).reshape(width, width) if len(side) > 1 else np.zeros((width, width))
        for side in (source, target)
    ]
    expected = np.linalg.norm(covariances[0] - covariances[1]) ** 2 / (4 * width**2)
    found = correlation_alignment(source, target)
    assert float(found) == pytest.approx(expected, rel=1e-6, abs=1e-12)
    torch.testing.assert_close(correlation_alignment(source + 5, target), found)


@settings(deadline=None, max_examples=40)
@given(
    source=st.integers(1, 9),
    target=st.integers(1, 9),
    moments=st.integers(1, 6),
    bounds=st.sampled_from([(0.0, 1.0), (-1.0, 1.0), (2.0, 5.0)]),
    seed=st.integers(0, 1000),
)
def test_central_moments_against_scipy(source, target, moments, bounds, seed):
    low, high = bounds
    sides = [low + (high - low) * draw(n, 3, seed + n).sigmoid() for n in (source, target)]
    first, second = (side.numpy() for side in sides)
    expected = np.linalg.norm(first.mean(0) - second.mean(0)) / (high - low)
    for k in range(2, moments + 1):
        difference = scipy.stats.moment(first, k) - scipy.stats.moment(second, k)
        expected += np.linalg.norm(difference) / (high - low) ** k
    found = central_moment_discrepancy(*sides, moments, high - low)
    assert float(found) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("criterion", [correlation_alignment, central_moment_discrepancy])
def test_twice_the_same_sample_is_zero_with_zero_gradient(criterion):
    """A plain root would have an infinite slope there."""
    side = draw(5, 3, 0).sigmoid().requires_grad_()
    found = criterion(side, side.detach().clone())
    found.backward()
    assert found.item() == 0
    assert torch.equal(side.grad, torch.zeros_like(side))


@pytest.mark.parametrize(
    "criterion", [squared_distances, correlation_alignment, central_moment_discrepancy]
)
def test_autocast_does_not_reach_the_statistics(criterion):
    first, second = draw(9, 4, 0).float(), draw(9, 4, 1).float()
    expected = criterion(first, second)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(criterion(first, second), expected)
        halves = criterion(first.bfloat16(), second.bfloat16())
    assert halves.dtype == torch.float32
    torch.testing.assert_close(
        halves, criterion(first.bfloat16().float(), second.bfloat16().float())
    )
