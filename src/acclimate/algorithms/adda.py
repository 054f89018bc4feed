"""Adversarial discriminative domain adaptation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from acclimate.algorithms.base import ANY_LABELS, Algorithm, Terms, algorithms
from acclimate.algorithms.dann import domain_classifier
from acclimate.core.types import NetworkOutput, Views
from acclimate.layers.frozen import FrozenCopy, call_frozen
from acclimate.losses.domain_classification import domain_accuracy, domain_classification
from acclimate.models.network import Network
from acclimate.objectives import supervised


@algorithms.register("adda")
class Adda(Algorithm):
    """A target encoder whose features pass for those of a frozen source encoder (inverted labels).

    Tzeng et al., "Adversarial discriminative domain adaptation", CVPR 2017, section 4, in one
    run: until ``start`` the network learns the source; from then on a frozen copy of it encodes
    the source, and the network becomes the target encoder. Deviations: (1) the source stays
    classified in the second part, by the network as it is then, so that the label predictor
    keeps fitting the encoder that moves under it and one network serves both domains;
    ``classification=0`` with ``weight=1`` is the paper's; (2) both players move in the same step; (3) see
    ``FrozenCopy`` for what the copy does not do; (4) see ``domain_classification`` for batches of
    unequal size.
    """

    objectives: ClassVar[tuple[str, ...]] = ANY_LABELS
    weighs_source: ClassVar[bool] = True

    weight: float = Field(0.3, ge=0, description="of the target encoder's adversarial loss")
    start: float = Field(0.3, ge=0, le=1, description="share of training that learns the source")
    classification: float = Field(
        1.0, ge=0, description="weight of classifying the source from then on; 0 = the paper's"
    )
    hidden: tuple[int, ...] | None = Field(
        None, description="widths of the domain classifier; null = as the network's paper"
    )
    attach: str | None = Field(None, description="layer it looks at; null = the last hidden layer")

    def modules(self, network: Network) -> Mapping[str, nn.Module]:
        width = network.width_of(self.attach or network.feature_layer)
        hidden = network.domain_hidden if self.hidden is None else self.hidden
        return {
            "domain_classifier": domain_classifier(width, hidden),
            "source_encoder": FrozenCopy(network),
        }

    def losses(self, views: Views, modules: nn.ModuleDict, phase: str) -> Terms:
        assert views.target is not None
        losses, watched = supervised(views)
        encoder, classifier = modules["source_encoder"], modules["domain_classifier"]
        assert isinstance(encoder, FrozenCopy)
        adapting = views.progress >= self.start
        # in the very first step too: with start=0 the network is learnt already, --start-from
        if encoder.training and (not adapting or views.progress == 0):
            encoder.take(views.network)
        source = self._attached(encoder(views.batch.source))
        target = self._attached(views.target)
        outputs = classifier(source), classifier(target.detach())
        # the target under the source's label: -log(1 - q), q the probability of "target"
        deceived = F.softplus(call_frozen(classifier, target).float()).mean()
        # multiplied and not left out: every parameter takes part in every step, as DDP demands
        kept, on = (self.classification, 1.0) if adapting else (1.0, 0.0)
        return Terms(
            {
                **{name: kept * loss for name, loss in losses.items()},
                "domain": on * domain_classification(*outputs),
                "adversarial": on * self.weight * deceived,
            },
            {
                **watched,
                "domain_accuracy": domain_accuracy(*outputs),
            },
        )

    def _attached(self, output: NetworkOutput) -> Tensor:
        # without a name the last layer, as ``modules`` takes it
        return output.layers[self.attach or next(reversed(output.layers))]
