"""An entropy that minds uncertain items more than certain ones."""

from __future__ import annotations

import math

from torch import Tensor


def charbonnier_entropy(logits: Tensor, power: float = 2.0) -> Tensor:
    """Mean of (H² + 0.001²)^``power`` over the items, H the entropy of a prediction over log K, in [0, 1].

    Yang & Soatto, "FDA", 2020, equation 4, with the generalised Charbonnier penalty. With a power
    above 0.5, an uncertain item counts more than its entropy says, and one that is nearly
    certain hardly at all. The paper's equation has the plain entropy, and its code divides it by its
    largest value: at the power 2 the penalty would else be 7 times as large for 5 classes and 30
    times for 10.

    Args:
        logits: (N, K); of one class the entropy is 0.

    >>> import torch
    >>> round(charbonnier_entropy(torch.zeros(3, 2)).item(), 4)
    1.0
    """
    log_probabilities = logits.float().log_softmax(1)
    entropies = -(log_probabilities.exp() * log_probabilities).sum(1)
    entropies = entropies / math.log(max(2, logits.shape[1]))
    return (entropies.square() + 1e-6).pow(power).mean()
