"""Two classifiers, three phases, and POT's sliced Wasserstein distance between their outputs."""

import numpy as np
import ot
import pytest
import torch
from scipy.special import softmax

from acclimate.algorithms.swd import SlicedWassersteinDiscrepancy as Swd
from acclimate.losses.sliced_wasserstein import random_directions
from acclimate.training.loop import train

HEADS = {"network.head", "second_head"}


def run(step, batches, steps=6):
    optimiser = torch.optim.Adam(step.parameters(), 1e-2)
    pauses = train(
        step,
        optimiser,
        (batches(number) for number in range(steps)),
        steps=steps,
        pause_at=lambda done: True,
        set_rate=lambda progress: 1e-2,
    )
    return [logged.floats() for logged in pauses], optimiser


def classifiers(step, inputs):
    """Logits of both, in NumPy."""
    with torch.no_grad():
        output = step.network(inputs)
        second = step.modules_of_algorithm["second_head"](output.layers["backbone"])
    return output.logits.double().numpy(), second.double().numpy()


def cross_entropy(logits, labels):
    return -np.log(softmax(logits, axis=1))[np.arange(len(labels)), labels].mean()


@pytest.mark.parametrize("generator_steps", [1, 3])
def test_what_each_phase_moves(generator_steps, make_step):
    step = make_step(Swd(generator_steps=generator_steps))
    phases = step.algorithm.phases
    assert [phase.name for phase in phases] == [
        "classifiers",
        *["generator"] * generator_steps,
        "source",
    ]
    parameters = [name for name, _ in step.trainable()]
    heads = {n for n in parameters if any(n.startswith(f"{head}.") for head in HEADS)}
    assert len(heads) == 4
    moves = [{name for name in parameters if phase.moves(name)} for phase in phases]
    assert moves[0] == heads
    assert moves[-1] == set(parameters)
    assert all(each == set(parameters) - heads for each in moves[1:-1])


@pytest.mark.parametrize("phase", ["source", "classifiers", "generator"])
def test_the_losses_by_hand(phase, make_step, make_batch):
    batch = make_batch(3, source=9, target=7)
    step = make_step(Swd(weight=0.6, directions=5))
    torch.manual_seed(4)
    values = step(batch, 0.5, phase)
    torch.manual_seed(4)
    lines = random_directions(3, 5, torch.device("cpu")).double().numpy()
    theirs = [softmax(logits, axis=1) for logits in classifiers(step, batch.target)]
    discrepancy = ot.sliced_wasserstein_distance(*theirs, projections=lines) ** 2
    labels = batch.source_labels.numpy()
    first, second = (cross_entropy(each, labels) for each in classifiers(step, batch.source))
    expected = {"loss/classification": first, "loss/second_classification": second}
    if phase == "classifiers":
        expected["loss/discrepancy"] = -0.6 * discrepancy
    if phase == "generator":
        expected = {"loss/discrepancy": 0.6 * discrepancy}
    found = {key: float(value) for key, value in values.items() if key.startswith("loss/")}
    assert found == pytest.approx(expected, rel=1e-4)
    assert float(values["classifier_discrepancy"]) == pytest.approx(discrepancy, rel=1e-4)


def test_classifiers_part_and_features_bring_them_together(make_step, make_batch):
    """One phase again and again: on fixed lines, the discrepancy rises, and then falls."""
    batch = make_batch(source=16, target=16)
    # so much that the classifiers do not mind the source
    step = make_step(Swd(weight=30))
    found = {}
    for name in ("classifiers", "generator"):
        (phase,) = {p for p in step.algorithm.phases if p.name == name}
        parameters = [p for key, p in step.trainable() if phase.moves(key)]
        optimiser = torch.optim.Adam(parameters, 1e-2)
        found[name] = []
        for _ in range(30):
            torch.manual_seed(0)
            values = step(batch, 0.5, name)
            step.zero_grad()
            values["loss"].backward()
            optimiser.step()
            found[name].append(float(values["classifier_discrepancy"]))
    assert found["classifiers"][-1] > 2 * found["classifiers"][0]
    assert found["generator"][-1] < 0.5 * found["generator"][0]


def test_no_gradient_is_computed_for_features_that_are_fixed(make_step, make_batch):
    step = make_step(Swd())
    step(make_batch(), 0.5, "classifiers")["loss"].backward()
    assert all(parameter.grad is None for parameter in step.network.backbone.parameters())
    heads = [*step.network.head.parameters(), *step.modules_of_algorithm.parameters()]
    assert all(parameter.grad.abs().max() > 0 for parameter in heads)


def test_each_part_takes_its_own_number_of_steps(make_step, make_batch):
    step = make_step(Swd(generator_steps=3))
    values, optimiser = run(step, make_batch, steps=2)
    for name, parameter in step.trainable():
        of_heads = any(name.startswith(f"{head}.") for head in HEADS)
        assert int(optimiser.state[parameter]["step"]) == 2 * (2 if of_heads else 4)
    # what is logged comes right after a step on the source
    assert {"loss/classification", "source_batch_accuracy"} < values[-1].keys()


def test_weight_zero_learns_from_the_source_alone(make_step, make_batch):
    steps = [make_step(Swd(weight=0)) for _ in range(2)]
    assert [phase.name for phase in steps[0].algorithm.phases] == ["source"]
    run(steps[0], make_batch)
    run(steps[1], lambda number: make_batch(number)._replace(target=torch.zeros(8, 6)))
    for first, second in zip(*(step.parameters() for step in steps), strict=True):
        assert torch.equal(first, second)
    # by hand: both classifiers on one feature extractor
    step = make_step(Swd(weight=0))
    optimiser = torch.optim.Adam(step.parameters(), 1e-2)
    for number in range(6):
        batch = make_batch(number)
        output = step.network(batch.source)
        second = step.modules_of_algorithm["second_head"](output.layers["backbone"])
        optimiser.zero_grad()
        sum(
            torch.nn.functional.cross_entropy(each, batch.source_labels)
            for each in (output.logits, second)
        ).backward()
        optimiser.step()
    for found, expected in zip(steps[0].parameters(), step.parameters(), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_classifiers_that_agree_have_no_discrepancy(make_step, make_batch):
    step = make_step(Swd())
    second = step.modules_of_algorithm["second_head"]
    assert not torch.equal(second.weight, step.network.head.weight)
    second.load_state_dict(step.network.head.state_dict())
    for phase in ("source", "classifiers", "generator"):
        assert step(make_batch(), 0.5, phase)["classifier_discrepancy"] == 0


def test_lines_are_drawn_anew_in_each_phase(make_step, make_batch):
    step, batch = make_step(Swd()), make_batch()
    first, second = (step(batch, 0.5, "generator")["loss"] for _ in range(2))
    assert first != second
    assert first.item() == pytest.approx(second.item(), rel=0.5)
