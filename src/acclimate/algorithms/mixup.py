"""Mixup and CutMix across the domains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from acclimate.algorithms.base import Terms, algorithms
from acclimate.algorithms.source_only import SourceOnly
from acclimate.core.types import Batch, Views
from acclimate.layers.mixing import mixed, shares
from acclimate.losses.mixed_cross_entropy import mixed_cross_entropy


@algorithms.register("mixup")
class DomainMixup(SourceOnly):
    """Items mixed from both domains bridge them: labels from the source, and from a teacher.

    The mixes: Zhang et al., "mixup", 2018, across domains as in Xu et al., "Adversarial domain
    adaptation with domain mixup", 2020, and with ``cut`` Yun et al., "CutMix", 2019. Deviations:
    (1) shares are spread evenly over (0, 1) in each batch, where Xu et al. draw from Beta(2, 2);
    (2) mixed items are classified, with the averaged network's probabilities as the target's
    labels, weighted by their confidence; the paper has its domain discriminator judge them, which
    ``dann+mixup`` only adds for unmixed ones; (3) inputs are mixed, features are not; (4) the
    weight rises linearly over ``ramp``.
    """

    uses_target: ClassVar[bool] = True
    uses_teacher: ClassVar[bool] = True
    draws: ClassVar[bool] = True

    weight: float = Field(1.0, ge=0, description="of the classification of mixed items")
    cut: bool = Field(
        False, description="put a rectangle of a target picture into the source picture"
    )
    ramp: float = Field(0.3, gt=0, le=1, description="share of training until the full weight")

    def extra_inputs(self, batch: Batch, progress: float) -> Mapping[str, Tensor]:
        assert batch.target is not None
        partners = batch.target[_partners(batch)]
        return {"mixed": mixed(batch.source, partners, self.cut)}

    def losses(self, views: Views, modules: nn.ModuleDict, phase: str) -> Terms:
        assert views.teacher_logits is not None
        losses, monitors = super().losses(views, modules, phase)
        teacher = views.teacher_logits.detach().float().softmax(1)[_partners(views.batch)]
        share = shares(views.batch.source, self.cut)
        loss = mixed_cross_entropy(
            views.extra["mixed"].logits.float(), views.source_labels, teacher, share
        )
        weight = self.weight * min(1.0, views.progress / self.ramp)
        return Terms(
            {**losses, "mixed": weight * loss},
            {**monitors, "teacher_confidence": teacher.amax(1).mean()},
        )


def _partners(batch: Batch) -> Tensor:
    """(S,) which target item goes with each source item."""
    assert batch.target is not None
    return torch.arange(len(batch.source), device=batch.source.device) % len(batch.target)
