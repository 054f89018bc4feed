"""Circle loss against a plain loop, closed forms and pytorch-metric-learning."""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from peers import assert_agree
from scipy.special import logsumexp

from acclimate.losses.circle import circle


def draw(items, width=4, seed=0, identities=3):
    random = torch.Generator().manual_seed(seed)
    labels = torch.randint(identities, (items,), generator=random)
    return torch.randn(items, width, generator=random, dtype=torch.float64), labels


def by_loops(descriptors, labels, margin, scale, factors_of=None):
    """Item by item; the factors of another set of descriptors where asked."""
    cosines, fixed = (_cosines(descriptors if d is None else d) for d in (None, factors_of))
    values = []
    for i, label in enumerate(labels):
        own, others = [], []
        for j, other in enumerate(labels):
            if -1 in (label, other) or i == j:
                continue
            if label == other:
                factor = max(0.0, 1 + margin - fixed[i, j])
                own.append(-scale * factor * (cosines[i, j] - (1 - margin)))
            else:
                factor = max(0.0, fixed[i, j] + margin)
                others.append(scale * factor * (cosines[i, j] - margin))
        if own and others:
            values.append(np.logaddexp(0.0, logsumexp(own) + logsumexp(others)))
    return np.mean(values) if values else 0.0


def _cosines(descriptors):
    directions = descriptors / np.linalg.norm(descriptors, axis=1, keepdims=True)
    return directions @ directions.T


@settings(deadline=None, max_examples=60)
@given(
    labels=st.lists(st.integers(-1, 3), min_size=1, max_size=10),
    margin=st.sampled_from([0.0, 0.25, 0.4]),
    scale=st.sampled_from([1.0, 64.0, 256.0]),
    seed=st.integers(0, 99),
)
def test_item_by_item(labels, margin, scale, seed):
    descriptors, _ = draw(len(labels), seed=seed)
    expected = by_loops(descriptors.numpy(), labels, margin, scale)
    found = circle(descriptors, torch.tensor(labels), margin=margin, scale=scale)
    assert float(found) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_at_the_margins_each_item_costs_log_2():
    """Where s of the own is 1 - m and s of the other m, both exponents are 0, whatever γ is."""
    margin, descriptors = 0.25, torch.zeros(3, 3, dtype=torch.float64)
    own, other = math.acos(1 - margin), math.acos(margin)
    descriptors[0, 0] = 1
    descriptors[1, :2] = torch.tensor([math.cos(own), math.sin(own)])
    descriptors[2, ::2] = torch.tensor([math.cos(other), math.sin(other)])
    labels = torch.tensor([0, 0, 1])
    second = by_loops(descriptors.numpy(), labels.tolist(), margin, 64.0) * 2 - math.log(2)
    assert second > 0  # what the other of the pair costs; the third has none of its own
    assert float(circle(descriptors, labels)) == pytest.approx((math.log(2) + second) / 2)


def test_the_papers_decision_boundary():
    """Equation 8: without γ, one pair of each kind, the exponent is s_n² + (s_p - 1)² - 2 m²."""
    margin, descriptors = 0.4, draw(3, seed=5)[0].abs()  # no similarity below -m
    cosines = _cosines(descriptors.numpy())
    expected = 0.0
    for anchor, own in ((0, 1), (1, 0)):
        apart, together = cosines[anchor, 2], cosines[anchor, own]
        exponent = apart**2 + (together - 1) ** 2 - 2 * margin**2
        expected += 0.5 * math.log1p(math.exp(exponent))
    found = circle(descriptors, torch.tensor([0, 0, 1]), margin=margin, scale=1.0)
    assert float(found) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(3))
def test_gradient_is_that_of_fixed_factors(seed):
    """Central differences of the loop, whose factors stay those of the point itself."""
    descriptors, labels = draw(6, seed=seed)
    descriptors.requires_grad_()
    circle(descriptors, labels, scale=8.0).backward()
    values = descriptors.detach().numpy()
    for place in np.ndindex(values.shape):
        step = np.zeros_like(values)
        step[place] = 1e-6
        above, below = (
            by_loops(values + sign * step, labels.tolist(), 0.25, 8.0, values) for sign in (1, -1)
        )
        expected = (above - below) / 2e-6
        assert float(descriptors.grad[place]) == pytest.approx(expected, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize(("margin", "scale"), [(0.25, 64.0), (0.4, 80.0), (0.25, 256.0)])
@pytest.mark.parametrize("seed", range(3))
def test_pytorch_metric_learning(seed, margin, scale):
    reason = "needs: pip install --no-deps pytorch-metric-learning tqdm"
    losses = pytest.importorskip("pytorch_metric_learning.losses", reason=reason)
    descriptors, labels = draw(10, seed=seed)
    descriptors.requires_grad_()
    theirs = losses.CircleLoss(m=margin, gamma=scale)(descriptors, labels)
    assert_agree(circle(descriptors, labels, margin=margin, scale=scale), theirs, descriptors)


def test_defaults():
    descriptors, labels = draw(8)
    expected = by_loops(descriptors.numpy(), labels.tolist(), 0.25, 64.0)
    assert float(circle(descriptors, labels)) == pytest.approx(expected)
