"""Accuracy on held-out source items."""

from __future__ import annotations

from acclimate.validators.base import Evidence, validator


@validator("source-accuracy")
def source_accuracy(evidence: Evidence) -> float:
    """Accuracy on held-out source items, in [0, 1]; says nothing of the target."""
    return float((evidence.source_logits.argmax(1) == evidence.source_labels).double().mean())
