"""What every registered validator has to keep."""

import dataclasses
import math

import pytest
import torch

from acclimate.core.errors import ConfigurationError
from acclimate.validators import Evidence, validators

every_validator = pytest.mark.parametrize("name", validators.names())
CLASSES, ITEMS = 4, 60
WITHOUT_SOURCE_LABELS = {
    *("entropy", "diversity", "information-maximisation", "bnm", "snd"),
    *("class-clustering", "class-silhouette", "consistency", "mixval"),
    *("domain-classifier-error", "proxy-a-distance", "mmd"),
}


def make_evidence(quality=3.0, seed=0, predicted=None):
    """Outputs of a checkpoint: ``quality`` is how far the right class stands out."""
    random = torch.Generator().manual_seed(seed)
    parts = []
    for _ in range(2):
        labels = torch.arange(ITEMS) % CLASSES
        logits = torch.randn(ITEMS, CLASSES, generator=random)
        shown = labels if predicted is None else torch.full_like(labels, predicted)
        logits += quality * torch.nn.functional.one_hot(shown, CLASSES)
        features = logits @ torch.randn(CLASSES, 8, generator=random)
        parts.append((features, logits, labels))
    (source_features, source_logits, labels), (target_features, target_logits, _) = parts
    return Evidence(
        source_features,
        source_logits,
        labels,
        target_features,
        target_logits,
        torch.arange(ITEMS),
        target_logits + 0.1 * torch.randn(ITEMS, CLASSES, generator=random),
        0.55 * target_logits + 0.45 * target_logits.roll(1, 0),
    )


def score(name, evidence):
    value = validators.get(name).score(evidence)
    assert isinstance(value, float)
    return value


@every_validator
@pytest.mark.parametrize("quality", [0.0, 1.0, 8.0, 1e4])
def test_finite_and_deterministic(name, quality):
    value = score(name, make_evidence(quality))
    assert math.isfinite(value)
    torch.manual_seed(5)
    assert score(name, make_evidence(quality)) == value


@every_validator
@pytest.mark.parametrize("quality", [5.0, 1e4])
def test_finite_when_one_class_takes_all(name, quality):
    assert math.isfinite(score(name, make_evidence(quality, predicted=2)))


@every_validator
def test_finite_on_a_single_item(name):
    evidence = make_evidence()
    first = Evidence(*(value[:1] for value in vars(evidence).values()))
    assert first.probed is not None
    assert math.isfinite(score(name, first))


@every_validator
def test_finite_when_all_logits_are_equal(name):
    evidence = dataclasses.replace(
        make_evidence(),
        source_logits=torch.zeros(ITEMS, CLASSES),
        target_logits=torch.zeros(ITEMS, CLASSES),
    )
    assert math.isfinite(score(name, evidence))


@every_validator
def test_the_order_of_items_does_not_matter(name):
    evidence = make_evidence(1.0)
    random = torch.Generator().manual_seed(3)
    ours, theirs = (torch.randperm(ITEMS, generator=random) for _ in range(2))
    mixed = Evidence(
        evidence.source_features[ours],
        evidence.source_logits[ours],
        evidence.source_labels[ours],
        evidence.target_features[theirs],
        evidence.target_logits[theirs],
        # the same items are probed, in the same order: that decides what is mixed with what
        theirs.argsort()[evidence.probed],
        evidence.changed_logits,
        evidence.mixed_logits,
    )
    assert score(name, mixed) == pytest.approx(score(name, evidence), abs=1e-9)


@every_validator
def test_nothing_it_looks_at_is_changed(name):
    evidence, kept = make_evidence(), make_evidence()
    score(name, evidence)
    for ours, theirs in zip(vars(evidence).values(), vars(kept).values(), strict=True):
        assert torch.equal(ours, theirs)


@every_validator
def test_half_precision_is_enough_to_replay_it(name):
    """What is kept of every checkpoint is fp16."""
    evidence = make_evidence(2.0)
    stored = Evidence(
        *(v.half().float() if v.is_floating_point() else v for v in vars(evidence).values())
    )
    assert score(name, stored) == pytest.approx(score(name, evidence), abs=5e-3)


@pytest.mark.parametrize("name", ["default", "information-maximisation", "source-accuracy"])
def test_a_better_checkpoint_scores_higher(name):
    good, bad = make_evidence(6.0), make_evidence(0.3)
    assert score(name, good) > score(name, bad)


@pytest.mark.parametrize("name", ["default", "diversity", "information-maximisation"])
def test_a_collapsed_checkpoint_scores_lower(name):
    assert score(name, make_evidence(6.0)) > score(name, make_evidence(6.0, predicted=1))


def test_entropy_rewards_certainty_alone():
    assert score("entropy", make_evidence(6.0)) > score("entropy", make_evidence(0.3))
    assert score("entropy", make_evidence(50.0, predicted=1)) == pytest.approx(0, abs=1e-6)


def test_no_place_for_target_labels():
    named = [field.name for field in dataclasses.fields(Evidence) if "label" in field.name]
    assert named == ["source_labels"]


@every_validator
def test_the_labels_of_the_source_are_the_only_ones(name):
    """Scores that say they look at the target alone do not move with the source."""
    evidence = make_evidence(1.0)
    other = dataclasses.replace(evidence, source_labels=torch.zeros_like(evidence.source_labels))
    alike = score(name, evidence) == score(name, other)
    assert alike == (name in WITHOUT_SOURCE_LABELS)


@every_validator
def test_what_was_not_stored_is_said(name):
    evidence, needs = make_evidence(), validators.get(name).needs
    bare = dataclasses.replace(evidence, probed=None, changed_logits=None, mixed_logits=None)
    if not needs:
        assert math.isfinite(score(name, bare))
        return
    with pytest.raises(ConfigurationError, match=f"validator {name} needs") as caught:
        score(name, bare)
    assert "\n" not in str(caught.value)


@every_validator
def test_it_is_described(name):
    assert len(validators.get(name).description) > 20
