"""The estimate of target accuracy against brute force, and where it has nothing to go by."""

from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from acclimate.core.errors import ConfigurationError
from acclimate.validators.estimate import (
    BOTH,
    HULL,
    OPTIMISM,
    estimate_accuracy,
    estimate_by,
    interval,
)
from acclimate.validators.estimators import (
    ESTIMATORS,
    average_thresholded_confidence,
    difference_of_confidences,
    look,
    temperature,
)


def brute_force(source, correct, target):
    """Equation 1 of Garg et al. by trying every threshold: as many above it as are correct."""
    wanted = correct.mean()
    places = np.sort(np.concatenate([[-1.0], source]))
    thresholds = np.append((places[1:] + places[:-1]) / 2, 2.0)
    errors = [abs((source > threshold).mean() - wanted) for threshold in thresholds]
    return float((target > thresholds[int(np.argmin(errors))]).mean())


@settings(deadline=None, max_examples=60)
@given(items=st.integers(2, 40), seed=st.integers(0, 10_000), share=st.floats(0, 1))
def test_against_brute_force(items, seed, share):
    random = np.random.default_rng(seed)
    source = random.permutation(items * 7)[:items] / (items * 7)  # no two alike
    correct = (random.random(items) < share).astype(float)
    target = random.random(50) * 1.2 - 0.1
    target = target[np.abs(target[:, None] - source).min(1) > 1e-9]
    found = average_thresholded_confidence(source, correct, target)
    # any threshold between the two neighbours will do
    wrong = round((1 - correct.mean()) * items)
    ordered = np.concatenate([[-np.inf], np.sort(source), [np.inf]])
    low, high = ordered[wrong], ordered[wrong + 1]
    assert (target >= high).mean() <= found <= (target >= low).mean()
    between = ((target > low) & (target < high)).mean()
    assert found == pytest.approx(brute_force(source, correct, target), abs=between + 1e-12)


@settings(deadline=None, max_examples=60)
@given(items=st.integers(1, 40), seed=st.integers(0, 1000), levels=st.sampled_from([1, 2, 5, 1000]))
def test_identical_domains_give_exactly_the_source_accuracy(items, seed, levels):
    """Also with ties: a network that is sure of everything is not right about everything."""
    random = np.random.default_rng(seed)
    confidence = np.round(random.random(items) * levels) / levels
    correct = (random.random(items) < 0.6).astype(float)
    found = average_thresholded_confidence(confidence, correct, confidence)
    assert found == pytest.approx(correct.mean())
    assert difference_of_confidences(confidence, correct, confidence) == pytest.approx(
        correct.mean()
    )


def draw(items, seed, quality=1.5, scale=1.0):
    random = torch.Generator().manual_seed(seed)
    labels = torch.randint(4, (items,), generator=random)
    logits = torch.randn(items, 4, generator=random)
    logits = scale * (logits + quality * torch.nn.functional.one_hot(labels, 4))
    return logits, labels


def accuracy(logits, labels):
    return float((logits.argmax(1) == labels).double().mean())


def test_without_a_shift_it_is_close_to_the_source_accuracy():
    source, labels = draw(800, 0)
    target, _ = draw(800, 1)
    estimate = estimate_accuracy(source, labels, target)
    truth = accuracy(source, labels)
    assert estimate.value == pytest.approx(truth, abs=0.05)
    assert estimate.low <= truth <= estimate.high
    assert estimate.high - estimate.low < 0.15 + OPTIMISM


def draw_calibrated(items, seed, sureness):
    """Logits whose softmax is the truth: the labels are drawn from it."""
    random = torch.Generator().manual_seed(seed)
    logits = sureness * torch.randn(items, 4, generator=random)
    labels = torch.multinomial(logits.softmax(1), 1, generator=random).squeeze(1)
    return logits, labels


@pytest.mark.parametrize("sureness", [0.7, 1.5, 6.0])
def test_where_confidence_can_be_believed_the_interval_holds_the_truth(sureness):
    """Thresholded confidence is far off here, by a third at the weakest; the hull is not."""
    source, labels = draw_calibrated(1500, 0, 3.0)
    target, truth = draw_calibrated(1500, 1, sureness)
    estimate = estimate_accuracy(source, labels, target)
    assert estimate.low - 0.02 <= accuracy(target, truth) <= estimate.high + 0.02
    falls = accuracy(target, truth) < accuracy(source, labels)
    assert (estimate.value < accuracy(source, labels)) == falls


@pytest.mark.parametrize("scale", [0.01, 1.0, 100.0])
def test_the_scale_of_the_logits_does_not_matter(scale):
    """Over-confidence is calibrated away on the source."""
    plain = estimate_accuracy(*draw(400, 0), draw(300, 1)[0])
    source, labels = draw(400, 0, scale=scale)
    scaled = estimate_accuracy(source, labels, draw(300, 1, scale=scale)[0])
    if scale == 0.01:  # beyond the grid of temperatures, the order is still the same
        assert scaled.value == pytest.approx(plain.value, abs=0.03)
    else:
        assert scaled.value == pytest.approx(plain.value, abs=0.03)


def test_temperature_against_scipy():
    logits, labels = draw(500, 0, 1.5, scale=3.0)
    loss = torch.nn.functional.cross_entropy
    best = minimize_scalar(
        lambda log: float(loss(logits.double() / np.exp(log), labels)), bounds=(-3, 3),
        method="bounded",
    )  # fmt: skip
    assert np.log(temperature(logits, labels)) == pytest.approx(best.x, abs=0.06)


def degenerate():
    logits, labels = draw(30, 0)
    constant = torch.zeros(30, 4)
    certain = 1e4 * torch.nn.functional.one_hot(labels, 4).float()
    yield "constant", constant, labels, constant
    yield "all right and certain", certain, labels, certain
    yield "all wrong and certain", certain.roll(1, 1), labels, certain
    yield "one item each", logits[:1], labels[:1], logits[1:2]
    yield "one class predicted", 1e3 * torch.eye(4)[torch.zeros(30).long()], labels, logits
    yield "huge", 1e30 * logits, labels, 1e30 * logits


@pytest.mark.parametrize("case", list(degenerate()), ids=lambda case: case[0])
def test_degenerate_inputs(case):
    _, source, labels, target = case
    estimate = estimate_accuracy(source, labels, target)
    assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1


def test_a_network_that_says_always_the_same_is_not_called_perfect():
    labels = torch.arange(40) % 4
    constant = torch.zeros(40, 4)
    assert estimate_accuracy(constant, labels, constant).value == pytest.approx(0.25)


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 1000), quality=st.floats(0, 4))
def test_the_interval_contains_the_value_and_is_repeatable(seed, quality):
    source, labels = draw(60, seed, 1.0)
    target, _ = draw(50, seed + 1, quality)
    estimate = estimate_accuracy(source, labels, target, seed=seed)
    assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
    assert estimate_accuracy(source, labels, target, seed=seed) == estimate


def test_fewer_items_make_it_less_sure():
    source, labels = draw(2000, 0)
    target, _ = draw(2000, 1)
    few = estimate_accuracy(source[:40], labels[:40], target[:40])
    many = estimate_accuracy(source, labels, target)
    assert few.high - few.low > 2 * (many.high - many.low)


def test_with_consistency_it_is_the_mean_of_two():
    source, labels = draw(400, 0)
    target, _ = draw(300, 1)
    survived = torch.arange(300) % 4 > 0
    seen = look(source, labels, target, survived)
    confidence, consistency = (ESTIMATORS[name](seen) for name in (HULL[0], "consistency"))
    assert consistency == 0.75
    found = estimate_accuracy(source, labels, target, survived)
    assert (found.method, found.value) == (BOTH, pytest.approx((confidence + consistency) / 2))
    bounds = np.array([interval(name, seen) for name in HULL])
    assert found.low == pytest.approx(min(found.value, bounds.min()) - OPTIMISM)
    assert found.high == pytest.approx(max(found.value, bounds.max()))


def test_importance_weighting_is_a_weighted_mean():
    source, labels = draw(4, 0)
    seen = look(source, labels, source, weights=np.array([1.0, 2.0, 3.0, 4.0]))
    expected = np.average(seen.correct, weights=[1, 2, 3, 4])
    assert estimate_by("importance weighting", seen).value == pytest.approx(expected)


def test_agreement_of_calibrated_models_is_their_accuracy():
    """Jiang et al., 2022: two draws from the true posterior are right as often as they agree."""
    random = torch.Generator().manual_seed(0)
    truth = torch.softmax(2 * torch.randn(20_000, 3, generator=random), 1)
    first, second, labels = (torch.multinomial(truth, 1, generator=random)[:, 0] for _ in range(3))
    one = torch.nn.functional.one_hot(first, 3).float()
    seen = look(one, labels, one, agreed=first == second)
    found = estimate_by("agreement of two seeds", seen)
    assert found.value == pytest.approx(float((first == labels).double().mean()), abs=0.02)
    assert found.low <= found.value <= found.high


@pytest.mark.parametrize("name", ["importance weighting", "consistency", "agreement of two seeds"])
def test_an_estimator_says_what_it_lacks(name):
    source, labels = draw(30, 0)
    with pytest.raises(ConfigurationError, match="nobody looked"):
        ESTIMATORS[name](look(source, labels, source))


def test_drawing_again_keeps_what_belongs_to_one_item_together():
    source, labels = draw(50, 0)
    seen = look(source, labels, source, torch.ones(50) > 0)
    again = seen.drawn(np.random.default_rng(0))
    pairs = set(zip(seen.source_confidence, seen.correct, strict=True))
    assert set(zip(again.source_confidence, again.correct, strict=True)) < pairs
    assert len(again.target_confidence) == 50


def test_a_held_out_source_without_a_mistake_is_no_reason_to_believe_every_confidence():
    """The likeliest temperature would be 0, at which no target item is in doubt."""
    source, labels = draw(60, 1, quality=5.0, scale=3.0)
    target, truth = draw(2000, 1, quality=1.5, scale=3.0)
    assert accuracy(source, labels) == 1.0
    assert accuracy(target, truth) < 0.7
    seen = look(source, labels, target)
    assert not (seen.target_confidence == 1.0).any()
    for name in ("average thresholded confidence", "difference of confidences"):
        assert ESTIMATORS[name](seen) == pytest.approx(accuracy(target, truth), abs=0.12)


def test_without_a_mistake_the_temperature_is_that_of_one_item_labelled_at_random():
    """Logits whose softmax is just that need none; seven times as large ones seven."""
    _, labels = draw(60, 0)
    at_random = 1 / (60 + 2)
    logits = torch.full((60, 4), at_random / 4).log()
    logits[torch.arange(60), labels] = np.log(1 - at_random * 3 / 4)
    assert temperature(7 * logits, labels) == pytest.approx(7, rel=0.06)


@pytest.mark.parametrize(("items", "low"), [(30, 0.91), (3000, 0.999)])
def test_agreement_on_every_item_is_surer_the_more_items_there_are(items, low):
    """Drawn again, no disagreement is none for ever: 30 of 30 had an interval without width."""
    seen = replace(look(*draw(50, 0), draw(50, 1)[0]), agreed=np.ones(items))
    found = estimate_by("agreement of two seeds", seen)
    assert (found.value, found.high) == (1.0, 1.0)
    # z² / (n + z²) is what Wilson's leaves out at the level 0.9, z = 1.645
    assert found.low == pytest.approx(items / (items + norm.ppf(0.95) ** 2), abs=1e-9)
    assert found.low > low


def test_a_model_that_says_the_same_of_everything_is_not_believed():
    """It is sure and steady. Right it is in a quarter of cases, unless the target has one class only."""
    source, labels = draw(400, 0, quality=4.0)
    target = torch.zeros(500, 4)
    target[:, 2] = 30.0
    survived = torch.ones(500, dtype=torch.bool)
    found = estimate_accuracy(source, labels, target, survived)
    share = float((labels == 2).double().mean())
    assert found.low < share < 0.3 < 1.0 <= found.high
    assert found.value == pytest.approx((1 + share) / 2)
    # three of four are enough to be left alone
    target[::3], target[1::3] = target[::3].roll(1, 1), target[1::3].roll(2, 1)
    plain = estimate_accuracy(source, labels, target, survived)
    assert plain.value == 1.0


def test_a_rare_class_that_is_not_predicted_costs_half_its_share():
    few = torch.zeros(400).long()
    few[-8:] = 1
    logits = 30 * torch.nn.functional.one_hot(few, 4).float()
    found = estimate_accuracy(logits, few, logits[:50], torch.ones(50, dtype=torch.bool))
    assert found.value == pytest.approx((1 + 0.98) / 2)
