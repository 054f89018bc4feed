"""Classification: labels are classes, outputs are logits."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def classification_loss(logits: Tensor, labels: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Mean cross-entropy of (N, K) logits against (N,) int64 labels."""
    return F.cross_entropy(logits, labels, label_smoothing=label_smoothing)


def batch_accuracy(logits: Tensor, labels: Tensor) -> Tensor:
    """Share of correct predictions as a scalar on the device, in [0, 1]."""
    return (logits.detach().argmax(1) == labels).float().mean()
