"""The self-training part of the default algorithm."""

import pytest
import torch

from acclimate.algorithms import algorithms
from acclimate.algorithms.dann_self_training import DannSelfTraining


def test_without_its_two_weights_it_is_source_only(make_step, make_batch):
    bare = make_step(algorithms.get("source-only")())
    cut = make_step(DannSelfTraining(weight=0.0, self_training=0.0))
    for number in range(5):
        batch = make_batch(number)
        for step in (bare, cut):
            step.zero_grad()
            step(batch._replace(target_weak=None) if step is bare else batch, 0.5)[
                "loss"
            ].backward()
        for expected, found in zip(
            bare.network.parameters(), cut.network.parameters(), strict=True
        ):
            torch.testing.assert_close(found.grad, expected.grad)
        with torch.no_grad():
            for step in (bare, cut):
                for parameter in step.network.parameters():
                    parameter -= 0.1 * parameter.grad


def test_the_weight_rises_over_the_ramp(make_step, make_batch):
    step = make_step(DannSelfTraining(threshold=0.0, ramp=0.4, self_training=2.0))
    at = {p: float(step(make_batch(), p)["loss/self_training"]) for p in (0.0, 0.1, 0.2, 0.4, 0.9)}
    assert at[0.0] == 0
    assert at[0.1] == pytest.approx(at[0.4] / 4)
    assert at[0.2] == pytest.approx(at[0.4] / 2)
    assert at[0.9] == pytest.approx(at[0.4])


def test_the_teacher_is_the_average_and_gets_no_gradient(make_step, make_batch):
    step = make_step(DannSelfTraining(threshold=0.0))
    assert step.averaging == 0.99
    step(make_batch(), 0.5)["loss"].backward()
    assert all(parameter.grad is None for parameter in step.average.parameters())
    before = step(make_batch(), 0.5)["loss/self_training"]
    with torch.no_grad():  # another teacher, other labels
        step.average.head.weight.neg_()
    assert step(make_batch(), 0.5)["loss/self_training"] != before


def test_an_unsure_teacher_teaches_nothing(make_step, make_batch):
    step = make_step(DannSelfTraining(threshold=0.999))
    with torch.no_grad():  # every class alike
        step.average.head.weight.zero_()
        step.average.head.bias.zero_()
    values = step(make_batch(), 1.0)
    assert values["confident_share"] == 0
    assert values["loss/self_training"] == 0


def test_the_threshold_follows_the_confidence_on_the_source(make_step, make_batch):
    """AdaMatch, section 3.3: c = τ · mean over the source of the largest probability."""
    batch = make_batch(target=64)
    for threshold in (0.3, 0.7, 0.95):
        step = make_step(DannSelfTraining(threshold=threshold, alignment=0.0))
        with torch.no_grad():
            source = step.network(batch.source).logits.softmax(1).amax(1).mean()
            teacher = step.average(batch.target_weak).logits.softmax(1).amax(1)
        expected = (teacher > threshold * source).float().mean()
        assert float(step(batch, 1.0)["confident_share"]) == pytest.approx(float(expected))


def test_only_alignment_looks_at_the_class_shares(make_step, make_batch):
    assert "share_alignment" not in make_step(DannSelfTraining(alignment=0)).modules_of_algorithm
    step = make_step(DannSelfTraining(alignment=1.0, threshold=0.0)).eval()
    losses = set()
    for common in torch.eye(3):
        step.modules_of_algorithm["share_alignment"].source_shares.copy_(common)
        losses.add(float(step(make_batch(), 1.0)["loss/self_training"]))
    assert len(losses) == 3
