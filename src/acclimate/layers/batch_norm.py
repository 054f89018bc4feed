"""BatchNorm for vectors that does not fail on a batch of one."""

from __future__ import annotations

from torch import Tensor, nn


class BatchNormOfVectors(nn.BatchNorm1d):
    """``nn.BatchNorm1d``; a single row, which has no deviation, is normalised by the running statistics."""

    def forward(self, input: Tensor) -> Tensor:
        if self.training and len(input) == 1:
            return nn.functional.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        normalised: Tensor = super().forward(input)
        return normalised
