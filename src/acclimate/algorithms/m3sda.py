"""Moment matching over several sources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field
from torch import nn

from acclimate.algorithms.base import Algorithm, Terms, algorithms
from acclimate.algorithms.multi_source_dann import jointly, places_of
from acclimate.core.schedules import domain_ramp
from acclimate.core.types import Views
from acclimate.losses.several_domains import moment_distance
from acclimate.models.network import Network
from acclimate.objectives.classification import batch_accuracy, classification_loss


@algorithms.register("m3sda")
class M3sda(Algorithm):
    """Features whose moments are alike in all sources and the target.

    Peng et al., "Moment matching for multi-source domain adaptation", ICCV 2019, equation 1.
    Deviations: (1) one classifier for all sources in the place of one for each and their weighted
    vote; (2) the weight rises with the ramp of DANN. With one source, the two domains are matched.
    """

    compares_items: ClassVar[bool] = True

    weight: float = Field(0.1, ge=0, description="largest weight of the moments' distance")
    gamma: float = Field(10.0, gt=0, description="steepness of the ramp of the weight")
    moments: int = Field(2, ge=1, le=5, description="largest order that is matched")
    layer: str | None = Field(
        None, description="layer whose moments are matched; null = the last hidden layer"
    )

    def modules(self, network: Network) -> Mapping[str, nn.Module]:
        network.width_of(self.layer or network.feature_layer)  # a wrong name is said now
        return {}

    def losses(self, views: Views, modules: nn.ModuleDict, phase: str) -> Terms:
        logits, labels = views.source.logits, views.source_labels
        weight = self.weight * domain_ramp(views.progress, self.gamma)
        distance = moment_distance(
            jointly(views, self.layer, last=True),
            places_of(views),
            views.network.spec.source_count + 1,
            self.moments,
        )
        return Terms(
            {
                "classification": classification_loss(logits, labels),
                "moments": weight * distance,
            },
            {
                "source_batch_accuracy": batch_accuracy(logits, labels),
                "moment_distance": distance.detach(),
            },
        )
