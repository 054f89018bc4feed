"""The default: domain-adversarial training made robust, with self-training on confident target items."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from torch import nn

from acclimate.algorithms.base import Terms, algorithms
from acclimate.algorithms.dann import Dann
from acclimate.core.types import Views
from acclimate.losses.confident_cross_entropy import confident_cross_entropy


@algorithms.register("dann-self-training")
class DannSelfTraining(Dann):
    """DANN with a gentle reversal, and self-training on what an averaged teacher is sure of.

    Domain confusion: Ganin et al., JMLR 2016. Self-training: the averaged network (Tarvainen &
    Valpola, 2017) labels weak views of the target, the student learns the confident ones on
    strong views (Sohn et al., FixMatch, 2020, equation 4). Deviations: (1) the teacher is the
    weight average, not the student itself; (2) the reversal's weight ends below 1, which keeps
    features useful where full confusion would mix classes; (3) the weight of self-training
    rises linearly over ``ramp``, since the first labels are the source-only model's.
    """

    uses_teacher: ClassVar[bool] = True

    weight: float = Field(0.3, ge=0, description="largest weight of the reversed gradient")
    threshold: float = Field(
        0.8, ge=0, lt=1, description="confidence above which a label is believed"
    )
    self_training: float = Field(1.0, ge=0, description="weight of the self-training loss")
    ramp: float = Field(0.3, gt=0, le=1, description="share of training until its full weight")

    def losses(self, views: Views, modules: nn.ModuleDict, phase: str) -> Terms:
        assert views.target is not None
        assert views.teacher_logits is not None
        losses, monitors = super().losses(views, modules, phase)
        loss, share = confident_cross_entropy(
            views.target.logits, views.teacher_logits, self.threshold
        )
        weight = self.self_training * min(1.0, views.progress / self.ramp)
        return Terms(
            {**losses, "self_training": weight * loss}, {**monitors, "confident_share": share}
        )
