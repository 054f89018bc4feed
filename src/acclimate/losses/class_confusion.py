"""Class confusion: how often a batch's predictions waver between two classes."""

from __future__ import annotations

import torch
from torch import Tensor

from acclimate.layers.full_precision import full_precision


@full_precision
def class_confusion(logits: Tensor, temperature: float = 2.5) -> Tensor:
    """Mean confusion of one class with the others over a batch, a scalar in [0, (K−1)/K].

    Jin et al., "Minimum class confusion", 2020, section 3: predictions softened by
    ``temperature``, items weighted by their certainty, rows of the class correlation normalised.
    The weights take no gradient, as in the authors' code.

    Args:
        logits: (N, K).
        temperature: above 0; 1 takes the predictions as they are.

    >>> round(class_confusion(torch.zeros(4, 2)).item(), 4)
    0.5
    >>> round(class_confusion(torch.tensor([[90.0, 0.0], [0.0, 90.0]])).item(), 4)
    0.0
    """
    log_probabilities = (logits / temperature).log_softmax(1)
    probabilities = log_probabilities.exp()
    entropies = -(probabilities * log_probabilities).sum(1)
    certainty = 1 + torch.exp(-entropies.detach())
    weights = len(logits) * certainty / certainty.sum()
    correlation = (probabilities * weights[:, None]).T @ probabilities
    # the floor is for a class that nothing in the batch is taken for: its row stays near 0
    rows = correlation / correlation.sum(1, keepdim=True).clamp_min(1e-8)
    return (rows.sum() - rows.trace()) / logits.shape[1]
