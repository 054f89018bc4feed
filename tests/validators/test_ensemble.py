"""Mean ranks against counting, and what must not change them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acclimate.validators.ensemble import ensemble

quick = settings(max_examples=40, deadline=None)
number = st.integers(-5, 5).map(float)
tables = st.integers(1, 7).flatmap(
    lambda count: st.dictionaries(
        st.sampled_from(["a", "b", "c", "d"]), st.lists(number, min_size=count, max_size=count),
        min_size=1,
    )
)  # fmt: skip


def by_counting(scores):
    """For each candidate the share of the others that it beats; a tie beats half."""
    rows = []
    for values in scores.values():
        if len(set(values)) > 1:
            wins = [sum((v > w) + 0.5 * (v == w) for w in values) - 0.5 for v in values]
            rows.append([win / (len(values) - 1) for win in wins])
    return np.mean(rows, axis=0) if rows else [0.5] * len(next(iter(scores.values())))


@quick
@given(tables)
def test_against_counting(scores):
    found = ensemble(scores)
    assert found == pytest.approx(by_counting(scores))
    assert all(0 <= value <= 1 for value in found)
    assert np.mean(found) == pytest.approx(0.5)


@quick
@given(tables)
def test_only_the_order_of_scores_counts(scores):
    rescaled = {name: [math.atan(v) + 7 for v in values] for name, values in scores.items()}
    assert ensemble(rescaled) == pytest.approx(ensemble(scores))


@quick
@given(tables)
def test_turning_all_scores_round_turns_the_ranks_round(scores):
    turned = ensemble({name: [-v for v in values] for name, values in scores.items()})
    assert turned == pytest.approx([1 - value for value in ensemble(scores)])


@quick
@given(tables, st.randoms(use_true_random=False))
def test_candidates_may_come_in_any_order(scores, random):
    order = list(range(len(next(iter(scores.values())))))
    random.shuffle(order)
    moved = ensemble({name: [values[i] for i in order] for name, values in scores.items()})
    found = ensemble(scores)
    assert moved == pytest.approx([found[i] for i in order])


@quick
@given(tables, number)
def test_what_tells_nothing_is_left_out(scores, value):
    count = len(next(iter(scores.values())))
    more = {**scores, "equal": [value] * count, "missing": [math.nan, *range(count - 1)]}
    assert ensemble(more) == ensemble(scores)


def test_by_hand():
    # ranks 0, ½, 1 and 0, ¾, ¾
    assert ensemble({"x": [1, 2, 3], "y": [0, 5, 5]}) == pytest.approx([0, 0.625, 0.875])
    assert ensemble({"x": [-math.inf, 2, math.inf]}) == [0, 0.5, 1]
    assert ensemble({"x": [1.0]}) == [0.5]
    assert ensemble({}) == []


def test_different_numbers_of_candidates_are_refused():
    with pytest.raises(ValueError, match=r"\[2, 3\]"):
        ensemble({"x": [1, 2], "y": [1, 2, 3]})
