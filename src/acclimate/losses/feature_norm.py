"""The length of features, and a loss that lets it grow step by step."""

from __future__ import annotations

import torch
from torch import Tensor


def mean_norm(features: Tensor) -> Tensor:
    """Mean L2 norm of the rows of (N, D) features, a scalar, in float32 at least.

    >>> mean_norm(torch.tensor([[3.0, 4.0], [0.0, 1.0]])).item()
    3.0
    """
    exact = torch.promote_types(features.dtype, torch.float32)
    norms: Tensor = torch.linalg.vector_norm(features.to(exact), dim=1)
    return norms.mean()


def norm_growth(features: Tensor, growth: float = 1.0) -> Tensor:
    """−2·``growth``·(mean norm): its gradient is that of the mean of (‖f‖₀ + ``growth`` − ‖f‖)².

    Xu et al., "Larger norm more transferable", 2019, the stepwise variant, where ‖f‖₀ is the same
    norm as a constant. The paper's square has the value ``growth``² whatever the features are; this one
    says how far they have come.

    Args:
        features: (N, D).
        growth: Δr, by how much each norm is to grow in a step.

    >>> norm_growth(torch.tensor([[3.0, 4.0]]), 0.5).item()
    -5.0
    """
    return -2.0 * growth * mean_norm(features)
