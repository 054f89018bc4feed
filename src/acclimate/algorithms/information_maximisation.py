"""Information maximisation: certain and varied predictions on the target."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from torch import nn

from acclimate.algorithms.base import Terms, algorithms
from acclimate.algorithms.source_only import SourceOnly
from acclimate.core.types import Views
from acclimate.losses.information import diversity, entropy


@algorithms.register("information-maximisation")
class InformationMaximisation(SourceOnly):
    """Predictions on the target that are certain for each item and varied over the batch.

    Krause et al., "Discriminative clustering by regularized information maximization", 2010,
    equation 2; Shi & Sha, "Information-theoretical learning of discriminative clusters for
    unsupervised domain adaptation", 2012. With ``diversity`` 0 it is entropy minimisation.
    Deviations: (1) the mean prediction is that of a batch, not of all target items; (2) the weight
    rises linearly over ``ramp``, since the first predictions are often wrong.
    """

    uses_target: ClassVar[bool] = True
    compares_items: ClassVar[bool] = True

    weight: float = Field(0.3, ge=0, description="of the loss on the target")
    diversity: float = Field(
        1.0, ge=0, description="of the diversity, beside the entropy; 0 = entropy alone"
    )
    ramp: float = Field(0.3, gt=0, le=1, description="share of training until the full weight")

    def losses(self, views: Views, modules: nn.ModuleDict, phase: str) -> Terms:
        assert views.target is not None
        losses, monitors = super().losses(views, modules, phase)
        logits = views.target.logits.float()
        uncertain, varied = entropy(logits), diversity(logits)
        weight = self.weight * min(1.0, views.progress / self.ramp)
        loss = weight * (uncertain - self.diversity * varied)
        return Terms(
            {**losses, "information": loss},
            {**monitors, "entropy": uncertain.detach(), "diversity": varied.detach()},
        )
