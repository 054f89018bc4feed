"""Self-ensembling with a mean teacher."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from torch import nn

from acclimate.algorithms.base import ANY_LABELS, Terms, algorithms
from acclimate.algorithms.source_only import SourceOnly
from acclimate.core.types import Views
from acclimate.losses.confident_squared_difference import (
    confident_squared_difference,
    descriptor_difference,
)


@algorithms.register("mean-teacher")
class MeanTeacher(SourceOnly):
    """A student that agrees on augmented target items with its own average on gentler views.

    French et al., "Self-ensembling for visual domain adaptation", 2018, sections 3.1 and 3.2; the
    teacher: Tarvainen & Valpola, "Mean teachers", 2017. Of retrieval the descriptors, normalised, take
    the place of probabilities, without a threshold. Deviations: (1) the squared difference is
    summed over classes, so that ``weight`` does not depend on their number; (2) the weight rises
    linearly over ``ramp`` beside the confidence threshold, which the paper has in its place; (3)
    no class balance loss; (4) the teacher is in evaluation mode.
    """

    uses_target: ClassVar[bool] = True
    uses_teacher: ClassVar[bool] = True
    objectives: ClassVar[tuple[str, ...]] = ANY_LABELS

    weight: float = Field(1.0, ge=0, description="of the squared difference")
    threshold: float = Field(
        0.968, ge=0, lt=1, description="confidence above which the teacher is believed"
    )
    ramp: float = Field(0.3, gt=0, le=1, description="share of training until the full weight")

    def losses(self, views: Views, modules: nn.ModuleDict, phase: str) -> Terms:
        assert views.target is not None
        assert views.teacher_logits is not None
        losses, monitors = super().losses(views, modules, phase)
        weight = self.weight * min(1.0, views.progress / self.ramp)
        if views.objective is not None and not views.target.logits.shape[1]:
            said = views.objective.said(views.target)
            apart = descriptor_difference(said, views.teacher_logits)
            return Terms({**losses, "consistency": weight * apart}, monitors)
        loss, share = confident_squared_difference(
            views.target.logits, views.teacher_logits, self.threshold
        )
        return Terms(
            {**losses, "consistency": weight * loss}, {**monitors, "confident_share": share}
        )
