"""The margin disparity against NumPy, item by item."""

import math

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, softmax

from acclimate.algorithms import algorithms
from acclimate.algorithms.mdd import MarginDisparity
from acclimate.core.errors import ConfigurationError
from acclimate.core.schedules import domain_ramp
from acclimate.losses.margin_disparity import margin_disparity


def by_hand(source, source_classes, target, target_classes, gamma):
    agree = [
        -log_softmax(z)[c] for z, c in zip(source.numpy(), source_classes.tolist(), strict=True)
    ]
    other = [
        -math.log(1 - softmax(z)[c])
        for z, c in zip(target.numpy(), target_classes.tolist(), strict=True)
    ]
    return gamma * np.mean(agree) + np.mean(other)


@pytest.mark.parametrize("gamma", [1.0, 4.0])
def test_the_loss_item_by_item(gamma):
    random = torch.Generator().manual_seed(0)
    source, target = (2 * torch.randn(n, 4, generator=random) for n in (7, 5))
    classes = torch.arange(7) % 4, source[:5].argmax(1)
    found = margin_disparity(source, classes[0], target, classes[1], gamma)
    assert float(found) == pytest.approx(
        by_hand(source, classes[0], target, classes[1], gamma), rel=1e-5
    )


def test_agreement_beyond_float32_is_finite_and_keeps_its_gradient():
    """−log(1 − p) at p = 1: log(exp(200) + 1) of the closed form, with a slope of one."""
    logits = torch.tensor([[200.0, 0.0]], requires_grad=True)
    classes = torch.zeros(1, dtype=torch.int64)
    loss = margin_disparity(torch.tensor([[200.0, 0.0]]), classes, logits, classes, 4.0)
    loss.backward()
    assert loss.item() == pytest.approx(200.0)
    torch.testing.assert_close(logits.grad, torch.tensor([[1.0, -1.0]]))


def test_the_step_is_that_of_its_parts(make_step, make_batch):
    """Classes are the network's own on both sides; the network descends what the head ascends."""
    batch = make_batch(source=9, target=5)
    step = make_step(MarginDisparity(weight=0.5, ramp=5.0, gamma=3.0))
    with torch.no_grad():
        step.network.head.weight *= 20
        step.network.head.bias -= step.network(batch.target).logits.mean(0)
    values = step(batch, 0.3)
    values["loss"].backward()
    sides = [step.network(inputs) for inputs in (batch.source, batch.target)]
    head = step.modules_of_algorithm["auxiliary_head"]
    logits = [head(side.layers["backbone"]) for side in sides]
    classes = [side.logits.argmax(1) for side in sides]
    assert len(classes[1].unique()) > 1
    expected = by_hand(logits[0].detach(), classes[0], logits[1].detach(), classes[1], 3.0)
    assert float(values["loss/disparity"]) == pytest.approx(expected, rel=1e-5)
    shares = [
        float((z.argmax(1) == c).double().mean()) for z, c in zip(logits, classes, strict=True)
    ]
    assert [float(values[f"{n}_agreement"]) for n in ("source", "target")] == pytest.approx(shares)

    agree = torch.nn.functional.cross_entropy(logits[0], classes[0])
    chances = logits[1].softmax(1).gather(1, classes[1][:, None])
    plain = 3.0 * agree - (1 - chances).log().mean()
    heads = list(head.parameters())
    backbone = list(step.network.backbone.parameters())
    for parameter, gradient in zip(
        heads, torch.autograd.grad(plain, heads, retain_graph=True), strict=True
    ):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-6)
    classification = torch.nn.functional.cross_entropy(sides[0].logits, batch.source_labels)
    factor = -0.5 * domain_ramp(0.3, 5.0)
    whole = torch.autograd.grad(classification + factor * plain, backbone)
    for parameter, gradient in zip(backbone, whole, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-6)


def test_the_disparity_moves_no_head_but_its_own(make_step, make_batch):
    step = make_step(MarginDisparity())
    views, _ = step._views(make_batch(), 0.5)
    terms = step.algorithm.losses(views, step.modules_of_algorithm, "all")
    terms.losses["disparity"].backward()
    assert all(parameter.grad is None for parameter in step.network.head.parameters())


def test_weight_zero_is_source_only(make_step, make_batch):
    bare = make_step(algorithms.get("source-only")())
    bare(make_batch()._replace(target=None, target_weak=None), 0.5)["loss"].backward()
    step = make_step(MarginDisparity(weight=0.0))
    step(make_batch(), 0.5)["loss"].backward()
    for ours, expected in zip(step.network.parameters(), bare.network.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, expected.grad)


def test_the_auxiliary_head_finds_the_disparity(make_step, make_batch):
    """On fixed features it comes to agree on the source, whose weight is γ, and to part on the target."""
    step, batch = make_step(MarginDisparity(hidden=(32,))), make_batch(source=32, target=32)
    batch = batch._replace(target=batch.target + 3)
    optimiser = torch.optim.Adam(step.modules_of_algorithm.parameters(), 0.05)
    for _ in range(60):
        values = step(batch, 0.5)
        optimiser.zero_grad()
        values["loss"].backward()
        optimiser.step()
    assert float(values["source_agreement"]) > 0.9
    assert float(values["target_agreement"]) < 0.3


def test_sizes_and_errors(make_step):
    shapes = [
        tuple(p.shape) for p in make_step(MarginDisparity()).modules_of_algorithm.parameters()
    ]
    assert shapes == [(3, 10), (3,)]
    shapes = [
        tuple(p.shape)
        for p in make_step(MarginDisparity(hidden=(6,))).modules_of_algorithm.parameters()
    ]
    assert shapes == [(6, 10), (6,), (3, 6), (3,)]
    with pytest.raises(ConfigurationError, match="no layer 'hidden9'"):
        make_step(MarginDisparity(layer="hidden9"))
    for wrong in ({"hidden": [0]}, {"gamma": 0}, {"weight": -1}):
        (key,) = wrong
        with pytest.raises(ConfigurationError, match=f"algorithm mdd: {key}"):
            MarginDisparity.build("algorithm mdd", wrong)
