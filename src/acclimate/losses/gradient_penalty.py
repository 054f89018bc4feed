"""Gradient penalty: what keeps a critic's slope near 1."""

from __future__ import annotations

import torch
from torch import Tensor


def gradient_penalty(values: Tensor, points: Tensor) -> Tensor:
    """Mean of (‖∂ value / ∂ point‖ − 1)², a scalar with a graph of its own.

    Gulrajani et al., "Improved training of Wasserstein GANs", 2017, equation 3.

    Args:
        values: (N,) or (N, 1), each a function of its own point alone.
        points: (N, D), with ``requires_grad``, that the values were computed from.

    >>> points = torch.tensor([[1.0], [2.0]], requires_grad=True)
    >>> gradient_penalty(3 * points, points).item()
    4.0
    """
    (slopes,) = torch.autograd.grad(values.sum(), points, create_graph=True)
    slopes = slopes.to(torch.promote_types(slopes.dtype, torch.float32))
    # the norm's gradient at 0 is 0: a critic that has died there is not made NaN
    steepness: Tensor = torch.linalg.vector_norm(slopes, dim=1)
    return (steepness - 1).square().mean()


def between(first: Tensor, second: Tensor) -> Tensor:
    """Points drawn uniformly on the lines between items of (N, D) and (M, D): (max(N, M), D).

    The i-th of one is paired with the i-th of the other; the smaller set begins again at its end.
    From torch's global generator.
    """
    number = torch.arange(max(len(first), len(second)), device=first.device)
    start, end = first[number % len(first)], second[number % len(second)]
    place = torch.rand(len(number), 1, device=first.device, dtype=first.dtype)
    return torch.lerp(start, end, place)
