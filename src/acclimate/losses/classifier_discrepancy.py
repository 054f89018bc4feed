"""How far two classifiers' predictions are apart."""

from __future__ import annotations

from torch import Tensor


def classifier_discrepancy(first_logits: Tensor, second_logits: Tensor) -> Tensor:
    """Mean absolute difference of the predicted probabilities over items and classes, in [0, 2 / K].

    Saito et al., MCD, 2018, section 3, "discrepancy loss", averaged over the batch.

    Args:
        first_logits: (N, K).
        second_logits: (N, K).

    >>> import torch
    >>> logits = torch.tensor([[90.0, 0.0]])
    >>> classifier_discrepancy(logits, logits.flip(1)).item(), classifier_discrepancy(logits, logits).item()
    (1.0, 0.0)
    """
    first, second = (logits.float().softmax(1) for logits in (first_logits, second_logits))
    return (first - second).abs().mean()
