"""BatchNorm by the source's statistics against torch's on the source alone."""

import copy

import pytest
import torch
from torch import nn

from acclimate.core.errors import ConfigurationError
from acclimate.layers.domain_norm import DomainBatchNorm
from acclimate.layers.parted import keep_domains_apart
from acclimate.layers.source_norm import SourceBatchNorm
from acclimate.layers.steady import steady

SHAPES = {2: (nn.BatchNorm1d, ()), 3: (nn.BatchNorm1d, (5,)), 4: (nn.BatchNorm2d, (4, 3))}


def make(dimensions, momentum=0.1):
    """Torch's BatchNorm with weights and statistics of its own, ours of it, and rows."""
    kind, rest = SHAPES[dimensions]
    torch.manual_seed(0)
    theirs = kind(6, eps=1e-3, momentum=momentum).double()
    nn.init.normal_(theirs.weight)
    nn.init.normal_(theirs.bias)
    theirs.running_mean.normal_()
    theirs.running_var.uniform_(0.5, 2)
    rows = torch.randn(9, 6, *rest, dtype=torch.float64)
    rows[5:] = 3 * rows[5:] + 1
    return theirs, SourceBatchNorm.of(theirs), rows


@pytest.mark.parametrize("dimensions", SHAPES)
@pytest.mark.parametrize("momentum", [0.1, None])
def test_the_source_is_normalised_as_alone_and_the_target_alike(dimensions, momentum):
    theirs, ours, rows = make(dimensions, momentum)
    keep_domains_apart(ours, 5)
    for _ in range(3):
        found, expected = ours(rows), theirs(rows[:5])
        torch.testing.assert_close(found[:5], expected)
    for key, value in ours.state_dict().items():
        torch.testing.assert_close(value, theirs.state_dict()[key])
    axes = [axis for axis in range(rows.ndim) if axis != 1]
    variance, mean = torch.var_mean(rows[:5], axes, correction=0, keepdim=True)
    shape = (1, -1) + (1,) * (rows.ndim - 2)
    normalised = (rows[5:] - mean) / (variance + 1e-3).sqrt()
    expected = normalised * ours.weight.view(shape) + ours.bias.view(shape)
    torch.testing.assert_close(found[5:], expected)


@pytest.mark.parametrize("dimensions", SHAPES)
def test_evaluation_is_torchs(dimensions):
    theirs, ours, rows = make(dimensions)
    keep_domains_apart(ours, 5)
    torch.testing.assert_close(ours.eval()(rows), theirs.eval()(rows))


def test_gradients_pass_through_the_statistics():
    _, ours, rows = make(4)
    rows = rows[:, :, :2, :2].contiguous().requires_grad_()
    keep_domains_apart(ours, 5)

    def function(rows):
        return copy.deepcopy(ours)(rows)

    assert torch.autograd.gradcheck(function, rows)
    (slope,) = torch.autograd.grad(ours(rows)[5:].square().sum(), rows)
    assert slope[:5].abs().max() > 0


def test_without_a_source_all_rows_count():
    theirs, ours, rows = make(4)
    torch.testing.assert_close(ours(rows), theirs(rows))


def test_one_value_has_no_variance():
    theirs, ours, rows = make(2)
    keep_domains_apart(ours, 1)
    torch.testing.assert_close(ours(rows), theirs.eval()(rows))


def test_a_steady_look_leaves_no_trace():
    _, ours, rows = make(4)
    keep_domains_apart(ours, 5)
    before = copy.deepcopy(ours.state_dict())
    with steady(ours):
        found = ours(rows)
    assert all(torch.equal(value, before[key]) for key, value in ours.state_dict().items())
    torch.testing.assert_close(found, ours(rows))


@pytest.mark.parametrize("kind", [SourceBatchNorm, DomainBatchNorm])
def test_items_of_several_rows(kind):
    """Tokens: the layer sees 4 rows for each of the items, of which 5 of 9 are of the source."""
    theirs, _, rows = make(3)
    tokens = rows[..., :4].transpose(1, 2).flatten(0, 1)
    one, other = kind.of(theirs), kind.of(theirs)
    keep_domains_apart(one, 20)
    keep_domains_apart(other, 5)
    other.batch_rows = 9
    torch.testing.assert_close(other(tokens), one(tokens))
    with pytest.raises(ConfigurationError, match="34 rows of 9 items"):
        other(tokens[:34])
    with pytest.raises(ConfigurationError, match="3 rows of 9 items"):
        other(tokens[:3])
