"""DeepJDOT: optimal transport of features and labels together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from acclimate.algorithms.base import ANY_LABELS, Algorithm, Terms, algorithms
from acclimate.core.schedules import domain_ramp
from acclimate.core.types import Views
from acclimate.losses.distances import squared_distances
from acclimate.losses.optimal_transport import transport_plan
from acclimate.models.network import Network
from acclimate.objectives import supervised


@algorithms.register("deep-jdot")
class DeepJdot(Algorithm):
    """Each target item is moved to source items near it, and learns their labels (optimal transport).

    Damodaran et al., "DeepJDOT: deep joint distribution optimal transport for unsupervised domain
    adaptation", 2018, section 3: a plan γ between the two batches that is cheapest in
    feature distance and label loss, then a step of the network with γ held fixed. Deviations:
    docs/algorithms/deep-jdot.md, above all a plan with entropy instead of the exact one.
    """

    compares_items: ClassVar[bool] = True
    objectives: ClassVar[tuple[str, ...]] = ANY_LABELS

    feature_weight: float = Field(0.01, ge=0, description="α, of the squared feature distance")
    label_weight: float = Field(
        1.0, ge=0, description="λ, of the cross-entropy of target items to source labels"
    )
    gamma: float = Field(10.0, gt=0, description="steepness of the ramp of both losses")
    regularisation: float = Field(
        0.05, gt=0, description="weight of the plan's entropy, as a share of the mean cost"
    )
    iterations: PositiveInt = Field(50, description="Sinkhorn iterations for a plan")
    layer: str | None = Field(
        None, description="layer whose distances count; null = the last hidden layer"
    )

    def modules(self, network: Network) -> Mapping[str, nn.Module]:
        network.width_of(self.layer or network.feature_layer)
        return {}

    def losses(self, views: Views, modules: nn.ModuleDict, phase: str) -> Terms:
        assert views.target is not None
        losses, watched = supervised(views)
        distances = self.feature_weight * self._distances(views)
        # (T, classes) → (S, T): how badly target item j would be classified as source item i
        surprises = torch.zeros_like(distances)
        if views.target.logits.shape[
            1
        ]:  # identities, of which the target has its own, are no classes
            logs = views.target.logits.float().log_softmax(1)
            surprises = self.label_weight * -logs.T[views.source_labels]
        cost = (distances + surprises).detach()
        mean = cost.mean().clamp_min(1e-12)
        plan = transport_plan(cost, self.regularisation * mean, self.iterations)
        ramp = domain_ramp(views.progress, self.gamma)
        return Terms(
            {
                **losses,
                "feature_transport": ramp * (plan * distances).sum(),
                "label_transport": ramp * (plan * surprises).sum(),
            },
            {
                **watched,
                "transport_cost": (plan * cost).sum(),
                "transport_share": (plan * cost).sum() / mean,
            },
        )

    def _distances(self, views: Views) -> Tensor:
        assert views.target is not None
        name = self.layer or next(reversed(views.source.layers))
        return squared_distances(views.source.layers[name], views.target.layers[name])
