"""The default: domain-adversarial training made robust, with self-training on confident target items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field
from torch import nn

from acclimate.algorithms.base import Terms, algorithms
from acclimate.algorithms.dann import Dann
from acclimate.algorithms.self_training import alignment_modules, taught
from acclimate.core.types import Blend, Views
from acclimate.models.network import Network


@algorithms.register("dann-self-training")
class DannSelfTraining(Dann):
    """DANN with a gentle reversal, and self-training on what an averaged teacher is sure of.

    Domain confusion: Ganin et al., JMLR 2016. Self-training: the averaged network (Tarvainen &
    Valpola, 2017) labels weak views of the target, the student learns the confident ones on
    augmented views (Sohn et al., FixMatch, 2020, equation 4). Aligned class shares and a threshold
    relative to the confidence on the source: Berthelot et al., AdaMatch, 2022, sections 3.2 and 3.3.
    Deviations: (1) the teacher is the weight average, not the student itself; (2) the reversal's
    weight ends below 1, which keeps features useful where full confusion would mix classes; (3) the
    weight of self-training rises linearly over ``ramp``, since the first labels are the source-only
    model's; (4) source pictures are blended with target ones up to ``blend``, labels unchanged
    (as mixup, Zhang et al., 2018, across domains), and where pictures are inverted, a share
    ``difference`` of them becomes the distance to a piece of a target picture instead: an inversion
    by places, in the target's textures.
    """

    uses_teacher: ClassVar[bool] = True

    weight: float = Field(0.3, ge=0, description="largest weight of the reversed gradient")
    threshold: float = Field(
        0.9,
        ge=0,
        lt=1,
        description="confidence above which a label is believed, as a share of the source's",
    )
    alignment: float = Field(
        1.0, ge=0, le=1, description="how far class shares are made the source's; 0 = not"
    )
    self_training: float = Field(1.0, ge=0, description="weight of the self-training loss")
    ramp: float = Field(0.3, gt=0, le=1, description="share of training until its full weight")
    blend: float = Field(
        0.3, ge=0, lt=1, description="largest share of a target picture in a source picture"
    )
    difference: float = Field(
        0.5,
        ge=0,
        le=1,
        description="share of source pictures that become the distance to a target texture, where "
        "the augmentation inverts pictures",
    )

    @property
    def source_blend(self) -> Blend:
        return Blend(self.blend, self.difference)

    def modules(self, network: Network) -> Mapping[str, nn.Module]:
        return {**super().modules(network), **alignment_modules(network, self.alignment)}

    def losses(self, views: Views, modules: nn.ModuleDict, phase: str) -> Terms:
        losses, monitors = super().losses(views, modules, phase)
        loss, share = taught(views, modules, self.threshold, self.alignment)
        weight = self.self_training * min(1.0, views.progress / self.ramp)
        return Terms(
            {**losses, "self_training": weight * loss}, {**monitors, "confident_share": share}
        )
