"""The moving average of weights against its closed form."""

import torch
from torch import nn

from acclimate.layers.averaging import averaged_copy, update_average


def test_the_copy_is_apart_and_takes_no_gradient():
    network = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
    average = averaged_copy(network)
    assert not average.training
    assert not any(parameter.requires_grad for parameter in average.parameters())
    with torch.no_grad():
        network[0].weight.add_(1)
    assert not torch.equal(network[0].weight, average[0].weight)
    assert network.training
    assert network[0].weight.requires_grad


def test_against_the_closed_form():
    """a_n = Σ d^(n−i)·(1−d)·m_i + d^n·a_0 once the decay has reached its final value."""
    network = nn.Linear(1, 1, bias=False).double()
    average = averaged_copy(network)
    decay, start = 0.9, 1000  # late enough that 1 − 1/(t+1) is above the decay
    first = average.weight.item()
    values = [0.3, -2.0, 5.0, 1.5]
    for offset, value in enumerate(values):
        nn.init.constant_(network.weight, value)
        update_average(average, network, decay, start + offset)
    count = len(values)
    expected = decay**count * first + sum(
        decay ** (count - 1 - i) * (1 - decay) * value for i, value in enumerate(values)
    )
    torch.testing.assert_close(average.weight.item(), expected, atol=1e-14, rtol=0)


def test_the_first_steps_are_the_plain_mean():
    """With d = 1 − 1/(t+1) after step t the average is the mean of the start and all weights so far."""
    network = nn.Linear(1, 1, bias=False).double()
    nn.init.constant_(network.weight, 4.0)
    average = averaged_copy(network)
    values = [4.0]
    for done, value in enumerate([1.0, 7.0, -3.0], 1):
        nn.init.constant_(network.weight, value)
        values.append(value)
        update_average(average, network, 0.999, done)
        torch.testing.assert_close(average.weight.item(), sum(values) / len(values))


def test_running_statistics_are_averaged_and_counters_copied():
    network = nn.BatchNorm1d(3)
    average = averaged_copy(network)
    network(torch.randn(8, 3))
    expected = torch.lerp(average.running_mean, network.running_mean, 0.5)
    update_average(average, network, 0.5, 100)
    torch.testing.assert_close(average.running_mean, expected)
    assert average.num_batches_tracked == 1
