"""Binomial deviance against a plain loop, closed forms and finite differences."""

import math

import numpy as np
import pytest
import torch

from acclimate.losses.binomial_deviance import binomial_deviance


def draw(items, width=4, seed=0):
    random = torch.Generator().manual_seed(seed)
    labels = torch.randint(-1, 3, (items,), generator=random)
    return torch.randn(items, width, generator=random, dtype=torch.float64), labels


def by_loops(descriptors, labels, steepness, margin, cost):
    """Each pair by itself, with the weights and the signs of Yi et al."""
    values = {True: [], False: []}
    for i, (ours, label) in enumerate(zip(descriptors, labels, strict=True)):
        for j, (theirs, other) in enumerate(zip(descriptors, labels, strict=True)):
            if i == j or label < 0 or other < 0:
                continue
            similarity = ours @ theirs / np.sqrt(ours @ ours) / np.sqrt(theirs @ theirs)
            sign = 1.0 if label == other else -cost
            exponent = -steepness * (similarity - margin) * sign
            values[bool(label == other)].append(np.logaddexp(0.0, exponent))
    return sum(np.mean(each) for each in values.values() if each)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("options", [(2.0, 0.5, 2.0), (5.0, -0.2, 25.0), (1.0, 0.9, 0.5)])
def test_pair_by_pair(seed, options):
    descriptors, labels = draw(10, seed=seed)
    steepness, margin, cost = options
    found = binomial_deviance(
        descriptors, labels, steepness=steepness, margin=margin, negative_cost=cost
    )
    expected = by_loops(descriptors.numpy(), labels.numpy(), steepness, margin, cost)
    assert float(found) == pytest.approx(expected, rel=1e-9)


def test_defaults_are_those_of_jmlr():
    descriptors, labels = draw(10)
    expected = by_loops(descriptors.numpy(), labels.numpy(), 2.0, 0.5, 2.0)
    assert float(binomial_deviance(descriptors, labels)) == pytest.approx(expected, rel=1e-9)


def test_what_separates_best_has_a_closed_form():
    """Identities at opposite ends: every s is 1 or -1."""
    descriptors, labels = torch.tensor([[1.0], [2.0], [-3.0], [-1.0]]), torch.tensor([0, 0, 1, 1])
    expected = math.log1p(math.exp(-2 * 0.5)) + math.log1p(math.exp(-2 * 2 * 1.5))
    assert float(binomial_deviance(descriptors, labels)) == pytest.approx(expected)


def test_at_the_margin_each_kind_weighs_log_2():
    angle = math.acos(0.5)
    descriptors = torch.tensor([[1.0, 0.0], [math.cos(angle), math.sin(angle)]])
    for labels in ([0, 0], [0, 1]):
        loss = binomial_deviance(descriptors, torch.tensor(labels), negative_cost=7.0)
        assert float(loss) == pytest.approx(math.log(2))


def test_each_kind_weighs_the_same_however_many_pairs_it_has():
    """More identities, each at right angles to all others: more pairs of the same value."""
    few = binomial_deviance(torch.eye(3, dtype=torch.float64), torch.tensor([0, 0, 1]))
    many = binomial_deviance(torch.eye(9, dtype=torch.float64), torch.arange(9) // 2)
    torch.testing.assert_close(few, many)
    assert float(few) == pytest.approx(math.log1p(math.exp(1)) + math.log1p(math.exp(-2)))


@pytest.mark.parametrize("seed", range(3))
def test_gradient(seed):
    descriptors, labels = draw(6, seed=seed)
    assert torch.autograd.gradcheck(
        lambda given: binomial_deviance(given, labels), descriptors.requires_grad_()
    )
