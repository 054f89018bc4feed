"""BatchNorm by the source's statistics alone."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from acclimate.layers.parted import PartedByDomain


class SourceBatchNorm(PartedByDomain, _BatchNorm):
    """In training, mean and variance of the batch's source rows normalise all rows.

    Inputs (N, C), (N, C, L) or (N, C, H, W). The target is then seen as evaluation sees it: by
    statistics that it had no part in. Gradients of all rows reach the source rows through the
    statistics. Running statistics are the source's. Where nobody has said which rows are the
    source's, all are. Statistics are float32 at least, also under autocast.
    """

    @classmethod
    @torch.no_grad()
    def of(cls, norm: _BatchNorm) -> Self:
        """One with the weights and statistics of ``norm``; in evaluation the same function."""
        new = cls(norm.num_features, eps=norm.eps, momentum=norm.momentum)
        new.to(norm.running_mean)
        new.load_state_dict(norm.state_dict(), strict=False)
        return new

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim not in (2, 3, 4):
            raise ValueError(f"expected 2, 3 or 4 dimensions, got {input.ndim}")

    def forward(self, input: Tensor) -> Tensor:
        rows = self.rows_of_source(len(input))
        # without more than one value there is no variance: the running one stands in
        source = input if rows is None else input[:rows]
        if not self.training or source.numel() <= source.shape[1]:
            return nn.functional.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        self._check_input_dim(input)
        axes = [axis for axis in range(input.ndim) if axis != 1]
        exact = source.to(torch.promote_types(source.dtype, torch.float32))
        variance, mean = torch.var_mean(exact, axes, correction=0)
        if self.track_running_stats:
            self._remember(mean.detach(), variance.detach(), source.numel() // source.shape[1])
        shape = (1, -1) + (1,) * (input.ndim - 2)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        shift = self.bias - mean * scale
        return (input * scale.view(shape) + shift.view(shape)).to(input.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Move the running statistics as torch's BatchNorm does, with the unbiased variance."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        factor = self.momentum
        if factor is None:
            factor = 1.0 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), factor)
        unbiased = variance * (count / (count - 1))
        self.running_var.lerp_(unbiased.to(self.running_var.dtype), factor)
