"""Domain-adversarial training of neural networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field
from torch import Tensor, nn

from acclimate.algorithms.base import ANY_LABELS, Algorithm, Terms, algorithms
from acclimate.core.errors import ConfigurationError
from acclimate.core.schedules import domain_ramp
from acclimate.core.types import Views
from acclimate.layers.gradient_reversal import reverse_gradient
from acclimate.layers.perceptron import perceptron
from acclimate.losses.domain_classification import domain_accuracy, domain_classification
from acclimate.models.network import Network
from acclimate.objectives import supervised


@algorithms.register("dann")
class Dann(Algorithm):
    """Features that classify the source but cannot tell the domains apart (gradient reversal).

    Ganin et al., "Domain-Adversarial Training of Neural Networks", JMLR 17(59), 2016, equations
    9 and 18. The ramp λ and ``weight`` scale the reversed gradient only: the domain classifier
    always trains at full rate (section 5.2.2). Deviation: see ``domain_classification`` for
    batches of unequal size.
    """

    objectives: ClassVar[tuple[str, ...]] = ANY_LABELS

    weight: float = Field(1.0, ge=0, description="largest weight of the reversed gradient")
    gamma: float = Field(10.0, gt=0, description="steepness of the ramp of λ")
    hidden: tuple[int, ...] | None = Field(
        None, description="widths of the domain classifier; null = as the network's paper"
    )
    attach: str | None = Field(None, description="layer it looks at; null = as the network's paper")

    def modules(self, network: Network) -> Mapping[str, nn.Module]:
        width = network.width_of(self.attach or network.attach_layer)
        hidden = network.domain_hidden if self.hidden is None else self.hidden
        return {"domain_classifier": domain_classifier(width, hidden)}

    def losses(self, views: Views, modules: nn.ModuleDict, phase: str) -> Terms:
        losses, watched = supervised(views)
        domain_loss, monitors = self.domain_terms(views, modules)
        return Terms({**losses, "domain": domain_loss}, {**watched, **monitors})

    def domain_terms(
        self, views: Views, modules: nn.ModuleDict
    ) -> tuple[Tensor, dict[str, Tensor | float]]:
        """The domain classifier's loss behind the reversal, and its accuracy."""
        assert views.target is not None
        reversal = self.weight * domain_ramp(views.progress, self.gamma)
        classifier, layer = modules["domain_classifier"], self.attach or attach_layer_of(views)
        outputs = [
            classifier(reverse_gradient(view.layers[layer], reversal))
            for view in (views.source, views.target)
        ]
        accuracy = domain_accuracy(*outputs)
        return domain_classification(*outputs), {
            "domain_accuracy": accuracy,
            "reversal_weight": reversal,
        }


def attach_layer_of(views: Views) -> str:
    """Where the network's paper attaches its domain classifier; without a network the first layer."""
    name: str | None = getattr(views.network, "attach_layer", None)
    return name or next(iter(views.source.layers))


def domain_classifier(width: int, hidden: tuple[int, ...]) -> nn.Sequential:
    """Fully connected ReLU layers of ``hidden`` widths and one logit: is it from the target?"""
    if any(wide < 1 for wide in hidden):
        raise ConfigurationError(f"a domain classifier cannot have widths {hidden}; give 1 or more")
    return perceptron(width, hidden)
