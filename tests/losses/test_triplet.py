"""Batch-hard triplets against a plain loop, closed forms and pytorch-metric-learning."""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from peers import assert_agree

from acclimate.losses.triplet import _root, batch_hard_triplet


def draw(items, width=4, seed=0, identities=3):
    random = torch.Generator().manual_seed(seed)
    labels = torch.randint(identities, (items,), generator=random)
    return torch.randn(items, width, generator=random, dtype=torch.float64), labels


def by_loops(descriptors, labels, margin):
    directions = descriptors / np.linalg.norm(descriptors, axis=1, keepdims=True)
    values = []
    for i, (anchor, label) in enumerate(zip(directions, labels, strict=True)):
        own, others = [], []
        for j, (item, other) in enumerate(zip(directions, labels, strict=True)):
            if -1 in (label, other) or i == j:
                continue
            (own if label == other else others).append(np.linalg.norm(anchor - item))
        if own and others:
            excess = max(own) - min(others)
            values.append(
                np.logaddexp(0.0, excess) if margin is None else max(0.0, excess + margin)
            )
    return np.mean(values) if values else 0.0


@settings(deadline=None, max_examples=60)
@given(
    labels=st.lists(st.integers(-1, 3), min_size=1, max_size=10),
    margin=st.sampled_from([None, 0.0, 0.3, 2.0]),
    seed=st.integers(0, 99),
)
def test_item_by_item(labels, margin, seed):
    descriptors, _ = draw(len(labels), seed=seed)
    expected = by_loops(descriptors.numpy(), labels, margin)
    found = batch_hard_triplet(descriptors, torch.tensor(labels), margin=margin)
    assert float(found) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("margin", "expected"), [(0.3, 0.3), (None, math.log(2))])
def test_a_collapsed_batch_costs_the_margin(margin, expected):
    loss = batch_hard_triplet(torch.ones(6, 3), torch.arange(6) % 2, margin=margin)
    assert float(loss) == pytest.approx(expected)


@pytest.mark.parametrize(("margin", "expected"), [(0.3, 0.0), (None, math.log1p(math.exp(-2)))])
def test_identities_at_opposite_ends(margin, expected):
    descriptors = torch.tensor([[1.0], [2.0], [-3.0], [-1.0]])
    loss = batch_hard_triplet(descriptors, torch.tensor([0, 0, 1, 1]), margin=margin)
    assert float(loss) == pytest.approx(expected)


def test_nearly_equal_descriptors_keep_their_digits():
    """Distances of a hundred-thousandth, which the cosine does not resolve in single precision."""
    descriptors = 1e-5 * draw(8, seed=1)[0]
    descriptors[:, 0] += 1
    labels = torch.arange(8) % 2
    expected = by_loops(descriptors.numpy(), labels.tolist(), 0.0)
    found = batch_hard_triplet(descriptors.float(), labels, margin=0.0)
    assert expected > 1e-6
    assert float(found) == pytest.approx(expected, rel=0.05)


def test_the_root_has_no_infinite_gradient():
    squares = torch.tensor([0.0, 4.0], requires_grad=True)
    distances = _root(squares)
    distances.sum().backward()
    assert distances.tolist() == [0.0, 2.0]
    assert squares.grad.tolist() == [0.0, 0.25]


@pytest.mark.parametrize("margin", [None, 0.3])
def test_equal_descriptors_of_one_identity_still_leave_the_others(margin):
    descriptors = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.9, 0.1]], requires_grad=True)
    batch_hard_triplet(descriptors, torch.tensor([0, 0, 1]), margin=margin).backward()
    # both move away from the third, which lies above them
    assert (descriptors.grad[:2, 1] > 0).all()


@pytest.mark.parametrize("margin", [None, 0.3])
@pytest.mark.parametrize("seed", range(3))
def test_gradient(seed, margin):
    descriptors, labels = draw(7, seed=seed)
    assert torch.autograd.gradcheck(
        lambda given: batch_hard_triplet(given, labels, margin=margin),
        descriptors.requires_grad_(),
    )


@pytest.mark.parametrize("margin", [None, 0.3])
@pytest.mark.parametrize("seed", range(3))
def test_pytorch_metric_learning(seed, margin):
    """Theirs, over the mean of all triplets that its miner finds hardest."""
    reason = "needs: pip install --no-deps pytorch-metric-learning tqdm"
    losses = pytest.importorskip("pytorch_metric_learning.losses", reason=reason)
    from pytorch_metric_learning.miners import BatchHardMiner
    from pytorch_metric_learning.reducers import MeanReducer

    descriptors, labels = draw(10, seed=seed)
    descriptors.requires_grad_()
    soft = margin is None
    theirs = losses.TripletMarginLoss(
        margin=0.0 if soft else margin, smooth_loss=soft, reducer=MeanReducer()
    )(descriptors, labels, BatchHardMiner()(descriptors, labels))
    assert_agree(batch_hard_triplet(descriptors, labels, margin=margin), theirs, descriptors)
