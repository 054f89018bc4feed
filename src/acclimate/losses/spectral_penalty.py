"""The largest singular values of a batch of features."""

from __future__ import annotations

import torch
from torch import Tensor


def spectral_penalty(features: Tensor, count: int = 1) -> Tensor:
    """Sum of the squares of the ``count`` largest singular values of (N, D) features, float32 or float64.

    Chen et al., BSP, 2019, section 4, for one domain. Only values are asked for, no vectors, so
    the gradient 2 Σ σ u vᵀ has no differences of singular values in a denominator: it
    stays bounded where they are equal. On CUDA the decomposition itself waits for the device.

    >>> round(spectral_penalty(torch.tensor([[3.0, 0.0], [0.0, 2.0], [0.0, 0.0]])).item(), 4)
    9.0
    """
    exact = features if features.dtype == torch.float64 else features.float()
    # what is not finite would end in an error; the classification's loss shows it, and is looked at
    values: Tensor = torch.linalg.svdvals(exact.nan_to_num(0.0, 0.0, 0.0))
    return values[:count].square().sum()
