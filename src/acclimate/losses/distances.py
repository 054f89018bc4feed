"""Distances between the items of two sets."""

from __future__ import annotations

import torch
from torch import Tensor

from acclimate.layers.full_precision import full_precision


@full_precision
def squared_distances(first: Tensor, second: Tensor) -> Tensor:
    """Squared Euclidean distances of (N, D) to (M, D) features, (N, M), float32 at least, ≥ 0.

    From norms and one matrix product, so that no (N, M, D) tensor is made. Both sets are moved to
    their common mean first, which changes no distance and keeps the digits that far-off features
    would lose.

    >>> squared_distances(torch.tensor([[0.0], [3.0]]), torch.tensor([[1.0]])).tolist()
    [[1.0], [4.0]]
    """
    middle = torch.cat([first, second]).mean(0).detach()
    first, second = first - middle, second - middle
    norms = first.square().sum(1)[:, None] + second.square().sum(1)
    return (norms - 2 * first @ second.T).clamp_min(0)
