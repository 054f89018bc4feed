"""Pairs against loops over Python lists; the bound against SciPy's divergence."""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.spatial.distance
import torch
from hypothesis import given, settings

from acclimate.losses.mutual_information import (
    jensen_shannon_bound,
    jensen_shannon_loss,
    same_class_pairs,
)


def pairs_by_loops(source_labels, target_labels, confident):
    """(source, target of its class, source of another, target of another), class by class."""
    sure = [j for j, certain in enumerate(confident) if certain]
    found = []
    for label in sorted({target_labels[j] for j in sure}):
        groups = (
            [i for i, each in enumerate(source_labels) if each == label],
            [j for j in sure if target_labels[j] == label],
            [i for i, each in enumerate(source_labels) if each != label],
            [j for j in sure if target_labels[j] != label],
        )
        count = min(len(group) for group in groups)
        found += zip(*(group[:count] for group in groups), strict=True)
    return found


@st.composite
def batches(draw):
    classes = draw(st.integers(1, 4))
    label = st.integers(0, classes - 1)
    source = draw(st.lists(label, min_size=1, max_size=14))
    target = draw(st.lists(st.tuples(label, st.booleans()), min_size=1, max_size=14))
    return source, [each for each, _ in target], [certain for _, certain in target]


def found_pairs(source, target, confident):
    pairs = same_class_pairs(torch.tensor(source), torch.tensor(target), torch.tensor(confident))
    rows = zip(range(len(source)), *(column.tolist() for column in pairs[1:]), strict=True)
    valid = pairs.valid.tolist()
    return [row for row, counts in zip(rows, valid, strict=True) if counts]


@settings(deadline=None, max_examples=300)
@given(batches())
def test_pairs_are_those_of_the_loops(batch):
    assert sorted(found_pairs(*batch)) == sorted(pairs_by_loops(*batch))


@settings(deadline=None, max_examples=100)
@given(batches())
def test_columns_always_point_into_the_batch(batch):
    source, target, confident = batch
    pairs = same_class_pairs(torch.tensor(source), torch.tensor(target), torch.tensor(confident))
    assert all(len(column) == len(source) for column in pairs)
    assert pairs.valid.dtype == torch.bool
    for column, count in zip(pairs[1:], (len(target), len(source), len(target)), strict=True):
        assert column.dtype == torch.int64
        assert int(column.min()) >= 0
        assert int(column.max()) < count


@pytest.mark.parametrize(
    ("source", "target", "confident"),
    [
        ([0, 1, 0, 1], [0, 1, 0, 1], [False] * 4),  # nobody is sure
        ([0, 1, 0, 1], [1, 1, 1, 1], [True] * 4),  # all of one class: no other to compare with
        ([0, 0, 0], [0, 1, 0], [True] * 3),  # the source has one class alone
        ([0, 0, 0], [1, 2, 1], [True] * 3),  # nothing in common
        ([0], [0], [True]),
    ],
)
def test_batches_without_any_pair(source, target, confident):
    assert found_pairs(source, target, confident) == []


def test_the_source_runs_out_of_other_classes():
    """The fourth group counts as well: each positive has its own negative, never one too few."""
    source, target = [0, 0, 0, 0, 1], [0, 0, 0, 1, 1]
    assert found_pairs(source, target, [True] * 5) == [(0, 0, 4, 3), (4, 3, 0, 0)]


def test_loss_of_the_best_critic_is_the_divergence():
    """With T = log p/q on items drawn exactly as p and as q say, the bound is tight."""
    p, q = np.array([6, 3, 1]), np.array([2, 2, 6])
    critic = torch.tensor(np.log(p / q))
    same, other = (torch.tensor(np.repeat(np.arange(3), counts)) for counts in (p, q))
    valid = torch.ones(10, dtype=torch.bool)
    loss = jensen_shannon_loss(critic[same], critic[other], valid)
    expected = scipy.spatial.distance.jensenshannon(p / 10, q / 10) ** 2
    assert float(jensen_shannon_bound(loss, valid)) == pytest.approx(expected, abs=1e-12)
    # and any other critic stays below
    worse = jensen_shannon_loss(1.3 * critic[same] + 0.1, 1.3 * critic[other] + 0.1, valid)
    assert float(jensen_shannon_bound(worse, valid)) < expected - 1e-4


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.tuples(st.floats(-50, 50), st.floats(-50, 50), st.booleans()), min_size=1, max_size=9
    )
)
def test_the_means_run_over_valid_rows(rows):
    same, other, valid = (np.array(column) for column in zip(*rows, strict=True))
    same, other, valid = (torch.from_numpy(column) for column in (same, other, valid))
    counted = [row for row in rows if row[2]]
    expected = sum(np.logaddexp(0, -s) + np.logaddexp(0, o) for s, o, _ in counted)
    loss = jensen_shannon_loss(same, other, valid)
    assert float(loss) == pytest.approx(expected / max(1, len(counted)), rel=1e-9, abs=1e-9)


def test_no_valid_row_is_exactly_zero_with_zero_gradients():
    same, other = (torch.tensor([1e4, -1e4, 3.0], requires_grad=True) for _ in range(2))
    valid = torch.zeros(3, dtype=torch.bool)
    loss = jensen_shannon_loss(same, other, valid)
    loss.backward()
    assert loss.item() == 0.0
    assert jensen_shannon_bound(loss, valid).item() == 0.0
    for values in (same, other):
        assert torch.equal(values.grad, torch.zeros(3))


def test_half_precision_is_lifted():
    """softplus(½) = 0.97408, which bfloat16 rounds by a thousandth."""
    values = torch.full((9,), 0.5, dtype=torch.bfloat16)
    valid = torch.ones(9, dtype=torch.bool)
    once = math.log1p(math.exp(0.5))
    for same, other in ((-values, values), (-values, values.float()), (-values.float(), values)):
        loss = jensen_shannon_loss(same, other, valid)
        assert loss.dtype == torch.float32
        assert float(loss) == pytest.approx(2 * once, abs=1e-6)
    assert jensen_shannon_loss(values.double(), values.double(), valid).dtype == torch.float64
