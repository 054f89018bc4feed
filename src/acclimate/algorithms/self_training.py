"""Self-training on what an averaged teacher is sure of."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from torch import Tensor, nn

from acclimate.algorithms.base import Terms, algorithms
from acclimate.algorithms.source_only import SourceOnly
from acclimate.core.types import Views
from acclimate.layers.processes import mean_over_processes
from acclimate.layers.share_alignment import ShareAlignment
from acclimate.losses.confident_cross_entropy import confident_cross_entropy
from acclimate.models.network import Network


@algorithms.register("self-training")
class SelfTraining(SourceOnly):
    """A student that learns, on augmented target items, what its average is sure of.

    Sohn et al., "FixMatch", 2020, equation 4, on the target. Aligned class shares and a threshold
    relative to the confidence on the source: Berthelot et al., "AdaMatch", 2022, sections 3.2 and
    3.3. Deviations: (1) the teacher is the weight average (Tarvainen & Valpola, 2017), not the
    student itself; (2) the weight rises linearly over ``ramp``, since the first labels are the
    source-only model's.
    """

    uses_target: ClassVar[bool] = True
    uses_teacher: ClassVar[bool] = True

    weight: float = Field(1.0, ge=0, description="of the self-training loss")
    threshold: float = Field(
        0.9,
        ge=0,
        lt=1,
        description="confidence above which a label is believed, as a share of the source's",
    )
    alignment: float = Field(
        1.0, ge=0, le=1, description="how far class shares are made the source's; 0 = not"
    )
    ramp: float = Field(0.3, gt=0, le=1, description="share of training until the full weight")

    def modules(self, network: Network) -> dict[str, nn.Module]:
        return alignment_modules(network, self.alignment)

    def losses(self, views: Views, modules: nn.ModuleDict, phase: str) -> Terms:
        losses, monitors = super().losses(views, modules, phase)
        loss, share = taught(views, modules, self.threshold, self.alignment)
        weight = self.weight * min(1.0, views.progress / self.ramp)
        return Terms(
            {**losses, "self_training": weight * loss}, {**monitors, "confident_share": share}
        )


def alignment_modules(network: Network, alignment: float) -> dict[str, nn.Module]:
    """What ``taught`` needs beside the network."""
    return {"share_alignment": ShareAlignment(network.spec.class_count)} if alignment else {}


def taught(
    views: Views, modules: nn.ModuleDict, threshold: float, alignment: float
) -> tuple[Tensor, Tensor]:
    """Cross-entropy of the student to what the teacher is sure of, and the share of such items."""
    assert views.target is not None
    teacher = _teacher(views, modules, alignment)
    return confident_cross_entropy(
        views.target.logits, teacher, threshold * _confidence(views.source.logits)
    )


def _teacher(views: Views, modules: nn.ModuleDict, alignment: float) -> Tensor:
    """(T, K) float32 class probabilities that the student is taught."""
    assert views.teacher_logits is not None
    probabilities = views.teacher_logits.detach().float().softmax(1)
    if not alignment:
        return probabilities
    aligned: Tensor = modules["share_alignment"](views.source_labels, probabilities, alignment)
    return aligned


def _confidence(logits: Tensor) -> Tensor:
    """Mean largest probability over the joint batch, a 0-d tensor without gradient."""
    return mean_over_processes(logits.detach().float().softmax(1).amax(1).mean())
