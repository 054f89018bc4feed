"""Time to accuracy: what is handed over when, and a plain loop that is the same training as ours."""

import itertools
import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from acclimate.algorithms.dann import Dann
from acclimate.core.errors import RunError, UnknownNameError
from acclimate.core.records import read_record
from acclimate.core.schedules import domain_ramp
from acclimate.core.types import Batch, Spec
from acclimate.experiments import plain_training
from acclimate.experiments.bench_accuracy import (
    bench_accuracy,
    claim,
    contest_of,
    handed_over,
    looks_of,
    seconds_to,
)
from acclimate.experiments.plain_loop import plain_loss, plain_network
from acclimate.experiments.plain_training import Look, PlainTraining
from acclimate.models import build_network
from acclimate.training import evaluate
from acclimate.training.settings import make_settings
from acclimate.training.step import Step
from acclimate.training.task import open_task

SHARES = st.integers(0, 4).map(lambda quarters: quarters / 4)  # few values, so that many are equal


@st.composite
def curves(draw):
    measured = draw(st.lists(st.tuples(SHARES, SHARES), min_size=1, max_size=8))
    return [
        Look(10 * number, 1.5 * number, score, accuracy)
        for number, (score, accuracy) in enumerate(measured, 1)
    ]


@given(curves(), SHARES)
def test_a_threshold_is_reached_when_the_model_that_one_would_have_is_so_good(looks, threshold):
    reached = None
    for count in range(len(looks), 0, -1):  # backwards, so that the first moment is left at the end
        seen = looks[:count]
        had = max(range(count), key=lambda index: (seen[index].score, index))
        if seen[had].accuracy >= threshold:
            reached = seen[-1].seconds
    assert seconds_to(looks, threshold) == reached


@given(curves())
def test_a_plain_loop_hands_over_what_it_has(looks):
    plain = [Look(look.step, look.seconds, float(look.step), look.accuracy) for look in looks]
    assert handed_over(plain) == plain


def test_a_better_model_that_the_score_passes_over_does_not_count():
    looks = [Look(1, 1.0, 0.5, 0.6), Look(2, 2.0, 0.4, 0.9), Look(3, 3.0, 0.5, 0.8)]
    assert seconds_to(looks, 0.6) == 1.0
    assert seconds_to(looks, 0.8) == 3.0
    assert seconds_to(looks, 0.9) is None


@pytest.mark.parametrize(("shape", "classes"), [((3, 28, 28), 10), ((1, 32, 32), 43)])
def test_the_plain_loop_descends_the_same_loss(shape, classes):
    generator = torch.Generator().manual_seed(0)
    spec = Spec(shape, tuple(map(str, range(classes))))
    network = build_network("mnist-cnn", {"normalisation": "none"}, spec)
    ours, plain = Step(network, Dann()).double(), plain_network(shape, classes).double()
    for mine, other in zip(ours.parameters(), plain.parameters(), strict=True):
        mine.data.copy_(other.data)
    source, target = torch.randn(2, 6, *shape, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, classes, (6,), generator=generator)
    loss = ours(Batch(source, labels, target, None), 0.3)["loss"]
    other = plain_loss(plain, source, labels, target, domain_ramp(0.3))
    torch.testing.assert_close(other, loss)
    loss.backward()
    other.backward()
    for mine, theirs in zip(ours.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(theirs.grad, mine.grad)


def test_ours_is_the_default_recipe_and_plain_the_papers():
    contest = contest_of("svhn-mnist", seed=3, evaluations=7, plain_epochs=2, device="cpu")
    common = {"source": "svhn", "target": "mnist", "seed": 3, "evaluations": 7, "device": "cpu"}
    assert contest.ours == make_settings(**common)
    # the paper does not anneal for this pair
    assert contest.plain == make_settings(
        "paper", epochs=2, averaging=0.0, schedule="constant", **common
    )
    assert contest_of("mnist-m").plain.schedule == "paper"
    assert contest_of("gtsrb", steps=5).ours.steps == 5
    with pytest.raises(UnknownNameError, match="Did you mean 'mnist-m'"):
        contest_of("mnistm")


def test_every_part_draws_other_items(contest, tmp_path, monkeypatch):
    seen = []

    def watched(network, source, labels, target, weight):
        seen.append((source, target, weight))
        return plain_loss(network, source, labels, target, weight)

    monkeypatch.setattr(plain_training, "plain_loss", watched)
    training = PlainTraining(open_task(contest.plain), contest.plain, torch.device("cpu"), tmp_path)
    while training.goes_on:
        training.next_part()
    assert [weight for _, _, weight in seen] == [domain_ramp(step / 4) for step in range(4)]
    for domain in range(2):
        for first, other in itertools.combinations(range(4), 2):
            assert not torch.equal(seen[first][domain], seen[other][domain])


@pytest.fixture
def contest(table):
    return contest_of("digits", steps=4, plain_epochs=0.4, evaluations=2, device="cpu")


def test_the_plain_loop_trains_the_whole_and_goes_on_where_it_was(contest, tmp_path):
    task = open_task(contest.plain)

    def start(name):
        return PlainTraining(task, contest.plain, torch.device("cpu"), tmp_path / name)

    whole, cut = start("whole"), start("cut")
    before = [parameter.clone() for parameter in whole.network.parameters()]
    while whole.goes_on:
        whole.next_part()
    cut.next_part()
    cut = start("cut")
    assert cut.done == 2
    while cut.goes_on:
        cut.next_part()
    assert [look.step for look in whole.looks] == [look.step for look in cut.looks] == [2, 4]
    assert whole.looks[0].seconds < whole.looks[1].seconds
    parameters = zip(before, whole.network.parameters(), cut.network.parameters(), strict=True)
    for old, mine, other in parameters:
        assert torch.equal(mine, other)
        assert not torch.equal(mine, old)


def test_the_plain_loops_accuracy_is_of_the_test_items(contest, tmp_path, monkeypatch):
    task = open_task(contest.plain)
    training = PlainTraining(task, contest.plain, torch.device("cpu"), tmp_path)
    with torch.no_grad():
        for parameter in training.network.parameters():
            parameter.zero_()
        training.network[1][-1].bias[3] = 1.0  # whatever it sees, it is a three
    for group in training._optimiser.param_groups:
        group["params"] = []
    assert training.accuracy() == pytest.approx(float((task.oracle_labels == 3).double().mean()))
    monkeypatch.setattr(evaluate, "ORACLE_CURVE", 100)
    # 100 items all over the range, both ends among them
    some = task.oracle_labels[np.linspace(0, len(task.oracle_labels) - 1, 100).round()]
    assert training.next_part().accuracy == pytest.approx(float((some == 3).double().mean()))


def test_a_run_and_a_plain_loop_in_turn(contest, tmp_path):
    said = []
    result = bench_accuracy(contest, tmp_path / "kept", thresholds=[0.0, 1.0], say=said.append)
    record = read_record(tmp_path / "kept" / "ours")
    end = result.as_dict()["ours"]
    assert end["chosen_step"] == record.chosen.step
    assert end["oracle_target_accuracy"] == record.oracle_target_metrics.accuracy
    assert end["seconds"] == record.training_seconds
    steps = [line for line in said if ": step" in line]
    assert [line.partition(":")[0] for line in steps] == ["ours", "plain loop"] * 2
    first, last = result.as_dict()["thresholds"]
    assert first["ratio"] == result.plain[0].seconds / looks_of(record)[0].seconds
    assert result.as_dict()["ratio"] == first["ratio"]
    assert (last["ours_seconds"], last["plain_seconds"], last["ratio"]) == (None, None, None)
    assert json.loads((tmp_path / "kept" / "result.json").read_text()) == result.as_dict()


def test_interrupted_and_continued_it_is_the_same_measurement(contest, tmp_path):
    whole = bench_accuracy(contest, tmp_path / "whole")

    def interrupt(line):
        if line.startswith("plain loop: step"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench_accuracy(contest, tmp_path / "cut", say=interrupt)
    cut = bench_accuracy(contest, tmp_path / "cut")
    for ours, theirs in ((whole.ours, cut.ours), (whole.plain, cut.plain)):
        assert [(look.step, look.accuracy) for look in ours] == [
            (look.step, look.accuracy) for look in theirs
        ]
    said = []
    again = bench_accuracy(contest, tmp_path / "cut", say=said.append)
    assert (said, again.as_dict()) == ([], cut.as_dict())


def test_seconds_of_two_machines_are_not_mixed(contest, tmp_path):
    result = bench_accuracy(contest, tmp_path / "kept")
    more = result.environment.model_copy(update={"threads": 99})
    with pytest.raises(RunError, match=r"threads was \d+ and is now 99"):
        claim(tmp_path / "kept", contest, more)
    other = contest_of("digits", steps=4, plain_epochs=1, evaluations=2, device="cpu")
    with pytest.raises(RunError, match=r"plain: epochs was 0\.4 and is now 1"):
        bench_accuracy(other, tmp_path / "kept")
    (tmp_path / "file").mkdir()
    (tmp_path / "file" / "notes.txt").touch()
    with pytest.raises(RunError, match="holds no measurement"):
        bench_accuracy(contest, tmp_path / "file")


def test_the_command_prints_one_object_and_keeps_nothing(table, acclimate, tmp_path):
    options = ("--steps", 2, "--plain-epochs", 0.2, "--evaluations", 1, "--device", "cpu")
    done = acclimate("bench", "accuracy", "digits", *options, "--thresholds", 0, "--json")
    assert done.code == 0, done.err
    result = json.loads(done.out)
    assert (result["source"], result["target"]) == ("digits", "digits-m")
    assert [line["oracle_target_accuracy"] for line in result["thresholds"]] == [0.0]
    assert (result["ours"]["steps"], result["plain"]["steps"]) == (2, 2)
    assert result["threads"] == torch.get_num_threads()
    assert "plain loop: step 2" in done.err
    assert list(tmp_path.iterdir()) == []


def test_the_command_shows_a_table_and_refuses_other_settings(table, acclimate):
    options = ("--steps", 2, "--plain-epochs", 0.2, "--evaluations", 1, "--output", "kept")
    done = acclimate("bench", "accuracy", "digits", *options)
    assert done.code == 0, done.err
    assert "0.767" in done.out
    assert "mnist-cnn" in done.out
    done = acclimate("bench", "accuracy", "digits", *options, "--seed", 1)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert "seed was 0 and is now 1" in done.err
    done = acclimate("bench", "accuracy", "digit")
    assert done.code == 2
    assert "Did you mean 'digits'" in done.err
