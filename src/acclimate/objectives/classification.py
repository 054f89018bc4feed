"""Classification: labels are classes, outputs are logits."""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from acclimate.core.types import NetworkOutput
from acclimate.objectives.base import Objective, Said, objectives


@objectives.register("classification")
class Classification(Objective):
    """Labels are classes: cross-entropy of the logits."""

    term: ClassVar[str] = "classification"
    monitor: ClassVar[str] = "source_batch_accuracy"

    def terms(self, output: NetworkOutput, labels: Tensor) -> Said:
        loss = classification_loss(output.logits, labels)
        return {self.term: loss}, {self.monitor: batch_accuracy(output.logits, labels)}

    def said(self, output: NetworkOutput) -> Tensor:
        return output.logits


def classification_loss(logits: Tensor, labels: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Mean cross-entropy of (N, K) logits against (N,) int64 labels."""
    return F.cross_entropy(logits, labels, label_smoothing=label_smoothing)


def batch_accuracy(logits: Tensor, labels: Tensor) -> Tensor:
    """Share of correct predictions as a scalar on the device, in [0, 1]."""
    return (logits.detach().argmax(1) == labels).float().mean()
