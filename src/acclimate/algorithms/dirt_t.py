"""DIRT-T: a second stage that follows the target's clusters."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from torch import nn

from acclimate.algorithms.base import Terms, algorithms
from acclimate.algorithms.source_only import SourceOnly
from acclimate.algorithms.vat import LocallySmooth
from acclimate.core.types import Views
from acclimate.losses.divergence import divergences
from acclimate.losses.information import entropy


@algorithms.register("dirt-t")
class DirtT(LocallySmooth, SourceOnly):
    """A second stage that lets go of the source: smooth and certain on the target, near its average.

    Shu et al., "A DIRT-T approach to unsupervised domain adaptation", 2018, section 4.2: a network
    that has been adapted before (``--start-from``) descends the target's conditional entropy and
    roughness, and stays near the previous model. Deviations: (1) that model is the weight average,
    on the weak view; (2) the three weights are 1, where the paper's are 0.01 each: with Adam only
    their ratio matters; (3) the source takes part in the batch, and with ``source`` above 0 in the
    loss; (4) roughness is taken as ``LocallySmooth`` says.
    """

    uses_target: ClassVar[bool] = True
    uses_teacher: ClassVar[bool] = True
    weighs_source: ClassVar[bool] = True

    teacher: float = Field(1.0, ge=0, description="of the divergence from the average's prediction")
    smoothness: float = Field(1.0, ge=0, description="of the roughness on the target")
    entropy: float = Field(1.0, ge=0, description="of the conditional entropy of the target")
    source: float = Field(0.0, ge=0, description="of the classification of the source")

    @property
    def first_stage(self) -> str | None:
        return None if self.source else "vada"

    def losses(self, views: Views, modules: nn.ModuleDict, phase: str) -> Terms:
        assert views.target is not None
        assert views.teacher_logits is not None
        losses, monitors = super().losses(views, modules, phase)
        logits = views.target.logits
        divergence = divergences(views.teacher_logits, logits).mean()
        _, rough = self.roughness(views)
        uncertain = entropy(logits.float())
        return Terms(
            {
                "classification": self.source * losses["classification"],
                "teacher": self.teacher * divergence,
                "roughness": self.smoothness * rough,
                "entropy": self.entropy * uncertain,
            },
            {**monitors, "source_cross_entropy": losses["classification"].detach()},
        )
