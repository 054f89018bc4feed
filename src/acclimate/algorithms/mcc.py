"""Minimum class confusion."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from torch import nn

from acclimate.algorithms.base import Terms, algorithms
from acclimate.algorithms.source_only import SourceOnly
from acclimate.core.types import Views
from acclimate.losses.class_confusion import class_confusion


@algorithms.register("mcc")
class MinimumClassConfusion(SourceOnly):
    """Predictions on the target that do not waver between pairs of classes.

    Jin et al., "Minimum class confusion for versatile domain adaptation", 2020, section 3.
    Deviation: the weight rises linearly over ``ramp``; the paper's is constant, on a network that
    was trained on ImageNet before.
    """

    uses_target: ClassVar[bool] = True
    compares_items: ClassVar[bool] = True

    weight: float = Field(1.0, ge=0, description="of the confusion")
    temperature: float = Field(2.5, gt=0, description="by which the logits are divided first")
    ramp: float = Field(0.3, gt=0, le=1, description="share of training until the full weight")

    def losses(self, views: Views, modules: nn.ModuleDict, phase: str) -> Terms:
        assert views.target is not None
        losses, monitors = super().losses(views, modules, phase)
        confusion = class_confusion(views.target.logits, self.temperature)
        weight = self.weight * min(1.0, views.progress / self.ramp)
        return Terms(
            {**losses, "confusion": weight * confusion},
            {**monitors, "class_confusion": confusion.detach()},
        )
