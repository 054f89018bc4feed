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

SOURCE = Phase("source")
CLASSIFIERS = Phase("classifiers", ("network.head", "second_head"))
GENERATOR = Phase("generator", ("network.backbone", "network.hidden"))


@algorithms.register("swd")
class SlicedWassersteinDiscrepancy(Algorithm):
    """Features on which two classifiers that are made to differ agree after all (sliced Wasserstein).

    Lee et al., "Sliced Wasserstein discrepancy for unsupervised domain adaptation", 2019, section
    3.4: (1) everything learns the source; (2) the classifiers learn to differ on the target while
    keeping the source; (3) the features learn to make them agree. Deviations: docs/algorithms/swd.md.
    """

    compares_items: ClassVar[bool] = True
    draws: ClassVar[bool] = True

    weight: float = Field(
        1.0, ge=0, description="of the discrepancy; 0 = two classifiers, trained on the source alone"
    )
    directions: PositiveInt = Field(128, description="random lines that predictions are projected on")
    generator_steps: PositiveInt = Field(1, description="steps of the features in a training step")

    @property
    def phases(self) -> tuple[Phase, ...]:
        if self.weight == 0:
            # a step without a gradient is none: an optimiser with momentum would move all the same
            return (SOURCE,)
        return (SOURCE, CLASSIFIERS, *(GENERATOR,) * self.generator_steps)

    def modules(self, network: Network) -> Mapping[str, nn.Module]:
        width = network.width_of(network.feature_layer)
        return {"second_head": nn.Linear(width, network.spec.class_count)}

    def losses(self, views: Views, modules: nn.ModuleDict, phase: str) -> Terms:
        assert views.target is not None
        source, target = (
            _both(view, views.network, modules, fixed=phase == CLASSIFIERS.name)
            for view in (views.source, views.target)
        )
        labels = views.source_labels
        monitors = {"source_batch_accuracy": batch_accuracy(source[0], labels)}
        classification = {
            "classification": classification_loss(source[0], labels),
            "second_classification": classification_loss(source[1], labels),
        }
        if phase == SOURCE.name:
            return Terms(classification, {**monitors})
        discrepancy = self._discrepancy(*target)
        monitors["discrepancy"] = discrepancy.detach()
        if phase == CLASSIFIERS.name:
            return Terms(
                {**classification, "negative_discrepancy": -self.weight * discrepancy}, {**monitors}
            )
        return Terms({"discrepancy": self.weight * discrepancy}, {**monitors})

    def _discrepancy(self, first: Tensor, second: Tensor) -> Tensor:
        """The distance of two (T, classes) batches of logits, as probabilities."""
        lines = random_directions(first.shape[1], self.directions, first.device)
        return sliced_wasserstein(first.float().softmax(1), second.float().softmax(1), lines)


def _both(
    view: NetworkOutput, network: nn.Module, modules: nn.ModuleDict, *, fixed: bool
) -> tuple[Tensor, Tensor]:
    """Logits of the network's own head and of the second; with ``fixed``, the features get no gradient."""
    features = next(reversed(view.layers.values()))
    if not fixed:
        return view.logits, modules["second_head"](features)
    head = network.get_submodule("head")
    return head(features.detach()), modules["second_head"](features.detach())
