"""A second look leaves no trace."""

import pytest
import torch
from torch import nn

from acclimate.layers.domain_norm import DomainBatchNorm, keep_domains_apart
from acclimate.layers.dropping import drops
from acclimate.layers.steady import steady


def network_of(norm):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), norm, nn.ReLU(inplace=True), nn.Dropout(0.5))


@pytest.mark.parametrize("norm", [nn.BatchNorm1d(6), DomainBatchNorm(6, vectors=True)])
def test_statistics_stay_and_the_batch_normalises(norm):
    network, inputs = network_of(norm), torch.randn(8, 4)
    keep_domains_apart(network, 3)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with steady(network):
        first, second = network(inputs), network(inputs)
    assert torch.equal(first, second)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    # as the network in training sees it, without what is dropped
    network[3].p = 0.0
    torch.testing.assert_close(network(inputs), first)
    assert any(not torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_afterwards_all_is_as_before_also_after_an_error():
    network = network_of(nn.BatchNorm1d(6))
    with pytest.raises(RuntimeError), steady(network):
        network(torch.zeros(2, 5))
    assert network[1].track_running_stats
    assert network[3].training


def test_in_evaluation_it_changes_nothing():
    network = network_of(nn.BatchNorm1d(6))
    network(torch.randn(8, 4))
    network.eval()
    inputs = torch.randn(8, 4)
    with steady(network):
        found = network(inputs)
    assert torch.equal(found, network(inputs))
    assert not network[3].training


@pytest.mark.parametrize("kind", ["timm", "torchvision"])
def test_paths_are_not_dropped_either(kind):
    """Swin and its like drop whole paths of a block, by modules that are no ``nn.Dropout``."""
    if kind == "timm":
        path = pytest.importorskip("timm.layers").DropPath(0.5)
    else:
        path = pytest.importorskip("torchvision.ops").StochasticDepth(0.5, "row")
    network, inputs = nn.Sequential(path), torch.ones(64, 3)
    assert drops(path)
    assert not torch.equal(network(inputs), inputs)
    with steady(network):
        assert torch.equal(network(inputs), inputs)
    assert path.training
