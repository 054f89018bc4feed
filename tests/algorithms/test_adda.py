"""Two parts in one run, a copy that is frozen, and inverted labels against autograd by hand."""

import pytest
import torch
from torch import nn

from acclimate.algorithms import algorithms
from acclimate.algorithms.adda import Adda
from acclimate.core.errors import ConfigurationError
from acclimate.layers.domain_norm import DomainBatchNorm
from acclimate.layers.frozen import FrozenCopy, call_frozen
from acclimate.training.checkpoint import latest_checkpoint, restore, save_checkpoint
from acclimate.training.loop import train


def encoder_of(step):
    return step.modules_of_algorithm["source_encoder"].copy


def run(step, make_batch, stop=10, start=0, optimiser=None):
    """Train with Adam; the state after each step, and the last values."""
    optimiser = optimiser or torch.optim.Adam(
        [p for p in step.parameters() if p.requires_grad], 0.02
    )
    states, values = [], []
    for logged in train(
        step, optimiser, (make_batch(n) for n in range(start, stop)), steps=10, start=start,
        pause_at=lambda done: True, set_rate=lambda progress: 0.02,
    ):  # fmt: skip
        states.append({name: value.clone() for name, value in step.state_dict().items()})
        values.append(logged.floats())
    return states, values, optimiser


def copied(state):
    name = "modules_of_algorithm.source_encoder.copy."
    return {key.removeprefix(name): value for key, value in state.items() if key.startswith(name)}


def trained(state):
    return {
        key.removeprefix("network."): v for key, v in state.items() if key.startswith("network.")
    }


def test_the_copy_follows_until_start_and_then_stands(make_step, make_batch):
    states, values, _ = run(make_step(Adda(start=0.3)), make_batch)
    # taken at the beginning of step n, so of the network after step n - 1
    for number in (1, 2):
        assert all(
            torch.equal(v, trained(states[number - 1])[k])
            for k, v in copied(states[number]).items()
        )
    for number in range(3, 10):
        assert all(torch.equal(v, copied(states[2])[k]) for k, v in copied(states[number]).items())
    moved = [not torch.equal(trained(states[9])[k], v) for k, v in copied(states[9]).items()]
    assert all(moved)
    assert [row["loss/domain"] == 0 for row in values] == [True] * 3 + [False] * 7
    assert [row["loss/adversarial"] == 0 for row in values] == [True] * 3 + [False] * 7


def test_the_first_part_is_source_only_step_for_step(make_step, make_batch):
    ours, _, _ = run(make_step(Adda(start=0.5)), make_batch, stop=5)
    bare, _, _ = run(
        make_step(algorithms.get("source-only")()),
        lambda n: make_batch(n)._replace(target=None, target_weak=None),
        stop=5,
    )
    for mine, expected in zip(ours, bare, strict=True):
        for key, value in trained(expected).items():
            torch.testing.assert_close(trained(mine)[key], value, atol=1e-6, rtol=1e-5)


def test_the_copy_is_not_trained_and_resumes_bit_for_bit(make_step, make_batch, tmp_path):
    whole, _, _ = run(make_step(Adda(start=0.3)), make_batch)
    first = make_step(Adda(start=0.3))
    assert not any(p.requires_grad for p in encoder_of(first).parameters())
    _, _, optimiser = run(first, make_batch, stop=6)
    save_checkpoint(tmp_path, 6, first, optimiser, {})
    second = make_step(Adda(start=0.3), seed=50)
    optimiser = torch.optim.Adam([p for p in second.parameters() if p.requires_grad], 0.02)
    restore(latest_checkpoint(tmp_path), second, optimiser)
    states, _, _ = run(second, make_batch, start=6, optimiser=optimiser)
    for key, value in whole[-1].items():
        assert torch.equal(value, states[-1][key]), key


def test_with_start_zero_the_network_as_it_begins_is_the_source_encoder(make_step, make_batch):
    step = make_step(Adda(start=0.0))
    with torch.no_grad():
        step.network.head.weight += 1  # weights that came after the copy was made
    begun = {name: value.clone() for name, value in step.network.state_dict().items()}
    states, values, _ = run(step, make_batch, stop=4)
    assert all(torch.equal(v, begun[k]) for k, v in copied(states[-1]).items())
    assert all(row["loss/adversarial"] > 0 for row in values)


def test_nothing_is_taken_outside_training(make_step, make_batch):
    step = make_step(Adda(start=0.9))
    with torch.no_grad():
        step.network.head.weight += 1
    before = {name: value.clone() for name, value in step.state_dict().items()}
    step.eval()
    step(make_batch(), 0.0)
    assert all(torch.equal(value, before[name]) for name, value in step.state_dict().items())


@pytest.mark.parametrize("kept", [0.0, 1.0])
def test_the_gradients_of_the_second_part_by_hand(kept, make_step, make_batch):
    """Domain classifier: BCE on both. Target encoder: BCE of the target under the source's label."""
    batch = make_batch(source=5, target=8, dtype=torch.float64)
    step = make_step(Adda(weight=0.6, start=0.2, classification=kept)).double()
    with torch.no_grad():
        for parameter in encoder_of(step).parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    step.train()
    step(batch, 0.7)["loss"].backward()
    classifier = step.modules_of_algorithm["domain_classifier"]
    bce = nn.functional.binary_cross_entropy_with_logits
    with torch.no_grad():
        source = encoder_of(step)(batch.source).layers["backbone"]
    output = step.network(torch.cat([batch.source, batch.target]))
    target = output.layers["backbone"][5:]
    told = [classifier(source), classifier(target.detach())]
    domain = 0.5 * (
        bce(told[0], torch.zeros_like(told[0])) + bce(told[1], torch.ones_like(told[1]))
    )
    expected = torch.autograd.grad(domain, list(classifier.parameters()))
    for parameter, gradient in zip(classifier.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)
    logits = classifier(target)
    loss = 0.6 * bce(logits, torch.zeros_like(logits))
    loss = loss + kept * nn.functional.cross_entropy(output.logits[:5], batch.source_labels)
    network = list(step.network.parameters())
    expected = torch.autograd.grad(loss, network, allow_unused=True)
    for parameter, gradient in zip(network, expected, strict=True):
        torch.testing.assert_close(
            parameter.grad, torch.zeros_like(parameter) if gradient is None else gradient
        )
    assert (step.network.head.weight.grad.abs().max() == 0) == (kept == 0)
    assert all(parameter.grad is None for parameter in encoder_of(step).parameters())


def test_the_encoder_learns_to_pass_for_the_source(make_step, make_batch):
    """Against a domain classifier that stands still, the target comes to be taken for source."""
    step, batch = make_step(Adda(start=0.0)), make_batch(target=32)
    with torch.no_grad():
        for parameter in step.modules_of_algorithm["domain_classifier"].parameters():
            parameter *= 4
    optimiser = torch.optim.SGD(step.network.backbone.parameters(), 0.3)
    losses = []
    step.train()
    for _ in range(40):
        values = step(batch, 0.5)
        optimiser.zero_grad()
        values["loss"].backward()
        optimiser.step()
        losses.append(float(values["loss/adversarial"]))
    assert losses[-1] < 0.5 * losses[0]


def test_a_frozen_call_is_the_call_without_the_weights_gradient():
    module, inputs = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)), torch.randn(5, 3)
    inputs.requires_grad_()
    (expected,) = torch.autograd.grad(module(inputs).sum(), inputs)
    call_frozen(module, inputs).sum().backward()
    torch.testing.assert_close(inputs.grad, expected)
    assert all(parameter.grad is None for parameter in module.parameters())
    torch.testing.assert_close(call_frozen(module, inputs), module(inputs))


def test_a_frozen_copy_stays_in_evaluation_and_sees_the_source():
    original = nn.Sequential(nn.Linear(3, 4), DomainBatchNorm(4, vectors=True), nn.Dropout(0.5))
    with torch.no_grad():
        original[1].statistics[0].running_mean += 5
    frozen = FrozenCopy(original).train()
    assert frozen.training
    assert not any(module.training for module in frozen.copy.modules())
    inputs = torch.randn(6, 3)
    weight, bias = original[0].weight, original[0].bias
    expected = (inputs @ weight.T + bias - 5) / (1 + 1e-5) ** 0.5
    torch.testing.assert_close(frozen(inputs), expected.detach())
    assert not frozen(inputs.requires_grad_()).requires_grad


def test_widths_and_place(make_step):
    step = make_step(Adda(hidden=(7, 5)))
    classifier = step.modules_of_algorithm["domain_classifier"]
    assert [tuple(p.shape) for p in classifier.parameters() if p.ndim > 1] == [
        (7, 10),
        (5, 7),
        (1, 5),
    ]
    with pytest.raises(ConfigurationError, match="no layer 'hidden9'"):
        make_step(Adda(attach="hidden9"))
    for wrong in ({"start": 1.1}, {"weight": -1}, {"classification": -1}):
        (key,) = wrong
        with pytest.raises(ConfigurationError, match=f"algorithm adda: {key}"):
            Adda.build("algorithm adda", wrong)
