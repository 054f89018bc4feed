"""The nuclear norm of a batch of predictions: large where they are certain and varied."""

from __future__ import annotations

import torch
from torch import Tensor

from acclimate.layers.full_precision import full_precision


@full_precision
def mean_nuclear_norm(logits: Tensor) -> Tensor:
    """Sum of the singular values of the (N, K) predictions, divided by N; at most √(min(N, K)/N).

    Cui et al., "Towards discriminability and diversity: batch nuclear-norm maximization", 2020,
    section 3, without its sign. On a GPU, torch waits for the device to take singular values.

    Args:
        logits: (N, K).

    >>> round(mean_nuclear_norm(torch.tensor([[90.0, 0.0], [0.0, 90.0]])).item(), 4)
    1.0
    >>> round(mean_nuclear_norm(torch.tensor([[90.0, 0.0], [90.0, 0.0]])).item(), 4)
    0.7071
    """
    # singular values of what is not a number are an error: a run that diverges is to be judged,
    # by its other losses, not to end here
    probabilities = logits.softmax(1).nan_to_num()
    norm: Tensor = torch.linalg.matrix_norm(probabilities, ord="nuc")
    return norm / len(logits)
