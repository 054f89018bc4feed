"""An entropy that minds uncertain items more than certain ones."""

from __future__ import annotations

from torch import Tensor


def charbonnier_entropy(logits: Tensor, power: float = 2.0) -> Tensor:
    """Mean of (H² + 0.001²)^``power`` over the items, H the entropy of a prediction in nats.

    Yang & Soatto, "FDA", 2020, equation 4, with the generalised Charbonnier penalty. With a power
    above 0.5, an uncertain item counts more than its entropy says, and one that is nearly
    certain hardly at all.

    Args:
        logits: (N, K).

    >>> import math, torch
    >>> round(charbonnier_entropy(torch.zeros(3, 2)).item(), 4), round(math.log(2) ** 4, 4)
    (0.2308, 0.2308)
    """
    log_probabilities = logits.float().log_softmax(1)
    entropies = -(log_probabilities.exp() * log_probabilities).sum(1)
    return (entropies.square() + 1e-6).pow(power).mean()
