"""The verdict and its evidence against hand-computed values, degenerate cases and symmetry."""

import math

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import accuracy_score

from acclimate.core.records import Behaviour, Warned
from acclimate.validators import Evidence, validators
from acclimate.validators.class_shares import share_distance
from acclimate.validators.verdict import (
    ERROR,
    LARGEST,
    SHARES,
    agreement,
    expected_change,
    judge,
    share_trust,
)

share = st.floats(0, 1)
behaviours = st.builds(Behaviour, share_distance=share, consistency=share, stability=share)
BEFORE = Behaviour(share_distance=0.2, consistency=0.8, stability=0.9)
MANY = 10_000


def logits_of(classes, count):
    return torch.nn.functional.one_hot(torch.tensor(classes), count).float()


def evidence_of(labels, predicted, classes=2):
    features = torch.zeros(len(labels), 1)
    return Evidence(
        features, logits_of(labels, classes), torch.tensor(labels), torch.zeros(len(predicted), 1),
        logits_of(predicted, classes),
    )  # fmt: skip


def test_expected_change_by_hand():
    after = Behaviour(share_distance=0.1, consistency=0.9, stability=0.8)
    assert expected_change(BEFORE, after) == pytest.approx(0.75 * 0.1 + 0.5 * 0.1 - 0.2 * 0.1)


def test_one_signal_alone_is_bounded():
    after = BEFORE.model_copy(update={"share_distance": 1.0})
    assert expected_change(BEFORE, after) == pytest.approx(-0.75 * 0.3)


@given(behaviours, behaviours)
def test_exchanging_the_models_turns_the_verdict_round(first, second):
    assume(share_trust(first) == share_trust(second) == 1)
    nearer, farther = sorted([first, second], key=lambda each: each.share_distance)
    assume(nearer.consistency >= farther.consistency)
    one, other = judge(first, second, MANY), judge(second, first, MANY)
    assert one.expected_change == pytest.approx(-other.expected_change)
    assert one.probability_helped == pytest.approx(1 - other.probability_helped)
    opposite = {"helped": "hurt", "hurt": "helped", "cannot tell": "cannot tell"}
    assert other.outcome == opposite[one.outcome]


def test_shares_are_not_believed_where_the_targets_own_differ():
    """A sure and steady model far from the source's shares is right about them, or nearly so."""
    sure = Behaviour(share_distance=0.3, consistency=0.99, stability=1.0)
    nearer = sure.model_copy(update={"share_distance": 0.05})
    assert judge(sure, nearer, MANY).outcome == "cannot tell"
    assert "the target's own shares" in judge(sure, nearer, MANY).reason
    unsure = sure.model_copy(update={"consistency": 0.6})
    verdict = judge(unsure, unsure.model_copy(update={"share_distance": 0.05}), MANY)
    assert verdict.outcome == "helped"
    assert "the target's own shares" not in verdict.reason


def test_nearer_shares_are_not_believed_of_a_model_that_wavers_more():
    after = Behaviour(share_distance=0.05, consistency=0.74, stability=0.9)
    assert expected_change(BEFORE, after) == pytest.approx(0.5 * -0.06)
    half = after.model_copy(update={"consistency": 0.775})
    assert expected_change(BEFORE, half) == pytest.approx(0.5 * 0.75 * 0.15 - 0.5 * 0.025)
    # the other way round there is nothing to doubt
    assert expected_change(after, BEFORE) == pytest.approx(-0.75 * 0.15 + 0.5 * 0.06)


@given(behaviours, behaviours)
def test_trust_in_shares_never_raises_what_they_tell(before, after):
    assert 0 <= share_trust(before) <= 1
    rest = after.model_copy(update={"share_distance": before.share_distance})
    of_shares = expected_change(before, after) - expected_change(before, rest)
    assert abs(of_shares) <= -SHARES * LARGEST + 1e-12


def test_equal_behaviour_cannot_tell():
    verdict = judge(BEFORE, BEFORE, MANY)
    assert (verdict.outcome, verdict.probability_helped) == ("cannot tell", 0.5)


@pytest.mark.parametrize(("items", "outcome"), [(MANY, "helped"), (4, "cannot tell")])
def test_probability_against_scipy_and_few_items_make_it_unsure(items, outcome):
    after = BEFORE.model_copy(update={"share_distance": 0.12})
    verdict = judge(BEFORE, after, items)
    error = math.sqrt(ERROR**2 + 1 / (4 * items))
    assert verdict.probability_helped == pytest.approx(norm.cdf(0.06 / error))
    assert verdict.outcome == outcome


@pytest.mark.parametrize("kind", ["source at chance", "non-finite loss"])
def test_a_collapse_decides_by_itself(kind):
    better = BEFORE.model_copy(update={"share_distance": 0.0})
    warned = Warned(step=7, kind=kind, message="it fell")
    verdict = judge(BEFORE, better, MANY, warnings=[warned])
    assert verdict.outcome == "hurt"
    assert "step 7" in verdict.reason
    harmless = warned.model_copy(update={"kind": "few classes predicted"})
    assert judge(BEFORE, better, MANY, warnings=[harmless]).outcome == "helped"


def test_who_says_the_same_of_everything_has_not_helped():
    steady = Behaviour(share_distance=0.2, consistency=1.0, stability=1.0)
    assert judge(BEFORE, steady, 2000).outcome == "helped"
    one = judge(BEFORE, steady.model_copy(update={"few_classes": True}), 2000)
    assert one.outcome == "cannot tell"
    assert "far fewer classes" in one.reason
    worse = Behaviour(share_distance=0.9, consistency=0.6, stability=0.6, few_classes=True)
    assert judge(BEFORE, worse, 2000).outcome == "hurt"


def test_share_distance_by_hand():
    assert share_distance(logits_of([0, 0, 0, 1], 3), [0.25, 0.25, 0.5]) == pytest.approx(0.5)
    assert share_distance(logits_of([0, 1, 2, 2], 3), [0.25, 0.25, 0.5]) == 0


def test_agreement_against_scikit_learn():
    first, second = torch.randn(50, 4), torch.randn(50, 4)
    expected = accuracy_score(first.argmax(1), second.argmax(1))
    assert agreement(first, second) == pytest.approx(expected)


def test_class_shares_prefer_the_shares_of_the_source():
    score = validators.get("class-shares").score
    assert score(evidence_of([0, 1, 0, 1], [1, 0])) == 0
    assert score(evidence_of([0, 1, 0, 1], [1, 1])) == pytest.approx(-0.5)


def test_the_default_is_the_sum_of_its_parts():
    evidence = evidence_of([0, 1, 0, 1], [1, 1, 0])
    parts = {"bnm": 1.0, "source-accuracy": 1.0, "knn": 2.0, "class-shares": 0.5}
    expected = sum(weight * validators.get(name).score(evidence) for name, weight in parts.items())
    assert validators.get("default").score(evidence) == pytest.approx(expected)
