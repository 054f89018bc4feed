"""Sliced Wasserstein discrepancy: optimal transport along lines, where it is sorting."""

from __future__ import annotations

import torch
from torch import Tensor

from acclimate.layers.full_precision import full_precision


@full_precision
def sliced_wasserstein(
    first: Tensor, second: Tensor, directions: Tensor, order: float = 2.0
) -> Tensor:
    """Mean over ``directions`` of the one-dimensional Wasserstein distance to its power, W_p^p.

    Lee et al., "Sliced Wasserstein discrepancy for unsupervised domain adaptation", 2019:
    both sets are projected on a line and sorted; the i-th of one goes to the
    i-th of the other.

    Args:
        first: (N, D); ``second``: (N, D), as many items.
        directions: (D, M), columns of length 1, see ``random_directions``.
        order: p ≥ 1.

    >>> first, second = torch.tensor([[0.0], [1.0]]), torch.tensor([[4.0], [2.0]])
    >>> sliced_wasserstein(first, second, torch.ones(1, 1)).item()  # 0 → 2 and 1 → 4
    6.5
    """
    ours, theirs = (first @ directions).sort(0).values, (second @ directions).sort(0).values
    return (ours - theirs).abs().pow(order).mean()


def random_directions(width: int, count: int, device: torch.device) -> Tensor:
    """(``width``, ``count``) float32, columns uniform on the sphere, from torch's global generator.

    >>> random_directions(3, 8, torch.device("cpu")).square().sum(0).allclose(torch.ones(8))
    True
    """
    return torch.nn.functional.normalize(torch.randn(width, count, device=device), dim=0)
