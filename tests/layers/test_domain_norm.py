"""Normalisation with two sets of statistics against two separate BatchNorms."""

import pytest
import torch
from torch import nn

from acclimate.layers.domain_norm import (
    DomainBatchNorm,
    keep_domains_apart,
    use_statistics_of,
)


@pytest.fixture
def pair():
    """Ours, and two of torch's that share our affine transform."""
    torch.manual_seed(0)
    ours = DomainBatchNorm(3)
    nn.init.normal_(ours.weight)
    nn.init.normal_(ours.bias)
    theirs = [nn.BatchNorm2d(3) for _ in range(2)]
    for norm in theirs:
        norm.weight, norm.bias = ours.weight, ours.bias
    return ours, theirs


def draw(source_rows, rows):
    random = torch.Generator().manual_seed(1)
    images = torch.randn(rows, 3, 5, 4, generator=random)
    images[source_rows:] = 3 * images[source_rows:] + 2
    return images


@pytest.mark.parametrize("source_rows", [4, 7])
def test_training_normalises_each_domain_by_itself(pair, source_rows):
    ours, theirs = pair
    images = draw(source_rows, 11)
    keep_domains_apart(ours, source_rows)
    for _ in range(3):
        result = ours(images)
        expected = torch.cat([theirs[0](images[:source_rows]), theirs[1](images[source_rows:])])
    torch.testing.assert_close(result, expected)
    for mine, other in zip(ours.statistics, theirs, strict=True):
        torch.testing.assert_close(mine.running_mean, other.running_mean)
        torch.testing.assert_close(mine.running_var, other.running_var)


@pytest.mark.parametrize("domain", [0, 1])
def test_evaluation_uses_the_statistics_of_the_domain(pair, domain):
    ours, theirs = pair
    images = draw(5, 10)
    keep_domains_apart(ours, 5)
    ours(images)
    theirs[0](images[:5])
    theirs[1](images[5:])
    use_statistics_of(ours, domain)
    torch.testing.assert_close(ours.eval()(images), theirs[domain].eval()(images))


def test_the_target_is_the_default(pair):
    ours, theirs = pair
    images = draw(5, 10)
    keep_domains_apart(ours, 5)
    ours(images)
    theirs[1](images[5:])
    torch.testing.assert_close(ours.eval()(images), theirs[1].eval()(images))


def test_a_batch_of_source_alone_stands_for_the_target(pair):
    """As in source-only training: in evaluation the network would else have no statistics at all."""
    ours, theirs = pair
    images = draw(6, 6)
    keep_domains_apart(ours, 6)
    ours(images)
    theirs[0](images)
    for statistics in ours.statistics:
        assert torch.equal(statistics.running_mean, theirs[0].running_mean)
        assert torch.equal(statistics.running_var, theirs[0].running_var)


@pytest.mark.parametrize("source_rows", [1, 4])
def test_vectors_as_pictures_of_one_pixel(source_rows):
    vectors, images = DomainBatchNorm(3, vectors=True), DomainBatchNorm(3)
    inputs = draw(source_rows, 11)[..., 0, 0]
    for each in (vectors, images):
        keep_domains_apart(each, source_rows)
    if source_rows > 1:  # torch refuses to normalise a single pixel
        torch.testing.assert_close(vectors(inputs), images(inputs[..., None, None])[..., 0, 0])
    assert torch.isfinite(vectors(inputs)).all()


def test_gradient_reaches_the_affine_transform_and_the_input(pair):
    ours, _ = pair
    images = draw(5, 10).requires_grad_()
    keep_domains_apart(ours, 5)
    ours(images).square().sum().backward()
    for gradient in (ours.weight.grad, ours.bias.grad, images.grad):
        assert gradient is not None
        assert gradient.abs().sum() > 0


def test_rows_of_neither_domain_are_normalised_among_themselves_and_not_remembered(pair):
    """As those that are mixed from both; they would else be taken for the target's."""
    ours, theirs = pair
    images = draw(4, 13)
    images[10:] = 7 * images[10:] - 20
    keep_domains_apart(ours, 4, 3)
    result = ours(images)
    apart = nn.BatchNorm2d(3)
    apart.weight, apart.bias = ours.weight, ours.bias
    parts = [theirs[0](images[:4]), theirs[1](images[4:10]), apart(images[10:])]
    torch.testing.assert_close(result, torch.cat(parts))
    for mine, other in zip(ours.statistics, theirs, strict=True):
        torch.testing.assert_close(mine.running_mean, other.running_mean)
        torch.testing.assert_close(mine.running_var, other.running_var)
    keep_domains_apart(ours, 4)
    ours(images)
    theirs[1](images[4:])
    torch.testing.assert_close(ours.statistics[1].running_mean, theirs[1].running_mean)


def test_rows_of_neither_domain_where_items_have_several_rows(pair):
    ours, _ = pair
    images = draw(4, 13)
    keep_domains_apart(ours, 4, 3)
    once = ours(images)
    twice = DomainBatchNorm(3)
    twice.load_state_dict(
        {**ours.state_dict(), **twice.statistics.state_dict(prefix="statistics.")}
    )
    keep_domains_apart(twice, 4, 3)
    twice.batch_rows = 13
    doubled = twice(images.repeat_interleave(2, 0))
    torch.testing.assert_close(doubled[::2], once)
