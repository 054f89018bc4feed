"""Deep adaptation networks: maximum mean discrepancy."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from acclimate.algorithms.base import ANY_LABELS, algorithms
from acclimate.algorithms.feature_discrepancy import FeatureDiscrepancy
from acclimate.core.types import NetworkOutput
from acclimate.losses.maximum_mean_discrepancy import gaussian_kernel, maximum_mean_discrepancy


@algorithms.register("dan")
class DeepAdaptationNetwork(FeatureDiscrepancy):
    """Features whose means agree in the space of several kernels (maximum mean discrepancy, MK-MMD).

    Long et al., "Learning transferable features with deep adaptation networks", 2015, section 3.1:
    the sum over layers of the squared discrepancy. Deviations: (1) all pairs of the batch are
    compared, where the paper's estimate takes linear time; (2) the kernels weigh the same instead
    of by a quadratic program; (3) bandwidths around the mean squared distance of the batch, without
    gradient, in factors of 2; (4) the weight rises from 0.
    """

    objectives: ClassVar[tuple[str, ...]] = ANY_LABELS

    kernels: PositiveInt = Field(
        5, description="Gaussian kernels, their bandwidths in factors of 2 around the mean distance"
    )
    unbiased: bool = Field(
        True,
        description="leave an item's similarity with itself out: 0 on average for equal domains",
    )

    def discrepancy(self, source: NetworkOutput, target: NetworkOutput) -> Tensor:
        each = [
            maximum_mean_discrepancy(
                gaussian_kernel(torch.cat(pair), self.kernels), len(pair[0]), unbiased=self.unbiased
            )
            for pair in zip(self.compared(source), self.compared(target), strict=True)
        ]
        return torch.stack(each).sum()
