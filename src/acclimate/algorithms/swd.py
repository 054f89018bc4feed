"""Sliced Wasserstein discrepancy of two classifiers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field, PositiveInt
from torch import Tensor, nn

from acclimate.algorithms.base import Algorithm, Phase, Terms, algorithms
from acclimate.core.types import NetworkOutput, Views
from acclimate.losses.sliced_wasserstein import random_directions, sliced_wasserstein
from acclimate.models.network import Network
from acclimate.objectives.classification import batch_accuracy, classification_loss

CLASSIFIERS = Phase("classifiers", ("network.head", "second_head"))
GENERATOR = Phase("generator", ("network.backbone", "network.hidden"))
SOURCE = Phase("source")


@algorithms.register("swd")
class SlicedWassersteinDiscrepancy(Algorithm):
    """Features on which two classifiers that are made to differ agree (sliced Wasserstein discrepancy).

    Lee et al., "Sliced Wasserstein discrepancy for unsupervised domain adaptation", 2019: all
    learns the source (``source``), the classifiers learn to differ on the target while keeping
    the source (``classifiers``), the features learn to make them agree (``generator``).
    Deviations: docs/algorithms/swd.md, above all that a training step begins with the classifiers
    and ends with the source, so that what is logged and evaluated follows a step on the source.
    """

    compares_items: ClassVar[bool] = True
    draws: ClassVar[bool] = True

    weight: float = Field(
        1.0, ge=0, description="of the discrepancy; 0 trains both classifiers on the source alone"
    )
    directions: PositiveInt = Field(
        128, description="random lines that the predictions are projected on"
    )
    generator_steps: PositiveInt = Field(
        1, description="how often the features are moved for each move of the classifiers"
    )

    @property
    def phases(self) -> tuple[Phase, ...]:
        if self.weight == 0:
            # an optimiser with momentum would go on even where a gradient is zero
            return (SOURCE,)
        return (CLASSIFIERS, *(GENERATOR,) * self.generator_steps, SOURCE)

    def modules(self, network: Network) -> Mapping[str, nn.Module]:
        width = network.width_of(network.feature_layer)
        return {"second_head": nn.Linear(width, network.spec.class_count)}

    def losses(self, views: Views, modules: nn.ModuleDict, phase: str) -> Terms:
        assert views.target is not None
        heads = views.network.head, modules["second_head"]
        fixed = phase == CLASSIFIERS.name
        ours, theirs = (_logits(view, *heads, fixed) for view in (views.source, views.target))
        discrepancy = self._discrepancy(*theirs)
        labels = views.source_labels
        losses = {
            "classification": classification_loss(ours[0], labels),
            "second_classification": classification_loss(ours[1], labels),
        }
        if phase == CLASSIFIERS.name:
            losses["discrepancy"] = -self.weight * discrepancy
        elif phase != SOURCE.name:
            losses = {"discrepancy": self.weight * discrepancy}
        return Terms(
            losses,
            {
                "source_batch_accuracy": batch_accuracy(ours[0], labels),
                "classifier_discrepancy": discrepancy.detach(),
            },
        )

    def _discrepancy(self, first: Tensor, second: Tensor) -> Tensor:
        """The distance of two (T, classes) batches of logits, as probabilities."""
        lines = random_directions(first.shape[1], self.directions, first.device)
        return sliced_wasserstein(first.float().softmax(1), second.float().softmax(1), lines)


def _logits(
    view: NetworkOutput, head: nn.Module, second_head: nn.Module, fixed: bool
) -> tuple[Tensor, Tensor]:
    """What both classifiers say; where the features are ``fixed``, no gradient is computed for them."""
    # the last layer is what the network's own head sees
    features = next(reversed(view.layers.values()))
    if not fixed:
        return view.logits, second_head(features)
    return head(features.detach()), second_head(features.detach())
