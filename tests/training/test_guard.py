"""Each sign of collapse on a fabricated run, and silence on a healthy one."""

import math

import pytest

from acclimate.training.guard import CollapseGuard, about_chance, effective_classes, far_fewer

STEPS = 1000
EVEN = [0.1] * 10


def healthy(progress):
    """Values as a good run logs them."""
    return {
        "loss": 2.0 - 1.5 * progress,
        "source_batch_accuracy": 0.1 + 0.9 * progress,
        "domain_accuracy": 0.6 + 0.3 * math.sin(20 * progress),
    }


def watch(guard, steps=STEPS, every=20, shares=EVEN, accuracy=None, **changes):
    """Feed a whole run; ``changes`` replace healthy values by functions of progress."""
    told = []
    for step in range(every, steps + 1, every):
        progress = step / steps
        values = healthy(progress)
        values.update({name: change(progress) for name, change in changes.items()})
        told.append(guard.logged(step, progress, values))
        if step % (5 * every) == 0 or step == steps:
            source = 0.1 + 0.9 * progress if accuracy is None else accuracy
            told.append(guard.evaluated(step, progress, source, shares, EVEN))
    assert [warned for warned in told if warned] == guard.warnings
    return [warned.kind for warned in guard.warnings]


def test_a_healthy_run_is_left_in_peace():
    assert watch(CollapseGuard(10)) == []


@pytest.mark.parametrize("steps", [1, 2, 5, 20, 60, 99])
def test_a_run_of_few_steps_is_not_blamed_early(steps):
    """Nothing can have been learnt yet: only what is at the end counts."""
    guard = CollapseGuard(10)
    chance = {"source_batch_accuracy": lambda p: 0.1, "domain_accuracy": lambda p: 1.0}
    assert watch(guard, steps=steps, every=1, **chance) == []


def test_a_short_run_that_learnt_nothing_says_so_at_its_end():
    guard = CollapseGuard(10)
    assert watch(guard, steps=60, every=10, accuracy=0.1) == ["source at chance"]
    assert guard.warnings[0].step == 60


def test_source_at_chance():
    guard = CollapseGuard(10)
    assert watch(guard, source_batch_accuracy=lambda p: 0.12) == ["source at chance"]
    warned = guard.warnings[0]
    assert 300 < warned.step < 400
    assert "--lr" in warned.message


def test_a_collapse_in_the_middle():
    guard = CollapseGuard(10)
    fall = {"source_batch_accuracy": lambda p: 0.9 if p < 0.6 else 0.11}
    assert watch(guard, **fall) == ["source at chance"]
    assert 600 <= guard.warnings[0].step <= 700


def test_one_unlucky_batch_is_no_collapse():
    unlucky = {"source_batch_accuracy": lambda p: 0.1 if abs(p - 0.5) < 1e-9 else 0.6}
    assert watch(CollapseGuard(10), **unlucky) == []


@pytest.mark.parametrize("accuracy", [0.6, 0.75, 0.9])
def test_two_classes_are_harder_to_be_right_about(accuracy):
    guard = CollapseGuard(2)
    shares = [0.5, 0.5]
    for step in range(20, STEPS + 1, 20):
        values = {"loss": 1.0, "source_batch_accuracy": accuracy}
        assert guard.logged(step, step / STEPS, values) is None
        assert guard.evaluated(step, step / STEPS, accuracy, shares, shares) is None


@pytest.mark.parametrize("value", [1.0, 0.995, 0.0])
def test_domains_always_told_apart(value):
    guard = CollapseGuard(10)
    assert watch(guard, domain_accuracy=lambda p: value) == ["domains always told apart"]
    assert 200 <= guard.warnings[0].step <= 320


def test_domains_told_apart_now_and_then():
    now_and_then = {"domain_accuracy": lambda p: 1.0 if round(50 * p) % 5 else 0.8}
    assert watch(CollapseGuard(10), **now_and_then) == []


def test_without_a_domain_classifier_there_is_no_such_rule():
    guard = CollapseGuard(10)
    for step in range(100, STEPS, 50):
        assert guard.logged(step, step / STEPS, {"loss": 1.0}) is None


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_no_number_is_said_at_once(value):
    guard = CollapseGuard(10)
    warned = guard.logged(1, 0.001, {"loss": value})
    assert warned.kind == "non-finite loss"


@pytest.mark.parametrize(
    ("classes", "shares"),
    [
        (10, [0.9] + [0.1 / 9] * 9),
        (10, [0.5, 0.5] + [0.0] * 8),
        (2, [1.0, 0.0]),
        (3, [0.0, 1.0, 0.0]),
    ],
)
def test_few_classes_predicted(classes, shares):
    guard = CollapseGuard(classes)
    even = [1 / classes] * classes
    assert guard.evaluated(200, 0.2, 0.9, shares, even) is None
    assert guard.evaluated(500, 0.5, 0.9, shares, even).kind == "few classes predicted"
    assert guard.evaluated(600, 0.6, 0.9, shares, even) is None  # said once


@pytest.mark.parametrize(
    "shares", [[0.5, 0.5], [0.65, 0.35], [0.2] * 5, [0.3, 0.25, 0.2, 0.15, 0.1]]
)
def test_uneven_classes_are_no_collapse(shares):
    even = [1 / len(shares)] * len(shares)
    assert CollapseGuard(len(shares)).evaluated(500, 0.5, 0.9, shares, even) is None


def test_a_rare_class_in_the_source_is_expected():
    shares = [0.97, 0.03]
    assert CollapseGuard(2).evaluated(500, 0.5, 0.9, shares, shares) is None


def test_counts_in_a_row_survive_a_stop():
    """The warning comes at the same step whether or not the run was stopped in between."""
    extreme = {"loss": 1.0, "domain_accuracy": 1.0}
    whole, first = CollapseGuard(10), CollapseGuard(10)
    for step in range(300, 420, 20):
        whole.logged(step, step / STEPS, extreme)
    for step in range(300, 360, 20):
        first.logged(step, step / STEPS, extreme)
    second = CollapseGuard(10, warnings=list(first.warnings), streaks=dict(first.streaks))
    for step in range(360, 420, 20):
        second.logged(step, step / STEPS, extreme)
    assert second.warnings == whole.warnings
    assert whole.warnings[0].step == 380


def test_thresholds():
    for classes in (2, 3, 10, 100, 1000):
        assert about_chance(1 / classes, classes)
        assert not about_chance(2 / classes, classes)
    assert effective_classes([1.0, 0.0]) == 1
    assert effective_classes([0.25] * 4) == pytest.approx(4)
    assert not far_fewer(10.0, 10.0)
