"""What methods have in common that descend a distance between the features of the two domains."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field
from torch import Tensor, nn

from acclimate.algorithms.base import Algorithm, Terms
from acclimate.core.schedules import domain_ramp
from acclimate.core.types import NetworkOutput, Views
from acclimate.models.network import Network
from acclimate.objectives import supervised

#: what ``layers`` calls the network's output
LOGITS = "logits"


class FeatureDiscrepancy(Algorithm):
    """Classification of the source, and a weighted and ramped ``discrepancy`` of the domains."""

    compares_items: ClassVar[bool] = True

    weight: float = Field(1.0, ge=0, description="largest weight of the discrepancy")
    gamma: float = Field(10.0, gt=0, description="steepness of the ramp of the weight")
    layers: tuple[str, ...] | None = Field(
        None,
        min_length=1,
        description="layers that are compared, logits is one; null = the last hidden layer",
    )

    def modules(self, network: Network) -> Mapping[str, nn.Module]:
        for name in self.layers or ():
            if name != LOGITS:
                network.width_of(name)
        return {}

    def losses(self, views: Views, modules: nn.ModuleDict, phase: str) -> Terms:
        assert views.target is not None
        losses, watched = supervised(views)
        weight = self.weight * domain_ramp(views.progress, self.gamma)
        discrepancy = self.discrepancy(views.source, views.target)
        return Terms(
            {
                **losses,
                "discrepancy": weight * discrepancy,
            },
            {
                **watched,
                "discrepancy": discrepancy.detach(),
                "discrepancy_weight": weight,
            },
        )

    @abstractmethod
    def discrepancy(self, source: NetworkOutput, target: NetworkOutput) -> Tensor:
        """A scalar: how far the domains are from each other in the compared layers."""

    def compared(self, output: NetworkOutput) -> list[Tensor]:
        """The (N, width) activations that are compared; of retrieval the descriptor is the output."""
        last = next(reversed(output.layers))
        classified = bool(output.logits.shape[1])
        names = [name if name != LOGITS or classified else last for name in self.layers or (last,)]
        return [output.logits if name == LOGITS else output.layers[name] for name in names]
