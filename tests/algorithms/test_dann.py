"""What λ does and does not do, against the paper."""

import math

import pytest
import torch
from scipy.special import expit

from acclimate.algorithms import algorithms
from acclimate.algorithms.dann import Dann, domain_classifier
from acclimate.core.errors import ConfigurationError
from acclimate.core.schedules import domain_ramp


def gradients(step, batch, progress):
    """Gradients by parameter name of the whole loss."""
    step.zero_grad(set_to_none=True)
    step(batch, progress)["loss"].backward()
    return {n: p.grad.clone() for n, p in step.named_parameters() if p.grad is not None}


def domain_gradients(step, batch, progress):
    """Gradients of the domain loss alone."""
    step.zero_grad(set_to_none=True)
    views, _ = step._views(batch, progress)
    terms = step.algorithm.losses(views, step.modules_of_algorithm, "all")
    terms.losses["domain"].backward()
    return {n: p.grad.clone() for n, p in step.named_parameters() if p.grad is not None}


def test_the_domain_classifier_trains_at_full_rate_from_the_start(make_step, make_batch):
    step, batch = make_step(Dann()).double(), make_batch(weak=False, dtype=torch.float64)
    early, late = gradients(step, batch, 0.0), gradients(step, batch, 0.9)
    names = [name for name in early if name.startswith("modules_of_algorithm.")]
    assert len(names) == 4
    for name in names:
        assert torch.equal(early[name], late[name])
        assert early[name].abs().max() > 1e-6


def test_lambda_scales_the_features_gradient_and_nothing_else(make_step, make_batch):
    step, batch = make_step(Dann()).double(), make_batch(weak=False, dtype=torch.float64)
    first, second = 0.05, 0.4
    early, late = domain_gradients(step, batch, first), domain_gradients(step, batch, second)
    ratio = domain_ramp(second) / domain_ramp(first)
    names = [name for name in early if name.startswith("network.backbone")]
    assert len(names) == 4
    for name in names:
        torch.testing.assert_close(late[name], ratio * early[name])
        assert early[name].abs().max() > 1e-6
    assert not any(name.startswith("network.head") for name in early)


def test_the_reversed_gradient_is_minus_lambda_times_the_plain_one(make_step, make_batch):
    step, batch = (
        make_step(Dann(weight=0.7)).double(),
        make_batch(weak=False, dtype=torch.float64),
    )
    reversed_ = domain_gradients(step, batch, 0.2)
    step.zero_grad(set_to_none=True)
    classifier = step.modules_of_algorithm["domain_classifier"]
    joint = torch.cat([batch.source, batch.target])
    logits = classifier(step.network(joint).layers["backbone"]).squeeze(1)
    labels = torch.cat([torch.zeros(8), torch.ones(8)]).double()
    torch.nn.functional.binary_cross_entropy_with_logits(logits, labels).backward()
    factor = -0.7 * domain_ramp(0.2)
    for name, parameter in step.network.backbone.named_parameters():
        torch.testing.assert_close(reversed_[f"network.backbone.{name}"], factor * parameter.grad)


@pytest.mark.parametrize("progress", [0.0, 0.01, 0.1, 0.33, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("gamma", [1.0, 10.0, 25.0])
def test_the_ramp_is_the_papers(progress, gamma, make_step, make_batch):
    """λ_p = 2/(1 + exp(−γp)) − 1, JMLR 17(59), section 5.2.2, written with another library."""
    expected = 2 * float(expit(gamma * progress)) - 1
    assert domain_ramp(progress, gamma) == pytest.approx(expected, abs=1e-15)
    step = make_step(Dann(gamma=gamma, weight=0.4))
    monitors = step(make_batch(weak=False), progress)
    assert monitors["reversal_weight"] == pytest.approx(0.4 * expected, abs=1e-15)


def train(step, batches, steps=12):
    """Plain SGD with momentum; returns the network's weights after each step."""
    optimiser = torch.optim.SGD(step.parameters(), 0.1, momentum=0.9)
    for number in range(steps):
        optimiser.zero_grad()
        step(batches(number, weak=False), number / steps)["loss"].backward()
        optimiser.step()
        yield {name: value.clone() for name, value in step.network.state_dict().items()}


def test_weight_zero_is_source_only_step_for_step(make_step, make_batch):
    bare = train(make_step(algorithms.get("source-only")()), make_batch)
    cut = train(make_step(Dann(weight=0.0)), make_batch)
    for expected, found in zip(bare, cut, strict=True):
        assert expected.keys() == found.keys()
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, atol=1e-6, rtol=1e-5)


def test_any_other_weight_is_not_source_only(make_step, make_batch):
    *_, bare = train(make_step(algorithms.get("source-only")()), make_batch)
    *_, pulled = train(make_step(Dann(weight=0.1)), make_batch)
    name = "backbone.1.weight"
    assert (bare[name] - pulled[name]).abs().max() > 1e-4


def test_the_losses_are_summed_not_averaged(make_step, make_batch):
    """A mean over terms would quietly change the domain loss's weight."""
    values = make_step(Dann())(make_batch(weak=False), 0.5)
    total = values["loss/classification"] + values["loss/domain"]
    torch.testing.assert_close(values["loss"].detach(), total)
    assert values["loss/domain"].item() == pytest.approx(math.log(2), abs=0.3)


def test_widths_and_place_of_the_domain_classifier(make_step, make_batch):
    step = make_step(Dann(hidden=(7, 5)))
    widths = [
        tuple(p.shape) for n, p in step.modules_of_algorithm.named_parameters() if "weight" in n
    ]
    assert widths == [(7, 10), (5, 7), (1, 5)]
    bare = make_step(Dann(hidden=()))
    assert [tuple(p.shape) for p in bare.modules_of_algorithm.parameters()] == [(1, 10), (1,)]
    with pytest.raises(ConfigurationError, match="no layer 'hidden9'"):
        make_step(Dann(attach="hidden9"))
    with pytest.raises(ConfigurationError, match="widths"):
        domain_classifier(4, (3, 0))
    assert step(make_batch(weak=False), 0.5)["domain_accuracy"] >= 0
