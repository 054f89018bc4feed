"""Schedules against their closed forms."""

import math

import hypothesis.strategies as st
import pytest
from hypothesis import given

from acclimate.core.schedules import (
    LEARNING_RATE_SCHEDULES,
    constant,
    cosine_with_warmup,
    domain_ramp,
    paper_annealing,
)

progress = st.floats(0, 1)


@given(progress, st.floats(0.1, 50))
def test_domain_ramp_is_a_hyperbolic_tangent(p, gamma):
    assert domain_ramp(p, gamma) == pytest.approx(math.tanh(gamma * p / 2), abs=1e-14)


@given(progress, progress)
def test_domain_ramp_rises_from_zero_and_stays_below_one(p, q):
    assert domain_ramp(0.0) == 0
    assert 0 <= domain_ramp(min(p, q)) <= domain_ramp(max(p, q)) < 1


@given(progress)
def test_paper_annealing(p):
    assert paper_annealing(p) == pytest.approx(1 / (1 + 10 * p) ** 0.75)


def test_paper_annealing_at_its_ends():
    assert paper_annealing(0.0) == 1
    assert paper_annealing(1.0) == pytest.approx(11**-0.75)


@pytest.mark.parametrize(
    ("p", "expected"), [(0.0, 0.02), (0.025, 0.5), (0.05, 1.0), (0.525, 0.5), (1.0, 0.0)]
)
def test_cosine_with_warmup(p, expected):
    assert cosine_with_warmup(p) == pytest.approx(expected, abs=1e-12)


@given(progress)
def test_factors_are_between_zero_and_one(p):
    for schedule in LEARNING_RATE_SCHEDULES.values():
        assert 0 <= schedule(p) <= 1
    assert constant(p) == 1


@given(st.integers(1, 10_000))
def test_every_step_of_a_run_moves_something(steps):
    """Progress ends one step before 1, so that the last step is not for nothing."""
    for index in (0, steps // 2, steps - 1):
        for schedule in LEARNING_RATE_SCHEDULES.values():
            assert schedule(index / steps) > 0
