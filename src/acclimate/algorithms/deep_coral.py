"""Deep CORAL: correlation alignment."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from acclimate.algorithms.base import ANY_LABELS, algorithms
from acclimate.algorithms.feature_discrepancy import LOGITS, FeatureDiscrepancy
from acclimate.core.types import NetworkOutput
from acclimate.losses.correlation_alignment import correlation_alignment


@algorithms.register("deep-coral")
class DeepCoral(FeatureDiscrepancy):
    """Outputs whose covariance is the same in both domains (correlation alignment).

    Sun & Saenko, "Deep CORAL: correlation alignment for deep domain adaptation", 2016, equations 1
    and 6; on the logits, as in its experiments. Deviation: the weight rises from 0, where the
    paper's is constant.
    """

    objectives: ClassVar[tuple[str, ...]] = ANY_LABELS

    layers: tuple[str, ...] | None = Field(
        (LOGITS,),
        min_length=1,
        description="layers that are compared, logits is one; null = the last hidden layer",
    )

    def discrepancy(self, source: NetworkOutput, target: NetworkOutput) -> Tensor:
        pairs = zip(self.compared(source), self.compared(target), strict=True)
        return torch.stack([correlation_alignment(*pair) for pair in pairs]).sum()
