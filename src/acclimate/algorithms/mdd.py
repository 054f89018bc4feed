"""Margin disparity discrepancy."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, PositiveInt
from torch import Tensor, nn

from acclimate.algorithms.base import Algorithm, Terms, algorithms
from acclimate.core.schedules import domain_ramp
from acclimate.core.types import NetworkOutput, Views
from acclimate.layers.gradient_reversal import reverse_gradient
from acclimate.layers.perceptron import perceptron
from acclimate.losses.margin_disparity import margin_disparity
from acclimate.models.network import Network
from acclimate.objectives.classification import batch_accuracy, classification_loss


@algorithms.register("mdd")
class MarginDisparity(Algorithm):
    """Features on which no second classifier can agree on the source and disagree on the target.

    Zhang et al., "Bridging theory and algorithm for domain adaptation", ICML 2019,
    section 4: an auxiliary classifier behind gradient reversal maximises the margin disparity
    discrepancy, the features minimise it. Deviations: docs/algorithms/mdd.md.
    """

    weight: float = Field(0.1, ge=0, description="largest weight of the reversed gradient")
    gamma: float = Field(4.0, gt=0, description="margin factor: weight of agreeing on the source")
    ramp: float = Field(10.0, gt=0, description="steepness of the ramp of the weight")
    hidden: tuple[PositiveInt, ...] = Field(
        (), description="widths of the auxiliary classifier's hidden layers"
    )
    layer: str | None = Field(None, description="layer it looks at; null = the last hidden layer")

    def modules(self, network: Network) -> Mapping[str, nn.Module]:
        width = network.width_of(self.layer or network.feature_layer)
        return {"auxiliary_head": perceptron(width, self.hidden, network.spec.class_count)}

    def losses(self, views: Views, modules: nn.ModuleDict, phase: str) -> Terms:
        assert views.target is not None
        logits, labels = views.source.logits, views.source_labels
        reversal = self.weight * domain_ramp(views.progress, self.ramp)
        sides = (views.source, views.target)
        source, target = (self._auxiliary(side, modules, reversal) for side in sides)
        # what the classifier itself says: a choice of classes, through which no gradient goes
        classes = [side.logits.detach().argmax(1) for side in sides]
        return Terms(
            {
                "classification": classification_loss(logits, labels),
                "disparity": margin_disparity(source, classes[0], target, classes[1], self.gamma),
            },
            {
                "source_batch_accuracy": batch_accuracy(logits, labels),
                "source_agreement": batch_accuracy(source, classes[0]),
                "target_agreement": batch_accuracy(target, classes[1]),
                "reversal_weight": reversal,
            },
        )

    def _auxiliary(self, view: NetworkOutput, modules: nn.ModuleDict, reversal: float) -> Tensor:
        # without a name the last layer, as ``modules`` takes it
        features = view.layers[self.layer or next(reversed(view.layers))]
        logits: Tensor = modules["auxiliary_head"](reverse_gradient(features, reversal))
        return logits
