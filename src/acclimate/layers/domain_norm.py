"""BatchNorm that keeps the statistics of source and target apart."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from acclimate.layers.batch_norm import BatchNormOfVectors


class DomainBatchNorm(nn.Module):
    """One affine transform, two sets of statistics (Li et al., AdaBN, 2016; Chang et al., 2019).

    For pictures (N, C, H, W), and with ``vectors`` for (N, C).

    In training, the first ``source_rows`` of a batch (set by ``keep_domains_apart``) are
    normalised with their own statistics and the rest with theirs; a batch of source items alone
    sets both. In evaluation, ``domain``
    chooses the running statistics: 1 (target, the default) or 0 (source).
    """

    def __init__(self, channels: int, *, vectors: bool = False) -> None:
        super().__init__()
        kind = BatchNormOfVectors if vectors else nn.BatchNorm2d
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.statistics = nn.ModuleList(kind(channels, affine=False) for _ in range(2))
        self.source_rows: int | None = None
        self.domain = 1

    def forward(self, images: Tensor) -> Tensor:
        if self.training and self.source_rows is not None:
            parts = [images[: self.source_rows], images[self.source_rows :]]
            done = [
                norm(part) for norm, part in zip(self.statistics, parts, strict=True) if len(part)
            ]
            normalised = torch.cat(done)
            if not len(parts[1]):
                self._take_for_target()
        else:
            normalised = self.statistics[self.domain](images)
        shape = (1, -1) + (1,) * (images.ndim - 2)
        return normalised * self.weight.view(shape) + self.bias.view(shape)

    @torch.no_grad()
    def _take_for_target(self) -> None:
        """Without target items the source's statistics are the best guess for the target."""
        source, target = self.statistics
        for known, guessed in zip(source.buffers(), target.buffers(), strict=True):
            guessed.copy_(known)


def keep_domains_apart(network: nn.Module, source_rows: int) -> None:
    """Tell every ``DomainBatchNorm`` where the source ends in the next training batch."""
    for module in network.modules():
        if isinstance(module, DomainBatchNorm):
            module.source_rows = source_rows


def use_statistics_of(network: nn.Module, domain: int) -> None:
    """Choose the statistics for evaluation: 0 source, 1 target."""
    for module in network.modules():
        if isinstance(module, DomainBatchNorm):
            module.domain = domain
