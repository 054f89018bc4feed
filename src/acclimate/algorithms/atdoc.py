"""ATDOC: the target's neighbourhoods as a second classifier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from acclimate.algorithms.base import Terms, algorithms
from acclimate.algorithms.source_only import SourceOnly
from acclimate.core.types import Views
from acclimate.layers.full_precision import full_precision
from acclimate.layers.memory_bank import MemoryBank
from acclimate.layers.processes import items_of_all_processes
from acclimate.losses.weighted_cross_entropy import weighted_cross_entropy
from acclimate.models.network import Network


@algorithms.register("atdoc")
class Atdoc(SourceOnly):
    """Target items that take the class their nearest neighbours among target items are taken for.

    Liang et al., "Domain adaptation with auxiliary target domain-oriented classifier", 2021,
    section 3, with neighbourhood aggregation (ATDOC-NA), and the authors' code where that says
    more. Deviations: (1) the memory holds the latest ``memory`` items, not every item of the
    target, so an item does not know which of them was itself; (2) what is remembered is the
    training pass, the code runs the network again in evaluation mode.
    """

    uses_target: ClassVar[bool] = True
    compares_items: ClassVar[bool] = True

    weight: float = Field(0.2, ge=0, description="of the cross-entropy to the neighbours' class")
    neighbours: PositiveInt = Field(5, description="how many of the nearest items vote")
    memory: PositiveInt = Field(4096, description="how many of the latest target items are kept")
    ramp: float = Field(1.0, gt=0, le=1, description="share of training until the full weight")

    def modules(self, network: Network) -> Mapping[str, nn.Module]:
        width = network.width_of(network.feature_layer)
        return {"memory": MemoryBank(self.memory, width, network.spec.class_count)}

    def losses(self, views: Views, modules: nn.ModuleDict, phase: str) -> Terms:
        assert views.target is not None
        losses, monitors = super().losses(views, modules, phase)
        memory = modules["memory"]
        assert isinstance(memory, MemoryBank)
        logits = views.target.logits.float()
        features = next(reversed(views.target.layers.values())).detach()
        confidence, labels = memory.neighbours(features, self.neighbours).max(1)
        said = sharpened(items_of_all_processes(logits))
        memory.remember(items_of_all_processes(features), said)
        weight = self.weight * min(1.0, views.progress / self.ramp)
        return Terms(
            {
                **losses,
                "neighbours": weight * weighted_cross_entropy(logits, labels, confidence),
            },
            {
                **monitors,
                "neighbours_confidence": confidence.mean(),
                "neighbours_agreement": (labels == logits.argmax(1)).float().mean(),
            },
        )


@full_precision
def sharpened(logits: Tensor) -> Tensor:
    """Squared probabilities, each class's divided by its sum over the batch, in [0, 1].

    Squares make an item's likely classes likelier; the division makes up for classes that are
    predicted too often.
    """
    squares = logits.softmax(1).square()
    return squares / squares.sum(0).clamp_min(torch.finfo(squares.dtype).tiny)
