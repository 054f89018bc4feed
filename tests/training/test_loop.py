"""The loop, the optimisers and the log, each against a loop written by hand."""

import csv
from typing import ClassVar

import pytest
import torch
from torch import nn

from acclimate.algorithms import combination
from acclimate.algorithms.base import Algorithm, Phase, Terms
from acclimate.core.schedules import paper_annealing
from acclimate.core.types import Batch, Spec
from acclimate.models.network import build_network
from acclimate.objectives.classification import classification_loss
from acclimate.training.logs import MetricsLog
from acclimate.training.loop import train
from acclimate.training.optimisers import make_optimiser, set_learning_rate
from acclimate.training.settings import make_settings
from acclimate.training.step import Step


def batches(count):
    for number in range(count):
        random = torch.Generator().manual_seed(number)
        inputs = torch.randn(6, 4, generator=random)
        yield Batch(inputs, torch.arange(6) % 2, inputs + 1, None)


def make_step(algorithm, averaging=0.0, seed=0):
    torch.manual_seed(seed)
    return Step(build_network("mlp", {"widths": [5]}, Spec((4,), ("a", "b"))), algorithm, averaging)


class Plain(Algorithm):
    """Cross-entropy on the source and nothing else."""

    def losses(self, views, modules, phase):
        loss = classification_loss(views.source.logits, views.source_labels)
        return Terms({"classification": loss}, {})


class TwoPhases(Algorithm):
    """The network in one phase, its critic in the other, with the other's gradient in the way."""

    phases: ClassVar = (Phase("critic", ("critic",)), Phase("network", ("network",)))

    def modules(self, network):
        return {"critic": nn.Linear(5, 1)}

    def losses(self, views, modules, phase):
        critic = modules["critic"](views.target.layers["backbone"]).square().mean()
        loss = classification_loss(views.source.logits, views.source_labels)
        return Terms({"classification": loss, phase: critic}, {})


def run(step, settings, steps=6, **options):
    optimiser = make_optimiser(step, settings)
    rates = []

    def set_rate(progress):
        rates.append(set_learning_rate(optimiser, settings, progress))
        return rates[-1]

    options = {"pause_at": lambda done: False, **options}
    seen = [
        logged.step
        for logged in train(
            step, optimiser, batches(steps), steps=steps, set_rate=set_rate, **options
        )
    ]
    return seen, rates


@pytest.mark.parametrize("kind", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("clip", [None, 0.05])
def test_against_a_loop_written_by_hand(kind, clip):
    settings = make_settings(
        source="-", target="-", optimiser=kind, learning_rate=0.05, schedule="paper",
        momentum=0.8, weight_decay=0.01,
    )  # fmt: skip
    step = make_step(Plain())
    bound = None
    if clip:
        bound = lambda: nn.utils.clip_grad_norm_(step.network.parameters(), clip)  # noqa: E731
    _, rates = run(step, settings, clip=bound)
    torch.manual_seed(0)
    network = build_network("mlp", {"widths": [5]}, Spec((4,), ("a", "b")))
    options = {"lr": 0.05, "weight_decay": 0.01}
    plain = {
        "sgd": lambda p: torch.optim.SGD(p, momentum=0.8, **options),
        "adam": lambda p: torch.optim.Adam(p, betas=(0.8, 0.999), **options),
        "adamw": lambda p: torch.optim.AdamW(p, betas=(0.8, 0.999), **options),
    }[kind](network.parameters())
    for number, batch in enumerate(batches(6)):
        plain.param_groups[0]["lr"] = 0.05 * paper_annealing(number / 6)
        assert rates[number] == plain.param_groups[0]["lr"]
        plain.zero_grad()
        nn.functional.cross_entropy(network(batch.source).logits, batch.source_labels).backward()
        if clip:
            norm = nn.utils.clip_grad_norm_(network.parameters(), clip)
            assert norm > clip
        plain.step()
    for ours, theirs in zip(step.network.parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=2e-6, rtol=1e-4)


def test_it_pauses_where_asked_and_at_the_end():
    settings = make_settings(source="-", target="-")
    assert run(make_step(Plain()), settings, steps=7, pause_at=lambda done: done % 3 == 0)[0] == [
        3,
        6,
        7,
    ]
    assert run(make_step(Plain()), settings, steps=7)[0] == [7]


def test_a_phase_trains_what_it_names():
    settings = make_settings(source="-", target="-", optimiser="sgd", learning_rate=0.1)
    step = make_step(TwoPhases())
    optimiser = make_optimiser(step, settings)
    moved = []
    original = optimiser.step

    def watched(*arguments, **keywords):
        before = {name: value.clone() for name, value in step.named_parameters()}
        original(*arguments, **keywords)
        changed = [n for n, v in step.named_parameters() if not torch.equal(v, before[n])]
        moved.append({name.split(".")[0] for name in changed})

    optimiser.step = watched
    for _ in train(
        step, optimiser, batches(2), steps=2, pause_at=lambda done: True, set_rate=lambda p: 0.1
    ):
        pass
    assert moved == [{"modules_of_algorithm"}, {"network"}] * 2


def test_the_average_follows_the_network():
    settings = make_settings(source="-", target="-", optimiser="sgd", learning_rate=0.1)
    step = make_step(Plain(), averaging=0.9)
    expected = step.network.head.weight.detach().clone()
    optimiser = make_optimiser(step, settings)
    for done, _ in enumerate(
        train(
            step, optimiser, batches(9), steps=9, pause_at=lambda d: True, set_rate=lambda p: 0.1
        ),
        1,
    ):
        decay = min(0.9, 1 - 1 / (done + 1))
        expected = decay * expected + (1 - decay) * step.network.head.weight.detach()
        torch.testing.assert_close(step.average.head.weight, expected)
    assert step.deployed is step.average
    assert make_step(Plain()).deployed.training


def test_a_teacher_that_nobody_asked_to_be_handed_over_is_not():
    """``--averaging 0`` scores the last weights, of algorithms with a teacher too: so does source-only."""
    step = make_step(combination.make("self-training", {}), averaging=0.0)
    assert step.average is not None
    assert step.deployed is step.network
    assert (
        make_step(combination.make("self-training", {}), averaging=0.9).deployed is not step.network
    )


def test_source_and_target_go_through_in_one_batch():
    step = make_step(Plain())
    batch = next(batches(1))
    seen = []
    step.network.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    views, labelled_logits = step._views(batch, 0.5)
    assert len(seen) == 1
    assert torch.equal(seen[0], torch.cat([batch.source, batch.target]))
    torch.testing.assert_close(views.source.logits, step.network(batch.source).logits)
    torch.testing.assert_close(views.target.logits, step.network(batch.target).logits)
    assert labelled_logits is None


def read(folder):
    with open(folder / "metrics.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_log_goes_on_where_the_run_does(tmp_path):
    log = MetricsLog(tmp_path)
    for step in (1, 2, 3):
        log.write(step, {"loss": step / 3})
    log.close()
    with open(tmp_path / "metrics.csv", "a", encoding="utf-8") as file:
        file.write("4,0.3")  # a kill in the middle of a row
    log = MetricsLog(tmp_path, resumed_at=2)
    log.write(3, {"loss": 9.0})
    log.close()
    assert [(row["step"], float(row["loss"])) for row in read(tmp_path)] == [
        ("1", 1 / 3), ("2", 2 / 3), ("3", 9.0),
    ]  # fmt: skip


def test_the_log_begins_anew_when_nothing_can_be_kept(tmp_path):
    (tmp_path / "metrics.csv").write_text("step,los")
    log = MetricsLog(tmp_path)
    log.write(1, {"loss": 1.0})
    log.close()
    assert [row["step"] for row in read(tmp_path)] == ["1"]
