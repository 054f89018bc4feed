"""The gradient reversal layer."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _ReverseGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: float) -> Tensor:
        ctx.weight = weight
        # a view, so that autograd sees a new tensor and nothing is copied
        return features.view_as(features)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0].mul(-ctx.weight), None


def reverse_gradient(features: Tensor, weight: float = 1.0) -> Tensor:
    """Identity forwards; backwards the gradient is multiplied by ``-weight``.

    What stands after it trains at full rate, what stands before it receives the reversed and
    weighted gradient (Ganin et al., JMLR 17(59), 2016, section 4.2). The weight is an argument,
    so the layer has no state that a resumed run could lose.

    Args:
        features: any shape, any floating dtype.
        weight: λ ≥ 0 of the reversal; 0 cuts the gradient off.

    >>> x = torch.tensor([2.0], requires_grad=True)
    >>> (3.0 * reverse_gradient(x, weight=0.5)).sum().backward()
    >>> x.grad
    tensor([-1.5000])
    """
    result: Tensor = _ReverseGradient.apply(features, weight)
    return result
