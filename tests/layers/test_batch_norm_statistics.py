"""Statistics put back into BatchNorm, against torch's own estimate and closed forms."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from acclimate.core.errors import DataError
from acclimate.layers.batch_norm_statistics import (
    batch_norms,
    exchange_batch_norms,
    is_folded,
    re_estimate_batch_norm,
)
from acclimate.layers.domain_norm import DomainBatchNorm, keep_domains_apart
from acclimate.layers.source_norm import SourceBatchNorm


def make(seed=0):
    """Two convolutions with statistics that fit nothing, and a normalisation of vectors."""
    torch.manual_seed(seed)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 5, 3),
        nn.BatchNorm2d(5, eps=1e-3), nn.Flatten(), nn.BatchNorm1d(80),
    ).double()  # fmt: skip
    for _, norm in batch_norms(network):
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.1, 3)
    return network


def pictures(count=12, seed=0):
    random = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(count, 3, 8, 8, generator=random, dtype=torch.float64) + 1


@pytest.mark.parametrize("sizes", [[12], [5, 7], [1] * 12])
def test_the_function_stays_and_the_statistics_are_true(sizes):
    network, images = make(), pictures()
    expected = network.eval()(images)
    seen, hooks = {}, []
    for name, norm in batch_norms(network):
        hook = norm.register_forward_pre_hook(lambda _, i, name=name: seen.update({name: i[0]}))
        hooks.append(hook)
    network(images)
    for hook in hooks:
        hook.remove()
    re_estimate_batch_norm(network, torch.split(images, sizes))
    torch.testing.assert_close(network(images), expected)
    for name, norm in batch_norms(network):
        plain = type(norm)(norm.num_features, momentum=1.0).double()
        plain(seen[name])
        torch.testing.assert_close(norm.running_mean, plain.running_mean)
        torch.testing.assert_close(norm.running_var, plain.running_var)


def test_then_training_is_nearly_the_same_function():
    """On the pictures it was estimated from: but for the factor of the unbiased variance."""
    network, images = make(), pictures(64)
    expected = network.eval()(images)
    assert not torch.allclose(copy.deepcopy(network).train()(images), expected, atol=0.5)
    re_estimate_batch_norm(network, [images])
    torch.testing.assert_close(network.train()(images), expected, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("kind", [DomainBatchNorm, SourceBatchNorm])
def test_other_kinds_of_batch_norm(kind):
    plain, images = make(), pictures()
    other = copy.deepcopy(plain)
    assert exchange_batch_norms(other, kind.of) == 3
    assert {p.dtype for p in other.parameters()} == {torch.float64}
    re_estimate_batch_norm(plain, [images])
    re_estimate_batch_norm(other, [images])
    torch.testing.assert_close(other.eval()(images), plain.eval()(images))
    if kind is DomainBatchNorm:
        for _, norm in batch_norms(other):
            first, second = norm.statistics
            assert torch.equal(first.running_mean, second.running_mean)
            assert torch.equal(first.running_var, second.running_var)
    keep_domains_apart(other, 12)
    torch.testing.assert_close(other.train()(images), plain.train()(images))


def test_modes_and_hooks_are_left_as_they_were():
    network = make().train()
    network[1].eval()
    re_estimate_batch_norm(network, [pictures()])
    assert [m.training for m in network] == [True, False, True, True, True, True, True]
    assert not any(m._forward_pre_hooks for m in network.modules())

    def broken():
        yield pictures(2)
        raise OSError("a disk")

    with pytest.raises(OSError, match="a disk"):
        re_estimate_batch_norm(network, broken())
    assert [m.training for m in network] == [True, False, True, True, True, True, True]
    assert not any(m._forward_pre_hooks for m in network.modules())


def test_nothing_to_estimate_from():
    before = copy.deepcopy(make().state_dict())
    network = make()
    with pytest.raises(DataError, match="none came"):
        re_estimate_batch_norm(network, [])
    with pytest.raises(DataError, match="not finite"):
        re_estimate_batch_norm(network, [pictures() * float("inf")])
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_what_the_network_does_not_use_stays():
    network = nn.ModuleDict({"used": nn.BatchNorm1d(2), "unused": nn.BatchNorm1d(2)})
    network.forward = lambda rows: network["used"](rows)
    re_estimate_batch_norm(network, [torch.tensor([[1.0, 2.0], [3.0, 6.0]])])
    assert network["used"].running_mean.tolist() == [2.0, 4.0]
    assert network["used"].running_var.tolist() == [2.0, 8.0]
    assert network["unused"].running_mean.tolist() == [0.0, 0.0]


def test_folded_statistics_are_noticed():
    network = make()
    assert not is_folded(network)
    for _, norm in batch_norms(network):
        norm.running_mean.zero_()
    assert not is_folded(network)
    for number, (_, norm) in enumerate(batch_norms(network), 1):
        norm.running_var.fill_(number)
    assert is_folded(network)
    assert is_folded(nn.Sequential(nn.BatchNorm1d(3)))
    assert not is_folded(nn.Sequential(nn.Linear(3, 3)))
    re_estimate_batch_norm(network, [pictures()])
    assert not is_folded(network)


def test_exchange_keeps_what_is_named_and_what_activates():
    class Acting(nn.BatchNorm2d):
        def __init__(self):
            super().__init__(4)
            self.act = nn.ReLU()

        def forward(self, images):
            return self.act(super().forward(images))

    network = nn.Sequential(Acting(), nn.BatchNorm2d(4))
    images = torch.randn(5, 4, 3, 3)
    expected = network.eval()(images)
    assert exchange_batch_norms(network, SourceBatchNorm.of, keep={"1"}) == 1
    assert [type(m) for m in network[0]] == [SourceBatchNorm, nn.ReLU]
    assert type(network[1]) is nn.BatchNorm2d
    torch.testing.assert_close(network.eval()(images), expected)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=6).filter(lambda sizes: sum(sizes) > 1),
    st.floats(-1e3, 1e3),
)
def test_however_the_pictures_come(sizes, shift):
    rows = torch.randn(sum(sizes), 2, generator=torch.Generator().manual_seed(0)).double() + shift
    network = nn.Sequential(nn.BatchNorm1d(2).double())
    re_estimate_batch_norm(network, torch.split(rows, sizes))
    torch.testing.assert_close(network[0].running_mean, rows.mean(0))
    torch.testing.assert_close(network[0].running_var, rows.var(0))
