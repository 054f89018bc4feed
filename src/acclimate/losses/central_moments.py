"""Central moment discrepancy."""

from __future__ import annotations

import torch
from torch import Tensor

from acclimate.layers.full_precision import full_precision


@full_precision
def central_moment_discrepancy(
    source: Tensor, target: Tensor, moments: int = 5, span: float = 1.0
) -> Tensor:
    """Distances of the means and of the central moments up to the order ``moments``, a scalar ≥ 0.

    Zellinger et al., "Central moment discrepancy (CMD) for domain-invariant representation
    learning", 2017, definition 2: ‖E x − E y‖ / s + Σₖ ‖cₖ(x) − cₖ(y)‖ / sᵏ for k = 2 … K, each
    feature's moments by itself.

    Args:
        source: (S, D), features in an interval of length ``span``; ``target``: (T, D) likewise.
        moments: K ≥ 1.
        span: s = b − a of the interval [a, b].

    >>> spread, single = torch.tensor([[0.0], [1.0]]), torch.tensor([[0.5]])
    >>> central_moment_discrepancy(spread, single, moments=2).item()  # variances 1/4 and 0
    0.25
    """
    means = source.mean(0), target.mean(0)
    # the norm's gradient at 0 is 0, where that of a root is infinite
    total: Tensor = torch.linalg.vector_norm(means[0] - means[1]) / span
    centred = source - means[0], target - means[1]
    for order in range(2, moments + 1):
        first, second = ((each**order).mean(0) for each in centred)
        total = total + torch.linalg.vector_norm(first - second) / span**order
    return total
