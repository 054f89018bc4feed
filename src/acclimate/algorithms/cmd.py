"""Central moment discrepancy."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field, PositiveInt, field_validator
from torch import Tensor

from acclimate.algorithms.base import ANY_LABELS, algorithms
from acclimate.algorithms.feature_discrepancy import FeatureDiscrepancy
from acclimate.core.types import NetworkOutput
from acclimate.losses.central_moments import central_moment_discrepancy


@algorithms.register("cmd")
class CentralMomentDiscrepancy(FeatureDiscrepancy):
    """Features whose mean and higher central moments agree across the domains.

    Zellinger et al., "Central moment discrepancy (CMD) for domain-invariant representation
    learning", 2017, definition 2. Deviations: (1) the paper's features are bounded
    by a tanh or sigmoid; ours are ReLUs, so their tanh is compared, after division by the root
    mean square of the joint batch, without gradient; (2) the weight rises from 0.
    """

    objectives: ClassVar[tuple[str, ...]] = ANY_LABELS

    moments: PositiveInt = Field(5, description="highest order of the moments")
    bounds: tuple[float, float] = Field(
        (0.0, 1.0), description="interval that holds what is compared; of ReLUs, squashed: 0 to 1"
    )
    squash: bool = Field(
        True, description="compare tanh(features / their size); false = the features are bounded"
    )

    @field_validator("bounds")
    @classmethod
    def _ordered(cls, bounds: tuple[float, float]) -> tuple[float, float]:
        if bounds[0] >= bounds[1]:
            raise ValueError("the first bound must be below the second")
        return bounds

    def discrepancy(self, source: NetworkOutput, target: NetworkOutput) -> Tensor:
        low, high = self.bounds
        pairs = zip(self.compared(source), self.compared(target), strict=True)
        found = [
            central_moment_discrepancy(
                *(squashed(*pair) if self.squash else pair), self.moments, high - low
            )
            for pair in pairs
        ]
        return torch.stack(found).sum()


def squashed(source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """tanh of (S, D) and (T, D) features over their common size: in (−1, 1), of ReLUs in [0, 1).

    Without the division, a network without normalisation would saturate the tanh.
    """
    joint = torch.cat([source, target]).detach().float()
    size = joint.square().mean().sqrt().clamp_min(1e-6)
    return (source / size).tanh(), (target / size).tanh()
