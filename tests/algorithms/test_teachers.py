"""Students and their averaged teacher."""

import numpy as np
import pytest
import torch

from acclimate.algorithms.dann_self_training import DannSelfTraining
from acclimate.algorithms.mean_teacher import MeanTeacher
from acclimate.algorithms.self_training import SelfTraining


def sure_of_several(step, batch):
    """The same step; its teacher sees several classes in the batch, each with some confidence."""
    with torch.no_grad():
        step.average.head.weight *= 20
        step.average.head.bias -= step.average(batch.target_weak).logits.mean(0)
    return step


@pytest.mark.parametrize("threshold", [0.0, 0.8])
def test_squared_difference_item_by_item(threshold, make_step, make_batch):
    batch = make_batch(target=30)
    step = sure_of_several(make_step(MeanTeacher(weight=0.7, threshold=threshold)), batch)
    student = step.network(batch.target).logits.detach().double().softmax(1).numpy()
    teacher = step.average(batch.target_weak).logits.double().softmax(1).numpy()
    each = [
        np.sum((ours - theirs) ** 2) if theirs.max() > threshold else None
        for ours, theirs in zip(student, teacher, strict=True)
    ]
    sure = [value for value in each if value is not None]
    assert len(sure) == 30 if threshold == 0 else 0 < len(sure) < 30
    values = step(batch, 1.0)
    assert float(values["loss/consistency"]) == pytest.approx(0.7 * sum(sure) / 30, rel=1e-4)
    assert float(values["confident_share"]) == pytest.approx(len(sure) / 30)


def test_a_student_that_agrees_has_nothing_to_learn(make_step, make_batch):
    batch = make_batch()
    step = make_step(MeanTeacher(threshold=0))
    values = step(batch._replace(target_weak=batch.target), 1.0)
    assert float(values["loss/consistency"]) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("kind", [MeanTeacher, SelfTraining])
def test_the_teacher_is_the_average_and_gets_no_gradient(kind, make_step, make_batch):
    batch = make_batch()
    step = sure_of_several(make_step(kind(threshold=0.0)), batch)
    assert step.averaging == 0.99
    values = step(batch, 0.5)
    values["loss"].backward()
    assert all(parameter.grad is None for parameter in step.average.parameters())
    with torch.no_grad():  # another teacher, other labels
        step.average.head.weight.neg_()
    assert step(batch, 0.5)["loss"] != values["loss"]


@pytest.mark.parametrize("alignment", [0.0, 1.0])
def test_self_training_is_the_default_algorithm_without_domain_confusion(
    alignment, make_step, make_batch
):
    """Their common term, step for step, while only one of them confuses domains."""
    options = {"threshold": 0.6, "alignment": alignment, "ramp": 0.4}
    ours = make_step(SelfTraining(**options, weight=0.7))
    default = make_step(DannSelfTraining(**options, self_training=0.7, weight=0.0))
    for number in range(4):
        batch = make_batch(number)
        values, expected = ours(batch, 0.1 * number), default(batch, 0.1 * number)
        for key in ("loss/self_training", "loss/classification", "confident_share"):
            assert float(values[key]) == float(expected[key])
        assert "loss/domain" not in values
    assert ("share_alignment" in ours.modules_of_algorithm) == (alignment > 0)
