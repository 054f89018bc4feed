"""Batch spectral penalisation."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, PositiveInt
from torch import nn

from acclimate.algorithms.base import ANY_LABELS, Algorithm, Terms, algorithms
from acclimate.core.types import Views
from acclimate.losses.spectral_penalty import spectral_penalty
from acclimate.models.network import Network
from acclimate.objectives import supervised


@algorithms.register("bsp")
class BatchSpectralPenalisation(Algorithm):
    """Features in which no single direction dominates: a penalty on the largest singular values.

    Chen et al., "Transferability vs. discriminability: batch spectral penalization for adversarial
    domain adaptation", ICML 2019, section 4. Meant for ``dann+bsp`` and ``cdan+bsp``; alone it
    is classification and penalty, which aligns nothing. Deviation: the penalised layer is the last
    hidden one unless ``layer`` names another; the paper's domain classifier sees that layer too.
    """

    compares_items: ClassVar[bool] = True
    objectives: ClassVar[tuple[str, ...]] = ANY_LABELS

    weight: float = Field(1e-4, ge=0, description="of the penalty")
    count: PositiveInt = Field(1, description="how many singular values of each domain count")
    layer: str | None = Field(
        None, description="layer that is penalised; null = the last hidden layer"
    )

    def modules(self, network: Network) -> dict[str, nn.Module]:
        network.width_of(self.layer or network.feature_layer)
        return {}

    def losses(self, views: Views, modules: nn.ModuleDict, phase: str) -> Terms:
        assert views.target is not None
        losses, watched = supervised(views)
        # without a name the last layer
        name = self.layer or next(reversed(views.source.layers))
        source, target = (
            spectral_penalty(view.layers[name], self.count) for view in (views.source, views.target)
        )
        return Terms(
            {
                **losses,
                "spectral": self.weight * (source + target),
            },
            {
                **watched,
                "spectral_norms": (source + target).detach(),
            },
        )
