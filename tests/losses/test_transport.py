"""Optimal transport against POT and SciPy; the gradient penalty against closed forms."""

import hypothesis.strategies as st
import numpy as np
import ot
import pytest
import scipy.stats
import torch
from hypothesis import given, settings

from acclimate.losses.gradient_penalty import between, gradient_penalty
from acclimate.losses.optimal_transport import transport_plan
from acclimate.losses.sliced_wasserstein import random_directions, sliced_wasserstein


def draw(*shape, seed=0):
    random = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=random, dtype=torch.float64)


@pytest.mark.parametrize(("source", "target"), [(6, 6), (4, 9), (9, 4), (1, 5), (1, 1)])
@pytest.mark.parametrize("regularisation", [0.1, 1.0])
def test_plan_against_pot(source, target, regularisation):
    cost = draw(source, target, seed=source).square()
    expected = ot.sinkhorn(
        ot.unif(source), ot.unif(target), cost.numpy(), regularisation, stopThr=1e-13
    )
    found = transport_plan(cost, regularisation, 2000)
    np.testing.assert_allclose(found, expected, atol=1e-10)


def test_little_regularisation_is_the_exact_plan_and_does_not_underflow():
    cost = draw(8, 8).square() * 100
    exact = ot.emd2(ot.unif(8), ot.unif(8), cost.numpy())
    plan = transport_plan(cost.float(), 0.5, 1000)
    assert float((plan * cost).sum()) == pytest.approx(exact, rel=1e-2)


@settings(deadline=None, max_examples=10)
@given(source=st.integers(1, 9), target=st.integers(1, 9), seed=st.integers(0, 99))
def test_marginals(source, target, seed):
    """After a few iterations columns are exact; rows need more of them."""
    cost = draw(source, target, seed=seed).square()
    few, many = (transport_plan(cost, 0.5, iterations) for iterations in (3, 300))
    for plan in (few, many):
        assert bool((plan >= 0).all())
        torch.testing.assert_close(plan.sum(0), torch.full_like(plan[0], 1 / target))
    wrong = [float((plan.sum(1) - 1 / source).abs().sum()) for plan in (few, many)]
    # each iteration brings the rows nearer; how fast depends on the cost
    assert wrong[1] <= wrong[0] + 1e-9
    assert wrong[1] < 0.01


def test_the_default_number_of_iterations_is_enough():
    """At the regularisation that ``deep-jdot`` uses, rows are right within a tenth."""
    cost = torch.cdist(draw(64, 5), 1 + draw(64, 5, seed=1)).square()
    plan = transport_plan(cost, 0.05 * cost.mean())
    assert (64 * plan.sum(1) - 1).abs().mean() < 0.1


def test_the_plan_has_no_gradient_and_full_precision():
    cost = draw(3, 3).bfloat16().requires_grad_()
    plan = transport_plan(cost, 0.1)
    assert not plan.requires_grad
    assert plan.dtype == torch.float32


@settings(deadline=None, max_examples=30)
@given(count=st.integers(1, 9), width=st.integers(1, 5), seed=st.integers(0, 99))
def test_slices_against_pot_and_scipy(count, width, seed):
    first, second = draw(count, width, seed=seed), 1 + 2 * draw(count, width, seed=seed + 1)
    lines = torch.nn.functional.normalize(draw(width, 7, seed=seed + 2), dim=0)
    expected = ot.sliced_wasserstein_distance(
        first.numpy(), second.numpy(), projections=lines.numpy()
    )
    found = sliced_wasserstein(first, second, lines)
    assert float(found) == pytest.approx(expected**2)
    distances = [
        scipy.stats.wasserstein_distance((first @ line).numpy(), (second @ line).numpy())
        for line in lines.T
    ]
    of_order_one = sliced_wasserstein(first, second, lines, 1.0)
    assert float(of_order_one) == pytest.approx(np.mean(distances))


def test_the_order_of_the_items_does_not_matter():
    first, second, lines = draw(5, 3), draw(5, 3, seed=1), draw(3, 4, seed=2)
    found = sliced_wasserstein(first, second, lines)
    torch.testing.assert_close(sliced_wasserstein(first.flip(0), second, lines), found)
    assert sliced_wasserstein(first, first.flip(0), lines) == 0


def test_directions_are_uniform_and_follow_the_seed():
    torch.manual_seed(0)
    first = random_directions(3, 20000, torch.device("cpu"))
    torch.manual_seed(0)
    assert torch.equal(random_directions(3, 20000, torch.device("cpu")), first)
    torch.testing.assert_close(first.norm(dim=0), torch.ones(20000))
    # uniform on the sphere in 3 dimensions: each coordinate is uniform in [−1, 1]
    for coordinate in first:
        assert scipy.stats.kstest(coordinate.numpy(), "uniform", (-1, 2)).pvalue > 1e-3


def test_the_penalty_of_a_plane_and_its_gradient():
    """f(x) = w·x has the slope ‖w‖ everywhere: (‖w‖ − 1)², gradient 2(1 − 1/‖w‖) w."""
    weight = torch.tensor([3.0, 4.0], dtype=torch.float64, requires_grad=True)
    points = draw(6, 2).requires_grad_()
    penalty = gradient_penalty(points @ weight, points)
    penalty.backward()
    assert penalty.item() == pytest.approx(16)
    torch.testing.assert_close(weight.grad, 2 * (1 - 1 / 5) * weight.detach())


def test_the_penalty_of_a_bowl():
    """f(x) = ‖x‖²/2 has the slope ‖x‖."""
    points = draw(6, 3).requires_grad_()
    values = points.square().sum(1, keepdim=True) / 2
    expected = np.mean((np.linalg.norm(points.detach().numpy(), axis=1) - 1) ** 2)
    assert gradient_penalty(values, points).item() == pytest.approx(expected)


def test_a_critic_without_slope_has_finite_gradients():
    weight = torch.zeros(2, requires_grad=True)
    points = torch.ones(4, 2, requires_grad=True)
    penalty = gradient_penalty(points @ weight, points)
    penalty.backward()
    assert penalty == 1
    assert torch.isfinite(weight.grad).all()


@pytest.mark.parametrize(("first", "second"), [(4, 4), (5, 2), (2, 5), (1, 1)])
def test_points_lie_on_the_lines_between_pairs(first, second):
    torch.manual_seed(0)
    starts, ends = draw(first, 3), draw(second, 3, seed=1)
    points = between(starts, ends)
    assert len(points) == max(first, second)
    places = []
    for number, point in enumerate(points):
        start, end = starts[number % first], ends[number % second]
        place = float((point - start) @ (end - start) / (end - start).square().sum())
        torch.testing.assert_close(point, start + place * (end - start))
        assert 0 <= place <= 1
        places.append(place)
    assert len(set(places)) == len(places)
