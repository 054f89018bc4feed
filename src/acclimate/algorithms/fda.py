"""Fourier domain adaptation."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import nn

from acclimate.algorithms.base import Terms, algorithms
from acclimate.algorithms.source_only import SourceOnly
from acclimate.core.types import Batch, Views
from acclimate.layers.low_frequencies import with_low_frequencies_of
from acclimate.losses.charbonnier_entropy import charbonnier_entropy


@algorithms.register("fda")
class FourierDomainAdaptation(SourceOnly):
    """Source pictures wear the low frequencies of target pictures (Fourier domain adaptation).

    Yang & Soatto, "FDA: Fourier domain adaptation for semantic segmentation", 2020, equations 3
    to 5: amplitudes are exchanged and the target's entropy is penalised. Vectors pass as they are,
    so that the penalty is all that is left of the method. Deviations: (1) pictures change after
    augmentation and preprocessing, and are not clipped; (2) no networks of several bands, and no
    self-training, which ``fda+self-training`` adds; (3) the entropy is divided by log K, as in the
    authors' code.
    """

    uses_target: ClassVar[bool] = True

    band: float = Field(
        0.05, ge=0, le=0.5, description="β: highest frequency exchanged, in cycles per pixel"
    )
    entropy: float = Field(0.005, ge=0, description="of the penalty of the target's entropy")
    power: float = Field(
        2.0, gt=0, description="η of the penalty: above 0.5, uncertain items count more"
    )

    def prepare(self, batch: Batch, progress: float) -> Batch:
        if batch.target is None or batch.source.ndim != 4:
            return batch
        partners = torch.arange(len(batch.source), device=batch.target.device) % len(batch.target)
        source = with_low_frequencies_of(batch.target[partners], batch.source, self.band)
        return batch._replace(source=source)

    def losses(self, views: Views, modules: nn.ModuleDict, phase: str) -> Terms:
        assert views.target is not None
        losses, monitors = super().losses(views, modules, phase)
        penalty = charbonnier_entropy(views.target.logits, self.power)
        return Terms(
            {**losses, "entropy": self.entropy * penalty},
            {**monitors, "entropy_penalty": penalty.detach()},
        )
