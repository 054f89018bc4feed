"""Density ratios against a closed form; what is made of them against its formulas in NumPy."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score

from acclimate.validators import Evidence
from acclimate.validators.density_ratio import LARGEST, log_density_ratio
from acclimate.validators.importance_weighting import control_variate_risk
from acclimate.validators.items import in_order

NAMES = ("importance-weighted-accuracy", "dev", "devn")


@pytest.mark.parametrize(("sources", "targets"), [(3000, 3000), (3000, 600), (600, 3000)])
def test_ratio_of_two_normal_distributions(sources, targets):
    """log N(x; 1, 1) − log N(x; 0, 1) = x − ½, however many items each has."""
    random = np.random.default_rng(0)
    source, target = random.normal(0, 1, (sources, 1)), random.normal(1, 1, (targets, 1))
    found = log_density_ratio(source, target)
    for items, ratio in zip((source, target), found, strict=True):
        assert np.abs(ratio - (items[:, 0] - 0.5)).mean() < 0.15


def test_a_ratio_is_of_a_classifier_that_has_not_seen_the_item():
    """60 features of noise tell 40 items of one distribution apart if they were seen."""
    random = np.random.default_rng(0)
    source, target = random.normal(size=(20, 60)), random.normal(size=(20, 60))
    found = log_density_ratio(source, target)
    assert 0.2 < (found[0] > 0).mean() < 0.8
    assert 0.2 < (found[1] > 0).mean() < 0.8


def test_far_apart_the_ratio_is_bounded():
    random = np.random.default_rng(0)
    source, target = random.normal(0, 1, (20, 1)), random.normal(1, 1, (20, 1))
    source[0] = 1e9  # standardised by the other items, of which none lies here
    assert log_density_ratio(source, target)[0][0] == LARGEST


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 30), st.integers(0, 1000))
def test_risk_against_its_formula(items, seed):
    """As in the authors' code, which is that of pytorch-adapt and skada too."""
    random = np.random.default_rng(seed)
    weights, losses = random.gamma(1.0, 1.0, items), random.gamma(2.0, 1.0, items)
    covariance = np.cov(np.stack([weights * losses, weights]))[0, 1]
    eta = -covariance / np.var(weights, ddof=1)
    expected = np.mean(weights * losses) + eta * np.mean(weights) - eta
    assert control_variate_risk(weights, losses) == pytest.approx(expected, rel=1e-8, abs=1e-8)


def test_the_control_variate_takes_out_what_weights_alone_do():
    weights = np.array([0.1, 5.0, 2.0])
    assert control_variate_risk(weights, np.full(3, 0.7)) == pytest.approx(0.7)
    assert control_variate_risk(np.full(3, 2.0), np.array([1.0, 2.0, 3.0])) == pytest.approx(4.0)


def test_scores_against_numpy_and_scikit_learn(score):
    random = torch.Generator().manual_seed(0)
    labels = torch.randint(3, (80,), generator=random)
    logits = torch.randn(80, 3, generator=random) + 2 * torch.nn.functional.one_hot(labels, 3)
    evidence = Evidence(
        torch.randn(80, 4, generator=random), logits, labels,
        torch.randn(70, 4, generator=random) + 0.4, torch.randn(70, 3, generator=random),
    )  # fmt: skip
    items = in_order(evidence)
    ratio, _ = log_density_ratio(items.source_features.numpy(), items.target_features.numpy())
    weights, labels = np.exp(ratio), items.source_labels.numpy()
    right = accuracy_score(labels, items.source_logits.argmax(1), sample_weight=weights)
    assert score("importance-weighted-accuracy", evidence) == pytest.approx(right)
    chances = items.source_logits.softmax(1).numpy()
    losses = -np.log(chances[np.arange(80), labels])
    assert score("dev", evidence) == pytest.approx(-control_variate_risk(weights, losses))
    normalised = weights / weights.max()
    normalised -= normalised.mean() - 1  # pytorch-adapt's "max"; the control variate is 0 then
    assert score("devn", evidence) == pytest.approx(-np.mean(normalised * losses))


def mistaken_at(side):
    """A quarter of the source is mistaken: its left, or its right, where the target lies."""
    random = torch.Generator().manual_seed(0)
    place = torch.linspace(-2, 2, 200)
    labels = torch.arange(200) % 2
    wrong = place < -1 if side == "left" else place > 1
    predicted = torch.where(wrong, 1 - labels, labels)
    logits = 3.0 * torch.nn.functional.one_hot(predicted, 2)
    other = torch.randn(200, generator=random)
    target = torch.stack([1 + 0.5 * torch.randn(200, generator=random), other], 1)
    return Evidence(torch.stack([place, other], 1), logits, labels, target, torch.zeros(200, 2))


@pytest.mark.parametrize("name", NAMES)
def test_mistakes_where_the_target_is_not_count_less(name, score):
    left, right = mistaken_at("left"), mistaken_at("right")
    assert score("source-accuracy", left) == pytest.approx(score("source-accuracy", right))
    assert score(name, left) > score(name, right) + 0.2


@pytest.mark.parametrize("name", NAMES)
def test_without_a_shift_it_is_that_of_the_source(name, score, blobs):
    evidence = blobs(items=300)
    logits = evidence.source_logits.roll(40, 0)  # 40 is 1 modulo 3: all wrong
    logits[:240] = evidence.source_logits[:240]
    evidence = dataclasses.replace(evidence, source_logits=logits)
    plain = float(torch.nn.functional.cross_entropy(logits, evidence.source_labels))
    expected = 0.8 if name == NAMES[0] else -plain
    assert score(name, evidence) == pytest.approx(expected, rel=0.15)
