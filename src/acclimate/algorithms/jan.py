"""Joint adaptation networks: joint maximum mean discrepancy."""

from __future__ import annotations

from math import prod

import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from acclimate.algorithms.base import algorithms
from acclimate.algorithms.feature_discrepancy import FeatureDiscrepancy
from acclimate.core.types import NetworkOutput
from acclimate.losses.maximum_mean_discrepancy import gaussian_kernel, maximum_mean_discrepancy


@algorithms.register("jan")
class JointAdaptationNetwork(FeatureDiscrepancy):
    """Features and predictions whose joint distribution agrees across the domains (joint MMD).

    Long et al., "Deep transfer learning with joint adaptation networks", 2017, section 4: the
    kernel of an item is the product of those of its features and of its class probabilities.
    Deviations: (1) all pairs of the batch are compared, not a linear-time estimate; (2) several
    bandwidths for the features, as in ``dan``; (3) without the adversarial variant, JAN-A.
    """

    kernels: PositiveInt = Field(
        5,
        description="kernels of the features, bandwidths in factors of 2 around the mean distance",
    )
    prediction_bandwidth: float = Field(
        1.68, gt=0, description="of the one kernel of the class probabilities, a squared distance"
    )
    unbiased: bool = Field(
        True,
        description="leave an item's similarity with itself out: 0 on average for equal domains",
    )

    def discrepancy(self, source: NetworkOutput, target: NetworkOutput) -> Tensor:
        pairs = zip(self.compared(source), self.compared(target), strict=True)
        features = [gaussian_kernel(torch.cat(pair), self.kernels) for pair in pairs]
        probabilities = torch.cat([source.logits, target.logits]).float().softmax(1)
        predictions = gaussian_kernel(probabilities, 1, self.prediction_bandwidth)
        return maximum_mean_discrepancy(
            prod(features, start=predictions), len(source.logits), unbiased=self.unbiased
        )
