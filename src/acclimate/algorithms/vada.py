"""Virtual adversarial domain adaptation."""

from __future__ import annotations

from pydantic import Field
from torch import nn

from acclimate.algorithms.base import Terms, algorithms
from acclimate.algorithms.dann import Dann
from acclimate.algorithms.vat import LocallySmooth
from acclimate.core.types import Views
from acclimate.losses.information import entropy


@algorithms.register("vada")
class Vada(Dann, LocallySmooth):
    """DANN whose predictions are also certain on the target, and smooth in both domains.

    Shu et al., "A DIRT-T approach to unsupervised domain adaptation", 2018, equation 8: domain
    confusion, virtual adversarial training on both domains, conditional entropy of the target. The
    first stage before ``dirt-t``. Deviations: (1) the gradient of one domain classifier is reversed
    and its weight rises as in DANN, where the paper trains network and classifier in turn; (2) the
    target's weights are 0.1 and rise over ``ramp``, where the paper's are 0.01 throughout, over
    80,000 steps; (3) no instance normalisation of the input but for the run's preprocessing.
    """

    weight: float = Field(0.3, ge=0, description="largest weight of the reversed gradient")
    source_smoothness: float = Field(1.0, ge=0, description="of the roughness on the source")
    target_smoothness: float = Field(0.1, ge=0, description="of the roughness on the target")
    entropy: float = Field(0.1, ge=0, description="of the conditional entropy of the target")
    ramp: float = Field(
        0.3, gt=0, le=1, description="share of training until the target's full weights"
    )

    def losses(self, views: Views, modules: nn.ModuleDict, phase: str) -> Terms:
        assert views.target is not None
        losses, monitors = super().losses(views, modules, phase)
        source, target = self.roughness(views)
        uncertain = entropy(views.target.logits.float())
        rise = min(1.0, views.progress / self.ramp)
        smoothness = self.source_smoothness * source + rise * self.target_smoothness * target
        return Terms(
            {**losses, "roughness": smoothness, "entropy": rise * self.entropy * uncertain},
            {
                **monitors,
                "source_roughness": source.detach(),
                "target_roughness": target.detach(),
                "target_entropy": uncertain.detach(),
            },
        )
