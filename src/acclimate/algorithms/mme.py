"""Minimax entropy."""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from acclimate.algorithms.base import Terms, algorithms
from acclimate.algorithms.source_only import SourceOnly
from acclimate.core.types import Views
from acclimate.layers.gradient_reversal import reverse_gradient
from acclimate.losses.information import entropy
from acclimate.models.network import Network


@algorithms.register("mme")
class MinimaxEntropy(SourceOnly):
    """The classifier raises the entropy on the target, the features lower it (minimax entropy).

    Saito et al., "Semi-supervised domain adaptation via minimax entropy", 2019, section 3. Meant
    for a few labelled target items (``--target-labels``), and works without any. Deviations: (1)
    the network keeps its own last layer; the paper's compares unit features with class prototypes
    at a temperature, which ``temperature`` imitates in the entropy alone; (2) the weight rises
    linearly over ``ramp``.
    """

    uses_target: ClassVar[bool] = True

    weight: float = Field(0.1, ge=0, description="λ of the entropy")
    temperature: float | None = Field(
        None,
        gt=0,
        description="features are given the length 1 / temperature first; null = as they are",
    )
    ramp: float = Field(0.3, gt=0, le=1, description="share of training until the full weight")

    def losses(self, views: Views, modules: nn.ModuleDict, phase: str) -> Terms:
        assert views.target is not None
        assert isinstance(views.network, Network)
        losses, monitors = super().losses(views, modules, phase)
        features = next(reversed(views.target.layers.values()))
        # behind the reversal the head climbs the entropy, and what stands before it descends
        logits = views.network.head(self._scaled(reverse_gradient(features)))
        uncertain = entropy(logits.float())
        weight = self.weight * min(1.0, views.progress / self.ramp)
        return Terms(
            {**losses, "minimax_entropy": -weight * uncertain},
            {**monitors, "target_entropy": uncertain.detach()},
        )

    def _scaled(self, features: Tensor) -> Tensor:
        if self.temperature is None:
            return features
        return F.normalize(features.float(), dim=1) / self.temperature
