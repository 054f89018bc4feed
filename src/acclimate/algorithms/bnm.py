"""Batch nuclear-norm maximisation."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from torch import nn

from acclimate.algorithms.base import Terms, algorithms
from acclimate.algorithms.source_only import SourceOnly
from acclimate.core.types import Views
from acclimate.losses.nuclear_norm import mean_nuclear_norm


@algorithms.register("bnm")
class BatchNuclearNorm(SourceOnly):
    """A batch of target predictions of large nuclear norm: certain, and of many classes.

    Cui et al., "Towards discriminability and diversity: batch nuclear-norm maximization under label
    insufficient situations", 2020, section 3. Deviation: the weight rises linearly over ``ramp``;
    the paper's is constant.
    """

    uses_target: ClassVar[bool] = True
    compares_items: ClassVar[bool] = True

    weight: float = Field(1.0, ge=0, description="of the nuclear norm")
    ramp: float = Field(0.3, gt=0, le=1, description="share of training until the full weight")

    def losses(self, views: Views, modules: nn.ModuleDict, phase: str) -> Terms:
        assert views.target is not None
        losses, monitors = super().losses(views, modules, phase)
        norm = mean_nuclear_norm(views.target.logits)
        weight = self.weight * min(1.0, views.progress / self.ramp)
        return Terms(
            {**losses, "nuclear_norm": -weight * norm},
            {**monitors, "mean_nuclear_norm": norm.detach()},
        )
