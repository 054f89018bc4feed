"""Entropic optimal transport between two sets of equally heavy items."""

from __future__ import annotations

import math

import torch
from torch import Tensor


@torch.no_grad()
def transport_plan(cost: Tensor, regularisation: float | Tensor, iterations: int = 50) -> Tensor:
    """The plan γ that minimises Σ γ·``cost`` − ``regularisation`` · entropy(γ), (S, T), sum 1.

    Cuturi, "Sinkhorn distances", 2013, with updates of the logarithms, so that nothing underflows
    where the regularisation is small. Each row is meant to sum to 1/S and each column to 1/T. The
    number of ``iterations`` is fixed, so nothing waits for the device; columns are exact, rows as
    far as it has converged. No gradient flows through the plan.

    Args:
        cost: (S, T), finite.
        regularisation: > 0, in the unit of the cost.

    >>> transport_plan(torch.tensor([[0.0, 9.0], [9.0, 0.0]]), 0.01).tolist()
    [[0.5, 0.0], [0.0, 0.5]]
    """
    exact = torch.promote_types(cost.dtype, torch.float32)
    log_kernel = -cost.to(exact) / regularisation
    sources, targets = cost.shape
    columns = log_kernel.new_zeros(targets)
    for _ in range(iterations):
        rows = -math.log(sources) - (log_kernel + columns).logsumexp(1)
        columns = -math.log(targets) - (log_kernel + rows[:, None]).logsumexp(0)
    return (log_kernel + rows[:, None] + columns).exp()
