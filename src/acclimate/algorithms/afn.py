"""Adaptive feature norm."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from torch import nn

from acclimate.algorithms.base import ANY_LABELS, Terms, algorithms
from acclimate.algorithms.source_only import SourceOnly
from acclimate.core.types import Views
from acclimate.losses.feature_norm import mean_norm, norm_growth


@algorithms.register("afn")
class AdaptiveFeatureNorm(SourceOnly):
    """Features of both domains that grow longer step by step (adaptive feature norm).

    Xu et al., "Larger norm more transferable: an adaptive feature norm approach for unsupervised
    domain adaptation", 2019, the stepwise variant (SAFN). Deviations: (1) the loss is written so
    that its value tells how long the features are, with the paper's gradient, see ``norm_growth``;
    (2) features are the network's last hidden layer, without the paper's dropout there.
    """

    uses_target: ClassVar[bool] = True
    objectives: ClassVar[tuple[str, ...]] = ANY_LABELS

    weight: float = Field(0.05, ge=0, description="of the growth of the norms, for each domain")
    growth: float = Field(1.0, gt=0, description="Δr: by how much a norm is to grow in a step")

    def losses(self, views: Views, modules: nn.ModuleDict, phase: str) -> Terms:
        assert views.target is not None
        losses, monitors = super().losses(views, modules, phase)
        source, target = (
            next(reversed(view.layers.values())) for view in (views.source, views.target)
        )
        growth = norm_growth(source, self.growth) + norm_growth(target, self.growth)
        return Terms(
            {**losses, "norm_growth": self.weight * growth},
            {
                **monitors,
                "source_norm": mean_norm(source.detach()),
                "target_norm": mean_norm(target.detach()),
            },
        )
