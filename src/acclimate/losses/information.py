"""Entropy, diversity and their difference: information maximisation."""

from __future__ import annotations

import torch
from torch import Tensor

from acclimate.layers.full_precision import full_precision


@full_precision
def entropy(logits: Tensor) -> Tensor:
    """Mean entropy of the predictions, in nats, in [0, log K].

    Args:
        logits: (N, K).

    >>> round(entropy(torch.zeros(3, 2)).item(), 4)
    0.6931
    """
    log_probabilities = logits.log_softmax(1)
    return -(log_probabilities.exp() * log_probabilities).sum(1).mean()


@full_precision
def diversity(logits: Tensor) -> Tensor:
    """Entropy of the mean prediction, in nats, in [0, log K]: low when few classes are predicted.

    Args:
        logits: (N, K).

    >>> round(diversity(torch.tensor([[50.0, 0.0], [0.0, 50.0]])).item(), 4)
    0.6931
    """
    mean = logits.softmax(1).mean(0)
    # a class without any probability: 0·log 0 = 0, and a finite gradient, which xlogy has not
    return -(mean * mean.clamp_min(torch.finfo(mean.dtype).tiny).log()).sum()


def information_maximisation(logits: Tensor) -> Tensor:
    """Mutual information of input and prediction, ``diversity - entropy``, in [0, log K].

    Krause et al., 2010, equation 2; Shi & Sha, 2012. High when predictions are certain and varied.

    >>> round(information_maximisation(torch.tensor([[50.0, 0.0], [0.0, 50.0]])).item(), 4)
    0.6931
    """
    return diversity(logits) - entropy(logits)
