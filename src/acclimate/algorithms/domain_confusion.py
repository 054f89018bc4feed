"""Domain confusion: the network aims at a domain classifier that cannot decide."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field
from torch import nn

from acclimate.algorithms.base import ANY_LABELS, Algorithm, Terms, algorithms
from acclimate.algorithms.dann import domain_classifier
from acclimate.core.schedules import domain_ramp
from acclimate.core.types import Views
from acclimate.layers.frozen import call_frozen
from acclimate.losses.domain_classification import domain_accuracy, domain_classification
from acclimate.losses.domain_confusion import domain_confusion
from acclimate.models.network import Network
from acclimate.objectives import supervised


@algorithms.register("domain-confusion")
class DomainConfusion(Algorithm):
    """Features on which a domain classifier finds both domains equally likely (uniform target).

    Tzeng et al., "Simultaneous deep transfer across domains and tasks", ICCV 2015,
    section 3.1. Deviations: (1) both losses are descended in one step, the confusion through the
    domain classifier as it is and the domain classifier on features as they are, where the paper
    alternates; (2) the weight rises as the λ of DANN; (3) no soft labels (section 3.2), which
    need labelled target items; (4) see ``domain_classification`` for batches of unequal size.
    """

    objectives: ClassVar[tuple[str, ...]] = ANY_LABELS

    weight: float = Field(0.3, ge=0, description="largest weight of the confusion loss")
    gamma: float = Field(10.0, gt=0, description="steepness of the ramp of the weight")
    hidden: tuple[int, ...] | None = Field(
        None, description="widths of the domain classifier; null = as the network's paper"
    )
    attach: str | None = Field(None, description="layer it looks at; null = the last hidden layer")

    def modules(self, network: Network) -> Mapping[str, nn.Module]:
        width = network.width_of(self.attach or network.feature_layer)
        hidden = network.domain_hidden if self.hidden is None else self.hidden
        return {"domain_classifier": domain_classifier(width, hidden)}

    def losses(self, views: Views, modules: nn.ModuleDict, phase: str) -> Terms:
        assert views.target is not None
        losses, watched = supervised(views)
        classifier = modules["domain_classifier"]
        # without a name the last layer, as ``modules`` takes it
        name = self.attach or next(reversed(views.source.layers))
        features = [view.layers[name] for view in (views.source, views.target)]
        told = [classifier(each.detach()) for each in features]
        confused = [call_frozen(classifier, each) for each in features]
        weight = self.weight * domain_ramp(views.progress, self.gamma)
        return Terms(
            {
                **losses,
                "domain": domain_classification(*told),
                "confusion": weight * domain_confusion(*confused),
            },
            {
                **watched,
                "domain_accuracy": domain_accuracy(*told),
                "confusion_weight": weight,
            },
        )
