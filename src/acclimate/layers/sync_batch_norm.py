"""BatchNorm whose batch is that of all processes, on any device."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from acclimate.core.errors import ConfigurationError
from acclimate.layers.batch_norm import BatchNormOfVectors
from acclimate.layers.gather import gathered_sums
from acclimate.layers.parted import PartedByDomain
from acclimate.layers.processes import sharing
from acclimate.layers.source_norm import SourceBatchNorm

_PLAIN = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, BatchNormOfVectors, SourceBatchNorm)
#: timm's, which drop and activate after they have normalised, by modules of these names
_WITH_ACTIVATION = ("BatchNormAct2d",)


def synchronise_batch_norm(network: nn.Module) -> None:
    """Let every BatchNorm in ``network`` take its statistics of all processes' items, in place.

    Parameters, buffers and their names stay as they are; in evaluation, and in one process, a layer
    does what it did before. Both sets of a ``DomainBatchNorm`` are synchronised, each with the items
    of its domain; a ``SourceBatchNorm`` takes the source items of all. Unlike
    ``torch.nn.SyncBatchNorm`` it works on the CPU, too, and is made of plain tensor operations.

    Raises ``ConfigurationError`` for a kind of BatchNorm that it does not know.
    """
    for name, module in network.named_modules():
        if isinstance(module, _BatchNorm) and not isinstance(module, _Synchronised):
            kind: Any = type(module)
            if kind not in _PLAIN and kind.__name__ not in _WITH_ACTIVATION:
                raise ConfigurationError(
                    f"layer {name} is a {kind.__name__}, which cannot be synchronised over "
                    "processes: give --no-sync-batch-norm"
                )
            module.__class__ = _synchronised(kind)


class _Synchronised(_BatchNorm):
    """What is put before a BatchNorm class; ``_normalised`` is its ``forward`` with joint statistics."""

    def forward(self, input: Tensor) -> Tensor:
        if not (self.training and sharing()):
            alone: Tensor = super().forward(input)
            return alone
        self._check_input_dim(input)
        result = self._normalised(input)
        for name in ("drop", "act"):
            after = getattr(self, name, None)
            result = result if after is None else after(result)
        return result

    def _normalised(self, inputs: Tensor) -> Tensor:
        rows = self.rows_of_source(len(inputs)) if isinstance(self, PartedByDomain) else None
        mean, variance, count = joint_statistics(inputs if rows is None else inputs[:rows])
        if self.track_running_stats and self.running_mean is not None:
            self._note(mean.detach(), variance.detach(), count)
        shape = (1, -1) + (1,) * (inputs.ndim - 2)
        scale = torch.rsqrt(variance + self.eps)
        if self.weight is not None:
            scale = scale * self.weight
        shift = -mean * scale if self.bias is None else self.bias - mean * scale
        normalised = inputs.to(scale.dtype) * scale.view(shape) + shift.view(shape)
        return normalised.to(inputs.dtype)

    @torch.no_grad()
    def _note(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        """Move the running statistics, with the unbiased variance as ``nn.BatchNorm2d`` does."""
        assert self.running_mean is not None
        assert self.running_var is not None
        share: Any = self.momentum
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if share is None:
                share = 1.0 / float(self.num_batches_tracked)
        unbiased = variance * (count / (count - 1).clamp_min(1))
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
        self.running_var.lerp_(unbiased.to(self.running_var.dtype), share)


def joint_statistics(inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean (C,), variance (C,), biased, and number () of values of (N, C, ...) over all processes.

    Float32 at least. Each process sends its mean and its sum of squares about it, which are put
    together as Chan et al., 1983, do: sums of squares about 0 would lose small variances.
    """
    inputs = inputs.to(torch.promote_types(inputs.dtype, torch.float32))
    rest = [0, *range(2, inputs.ndim)]
    number = inputs.numel() // inputs.shape[1]
    variance, mean = torch.var_mean(inputs, rest, correction=0)
    rows = gathered_sums(torch.cat([mean, variance, mean.new_tensor([number])]))
    means, variances, counts = rows.split([len(mean), len(mean), 1], 1)
    total = counts.detach().sum()
    shares = counts.detach() / total
    joint = (shares * means).sum(0)
    return joint, (shares * (variances + (means - joint).square())).sum(0), total


@cache
def _synchronised(kind: Any) -> Any:
    return type(f"Synchronised{kind.__name__}", (_Synchronised, kind), {})
