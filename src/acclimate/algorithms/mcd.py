"""Maximum classifier discrepancy."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, PositiveInt
from torch import nn

from acclimate.algorithms.base import Algorithm, Phase, Terms, algorithms
from acclimate.core.types import Views
from acclimate.losses.classifier_discrepancy import classifier_discrepancy
from acclimate.models.network import Network
from acclimate.objectives.classification import batch_accuracy, classification_loss

CLASSIFIERS = Phase("classifiers", ("network.head", "second_head"))
GENERATOR = Phase("generator", ("network.backbone", "network.hidden"))
SOURCE = Phase("source")


@algorithms.register("mcd")
class MaximumClassifierDiscrepancy(Algorithm):
    """Two classifiers part on the target, and the features bring them together again.

    Saito et al., "Maximum classifier discrepancy for unsupervised domain adaptation", CVPR 2018,
    section 3, steps A (``source``), B (``classifiers``) and C (``generator``,
    ``generator_steps`` times). F1 is the network's own head, and is what is deployed; F2 is
    ``second_head``, on the same layer. Deviations: (1) a training step is B, C, A, so that
    what is logged and evaluated comes right after step A; the sequence of updates is the paper's
    but for its very first step A; (2) the classifiers are single linear layers, as the network's head is.
    """

    generator_steps: PositiveInt = Field(
        4, description="how often the features are moved for each move of the classifiers"
    )

    @property
    def phases(self) -> tuple[Phase, ...]:
        return (CLASSIFIERS, *[GENERATOR] * self.generator_steps, SOURCE)

    def modules(self, network: Network) -> Mapping[str, nn.Module]:
        width = network.width_of(network.feature_layer)
        return {"second_head": nn.Linear(width, network.spec.class_count)}

    def losses(self, views: Views, modules: nn.ModuleDict, phase: str) -> Terms:
        assert views.target is not None
        first, labels = views.source.logits, views.source_labels
        sides = (views.source, views.target)
        # the last layer is what the network's own head sees
        second, parted = (
            modules["second_head"](side.layers[next(reversed(side.layers))]) for side in sides
        )
        discrepancy = classifier_discrepancy(views.target.logits, parted)
        losses = {
            "classification": classification_loss(first, labels),
            "second_classification": classification_loss(second, labels),
        }
        if phase == CLASSIFIERS.name:
            losses["discrepancy"] = -discrepancy
        elif phase != SOURCE.name:
            losses = {"discrepancy": discrepancy}
        return Terms(
            losses,
            {
                "source_batch_accuracy": batch_accuracy(first, labels),
                "classifier_discrepancy": discrepancy.detach(),
            },
        )
