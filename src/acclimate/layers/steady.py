"""A network that looks a second time without remembering it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from acclimate.layers.dropping import drops


@contextmanager
def steady(network: nn.Module) -> Iterator[None]:
    """Within it, BatchNorm's running statistics stay as they are, and nothing is dropped.

    In training BatchNorm still normalises by the statistics of the batch, so that the network is
    the function that is being trained. Two looks at the same inputs give the same outputs.

    >>> import torch
    >>> network = nn.Sequential(nn.BatchNorm1d(1), nn.Dropout(0.5))
    >>> with steady(network):
    ...     network(torch.tensor([[1.0], [3.0]])).round().flatten().tolist()
    [-1.0, 1.0]
    >>> network[0].running_mean.item(), network[1].training
    (0.0, True)
    """
    norms = [m for m in network.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    dropping = [m for m in network.modules() if m.training and drops(m)]
    try:
        for norm in norms:
            norm.track_running_stats = False
        for dropout in dropping:
            dropout.training = False
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
        for dropout in dropping:
            dropout.training = True
