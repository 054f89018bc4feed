"""What becomes of a network whose BatchNorm is synchronised; see also ``training/test_processes.py``."""

import copy

import pytest
import torch
from torch import nn

from acclimate.core.errors import ConfigurationError
from acclimate.core.types import Spec
from acclimate.layers.sync_batch_norm import joint_statistics, synchronise_batch_norm
from acclimate.models.network import build_network


@pytest.mark.parametrize("kind", ["batch", "domain"])
def test_alone_nothing_changes(kind):
    torch.manual_seed(0)
    options = {"widths": [7, 5], "normalisation": kind}
    network = build_network("mlp", options, Spec((4,), ("a", "b")))
    twin = copy.deepcopy(network)
    synchronise_batch_norm(twin)
    synchronise_batch_norm(twin)  # a second time does nothing
    assert twin.state_dict().keys() == network.state_dict().keys()
    assert [name for name, _ in twin.named_modules()] == [
        name for name, _ in network.named_modules()
    ]
    inputs = torch.randn(6, 4)
    for mode in (True, False):
        logits = [each.train(mode)(inputs).logits for each in (network, twin)]
        assert torch.equal(*logits)
    copied = copy.deepcopy(twin)
    for name, value in copied.state_dict().items():
        assert torch.equal(value, network.state_dict()[name]), name


def test_an_unknown_kind_is_refused_by_name():
    network = nn.Sequential(nn.Linear(2, 2), nn.LazyBatchNorm1d())
    with pytest.raises(ConfigurationError, match=r"layer 1 is a LazyBatchNorm1d.*--no-sync-batch"):
        synchronise_batch_norm(network)


def test_statistics_of_large_values_keep_small_deviations(monkeypatch):
    """Sums of squares about 0 would have lost them: 1e4 squared leaves no room for 1e-2 in float32."""
    from acclimate.layers import sync_batch_norm

    torch.manual_seed(0)
    exact = 1e4 + 0.1 * torch.randn(64, 3, dtype=torch.float64)
    values = exact.float()
    halves = iter(values.chunk(2))
    first, second = next(halves), next(halves)

    def both(mine):
        del mine
        rows = []
        for half in (first, second):
            variance, mean = torch.var_mean(half, [0], correction=0)
            rows.append(torch.cat([mean, variance, torch.tensor([float(len(half))])]))
        return torch.stack(rows)

    monkeypatch.setattr(sync_batch_norm, "gathered_sums", both)
    mean, variance, count = joint_statistics(first)
    assert count == 64
    torch.testing.assert_close(
        variance, values.double().var(0, correction=0).float(), rtol=1e-3, atol=0
    )
    torch.testing.assert_close(mean, values.double().mean(0).float())
