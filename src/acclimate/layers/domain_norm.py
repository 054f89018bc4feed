"""BatchNorm that keeps the statistics of source and target apart."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from acclimate.layers.batch_norm import BatchNormOfVectors
from acclimate.layers.parted import PartedByDomain, keep_domains_apart

__all__ = ["DomainBatchNorm", "keep_domains_apart", "statistics_of", "use_statistics_of"]


class DomainBatchNorm(PartedByDomain, nn.Module):
    """One affine transform, two sets of statistics (Li et al., AdaBN, 2016; Chang et al., 2019).

    For pictures (N, C, H, W), and with ``vectors`` for (N, C).

    In training, the first ``source_rows`` of a batch (set by ``keep_domains_apart``) are
    normalised with their own statistics and the rest with theirs; a batch of source items alone
    sets both. Rows of neither domain are normalised among themselves and remembered nowhere. In
    evaluation, ``domain`` chooses the running statistics: 1 (target, the default) or 0 (source).
    """

    def __init__(
        self,
        channels: int,
        *,
        vectors: bool = False,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
    ) -> None:
        super().__init__()
        kind = BatchNormOfVectors if vectors else nn.BatchNorm2d
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.statistics = nn.ModuleList(
            kind(channels, eps=eps, momentum=momentum, affine=False) for _ in range(2)
        )
        self.eps = eps
        self.domain = 1

    @classmethod
    @torch.no_grad()
    def of(cls, norm: _BatchNorm) -> Self:
        """One that begins with the weights of ``norm`` and its statistics for both domains.

        In evaluation it is the same function. ``norm`` is affine and tracks statistics.
        """
        vectors = isinstance(norm, nn.BatchNorm1d)
        new = cls(norm.num_features, vectors=vectors, eps=norm.eps, momentum=norm.momentum)
        new.to(norm.running_mean)
        new.weight.copy_(norm.weight)
        new.bias.copy_(norm.bias)
        for statistics in new.statistics:
            statistics.load_state_dict(dict(norm.named_buffers()))
        return new

    def forward(self, images: Tensor) -> Tensor:
        source_rows = self.rows_of_source(len(images)) if self.training else None
        if source_rows is not None:
            normalised = self._normalised(images, source_rows)
        else:
            normalised = self.statistics[self.domain](images)
        shape = (1, -1) + (1,) * (images.ndim - 2)
        return normalised * self.weight.view(shape) + self.bias.view(shape)

    def _normalised(self, images: Tensor, source_rows: int) -> Tensor:
        mixed = self.rows_of_neither(len(images))
        source, target, neither = images.split(
            [source_rows, len(images) - source_rows - mixed, mixed]
        )
        done = [
            norm(part)
            for norm, part in zip(self.statistics, (source, target), strict=True)
            if len(part)
        ]
        if not len(target):
            self._take_for_target()
        if mixed:
            done.append(nn.functional.batch_norm(neither, None, None, training=True, eps=self.eps))
        return torch.cat(done)

    @torch.no_grad()
    def _take_for_target(self) -> None:
        """Without target items the source's statistics are the best guess for the target."""
        source, target = self.statistics
        for known, guessed in zip(source.buffers(), target.buffers(), strict=True):
            guessed.copy_(known)


def use_statistics_of(network: nn.Module, domain: int) -> None:
    """Choose the statistics for evaluation: 0 source, 1 target."""
    for module in network.modules():
        if isinstance(module, DomainBatchNorm):
            module.domain = domain


@contextmanager
def statistics_of(network: nn.Module, domain: int) -> Iterator[None]:
    """As ``use_statistics_of`` for what is inside, and afterwards as it was."""
    norms = [module for module in network.modules() if isinstance(module, DomainBatchNorm)]
    before = [norm.domain for norm in norms]
    use_statistics_of(network, domain)
    try:
        yield
    finally:
        for norm, used in zip(norms, before, strict=True):
            norm.domain = used
