"""The three-strip network against its parts put together by hand."""

import hypothesis.strategies as st
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from torch import nn

from acclimate.core.errors import ConfigurationError
from acclimate.core.types import Spec
from acclimate.layers.domain_norm import DomainBatchNorm, keep_domains_apart
from acclimate.models import build_network
from acclimate.models.strips_cnn import strips_of

PUBLISHED = (3, 128, 48)


def build(shape=PUBLISHED, seed=0, classes=("a", "b"), **options):
    torch.manual_seed(seed)
    objective = "classification" if classes else "retrieval"
    return build_network("strips-cnn", options, Spec(shape, classes, objective=objective))


def draw(count, shape=PUBLISHED, seed=0):
    random = torch.Generator().manual_seed(seed)
    return torch.randn(count, *shape, generator=random)


def test_published_sizes():
    network = build()
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert [tuple(c.weight.shape) for c in convolutions] == [(64, 3, 7, 7)] + 3 * [(64, 64, 5, 5)]
    assert network.layer_widths == {"backbone": 3 * 64 * 12 * 12, "hidden1": 500}
    assert (network.attach_layer, network.feature_layer) == ("backbone", "hidden1")
    assert network.domain_hidden == (500,)
    (dropout,) = [m for m in network.modules() if isinstance(m, nn.Dropout)]
    assert dropout.p == 0.5
    assert isinstance(network.hidden[0], nn.Linear)


def test_against_the_published_order_of_operations():
    """ReLU before pooling, each of the strips cut out by its rows."""
    network, images = build(maps=5, descriptor=7).eval(), draw(2)
    strips = network.backbone[0]
    shared, parts = strips.first[0], []
    for number, start in enumerate((0, 40, 80)):
        (own,) = [m for m in strips.second[number].modules() if isinstance(m, nn.Conv2d)]
        seen = F.conv2d(images[:, :, start : start + 48], shared.weight, shared.bias, padding=3)
        seen = F.max_pool2d(F.relu(seen), 2)
        seen = F.conv2d(seen, own.weight, own.bias, padding=2)
        parts.append(F.max_pool2d(F.relu(seen), 2).flatten(1))
    features = torch.cat(parts, 1)
    descriptor = F.linear(features, network.hidden[0].weight, network.hidden[0].bias)
    output = network(images)
    torch.testing.assert_close(output.layers["backbone"], features)
    torch.testing.assert_close(output.layers["hidden1"], descriptor)
    assert (descriptor < 0).any()  # no ReLU behind it


@given(height=st.integers(32, 400), width=st.integers(16, 400))
def test_strips_cover_the_picture_and_differ(height, width):
    strips = strips_of(height, width)
    (first, second, third) = [start for start, _ in strips]
    (high,) = {stop - start for start, stop in strips}
    assert first == 0
    assert strips[2][1] == height
    assert abs((second - first) - (third - second)) <= 1
    assert first < second < third
    assert second <= first + high
    assert third <= second + high
    if height / 3 <= width <= height / 2:
        assert high == width


@pytest.mark.parametrize(
    "shape", [(3, 128, 64), (3, 48, 48), (1, 200, 48), (3, 32, 16), (3, 61, 37)]
)
def test_other_shapes(shape):
    network = build(shape, maps=4, descriptor=6)
    output = network(draw(2, shape))
    assert output.layers["backbone"].shape == (2, network.layer_widths["backbone"])
    assert output.layers["hidden1"].shape == (2, 6)
    assert output.logits.shape == (2, 2)


@pytest.mark.parametrize("size", [(31, 48), (48, 15), (8, 8)])
def test_too_small_pictures_are_refused(size):
    with pytest.raises(ConfigurationError, match=r"strips-cnn.*32×16.*larger --size") as caught:
        build((3, *size))
    assert "\n" not in str(caught.value)
    assert f"{size[0]}×{size[1]}" in str(caught.value)


@pytest.mark.parametrize(("rows", "seen"), [((0, 40), [0]), ((88, 128), [2]), ((40, 48), [0, 1])])
def test_each_strip_sees_its_rows(rows, seen):
    network = build(maps=4, descriptor=6).eval()
    images = draw(1)
    changed = images.clone()
    changed[:, :, slice(*rows)] += 1
    with torch.no_grad():
        before, after = (network.backbone(each)[0].chunk(3) for each in (images, changed))
    differ = [not torch.equal(a, b) for a, b in zip(before, after, strict=True)]
    assert [number for number, yes in enumerate(differ) if yes] == seen


def test_the_first_convolution_is_shared_and_learns_from_every_strip():
    network = build(maps=4, descriptor=6, dropout=0.0)
    shared = network.backbone[0].first[0].weight
    found = []
    for strip in range(3):
        (gradient,) = torch.autograd.grad(
            network.backbone(draw(2)).chunk(3, 1)[strip].sum(), shared
        )
        found.append(gradient)
        assert gradient.abs().max() > 0
    assert not torch.equal(found[0], found[1])
    (whole,) = torch.autograd.grad(network.backbone(draw(2)).sum(), shared)
    torch.testing.assert_close(sum(found), whole, rtol=1e-4, atol=1e-4)


def test_the_domain_classifier_sees_what_dropout_left():
    """It is attached behind the dropout that follows the concatenation."""
    network = build(maps=8, descriptor=6)
    share = {}
    for mode in (True, False):
        network.train(mode)
        layer = network(draw(4)).layers[network.attach_layer]
        share[mode] = float((layer > 0).float().mean())
    assert share[True] == pytest.approx(share[False] / 2, rel=0.1)


def test_one_normalisation_over_all_strips_and_one_for_each():
    network, images = build(maps=4, descriptor=6, normalisation="batch"), draw(3)
    strips = network.backbone[0]
    kept = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(kept) == 1 + 3
    network(images)
    (shared,) = strips.normalisation
    seen = torch.cat([strips.first(images[:, :, a:b]) for a, b in strips.strips], 2)
    torch.testing.assert_close(shared.running_mean, 0.1 * seen.mean((0, 2, 3)))


def test_domains_are_kept_apart_by_item():
    """The target's items change nothing in how the source's are normalised, in no strip."""
    network = build(maps=4, descriptor=6, normalisation="domain", dropout=0.0)
    assert sum(isinstance(m, DomainBatchNorm) for m in network.modules()) == 4
    keep_domains_apart(network, 2)
    source, target = draw(2), draw(3, seed=1)
    with torch.no_grad():
        first, second = (network.backbone(torch.cat([source, t])) for t in (target, 5 * target + 1))
    torch.testing.assert_close(first[:2], second[:2])
    assert not torch.allclose(first[2:], second[2:])


def test_retrieval_has_descriptors_and_no_logits():
    network = build(classes=(), maps=4)
    output = network(draw(2))
    assert output.logits.shape == (2, 0)
    assert next(reversed(output.layers)) == network.feature_layer
    assert output.layers["hidden1"].shape == (2, 500)


def test_it_can_learn_identities():
    """Pictures that differ in all strips: their descriptors tell them apart after some steps."""
    from acclimate.losses.binomial_deviance import binomial_deviance

    labels = torch.arange(12) // 2
    shape = (3, 64, 32)
    images = draw(6, shape).repeat_interleave(2, 0) + 0.7 * draw(12, shape, seed=1)
    network = build(shape, classes=(), maps=8, descriptor=32)
    optimiser = torch.optim.SGD(network.parameters(), 0.05, momentum=0.9)
    losses = []
    for _ in range(25):
        optimiser.zero_grad()
        loss = binomial_deviance(network(images).layers["hidden1"], labels)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]
