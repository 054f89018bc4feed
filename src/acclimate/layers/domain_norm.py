"""BatchNorm that keeps the statistics of source and target apart."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class DomainBatchNorm2d(nn.Module):
    """One affine transform, two sets of statistics (Li et al., AdaBN, 2016; Chang et al., 2019).

    In training, the first ``source_rows`` of a batch (set by ``keep_domains_apart``) are
    normalised with their own statistics and the rest with theirs. In evaluation, ``domain``
    chooses the running statistics: 1 (target, the default) or 0 (source).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.statistics = nn.ModuleList(nn.BatchNorm2d(channels, affine=False) for _ in range(2))
        self.source_rows: int | None = None
        self.domain = 1

    def forward(self, images: Tensor) -> Tensor:
        if self.training and self.source_rows is not None:
            parts = [images[: self.source_rows], images[self.source_rows :]]
            done = [
                norm(part) for norm, part in zip(self.statistics, parts, strict=True) if len(part)
            ]
            normalised = torch.cat(done)
        else:
            normalised = self.statistics[self.domain](images)
        return normalised * self.weight.view(1, -1, 1, 1) + self.bias.view(1, -1, 1, 1)


def keep_domains_apart(network: nn.Module, source_rows: int) -> None:
    """Tell every ``DomainBatchNorm2d`` where the source ends in the next training batch."""
    for module in network.modules():
        if isinstance(module, DomainBatchNorm2d):
            module.source_rows = source_rows


def use_statistics_of(network: nn.Module, domain: int) -> None:
    """Choose the statistics for evaluation: 0 source, 1 target."""
    for module in network.modules():
        if isinstance(module, DomainBatchNorm2d):
            module.domain = domain
