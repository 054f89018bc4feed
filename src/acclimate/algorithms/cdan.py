"""Conditional adversarial domain adaptation."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from acclimate.algorithms.base import algorithms
from acclimate.algorithms.dann import Dann, domain_classifier
from acclimate.core.schedules import domain_ramp
from acclimate.core.types import NetworkOutput, Views
from acclimate.layers.gradient_reversal import reverse_gradient
from acclimate.layers.multilinear import MultilinearMap
from acclimate.layers.processes import mean_over_processes
from acclimate.losses.certainty_weighted import certainty_weights, weighted_domain_classification
from acclimate.losses.domain_classification import domain_accuracy
from acclimate.models.network import Network


@algorithms.register("cdan")
class Cdan(Dann):
    """Features that, together with the predicted class, hide the domain (conditional adversary).

    Long et al., "Conditional adversarial domain adaptation", NeurIPS 2018: the domain classifier
    sees the outer product of features and softmax predictions (section 3; randomised where
    it is wide) behind gradient reversal; with ``entropy``, items with certain predictions count
    more (CDAN+E). Deviations: (1) predictions and weights take no
    gradient, as in the authors' code; (2) weights are normalised to mean 1 in each domain, as
    there; (3) the domain classifier's widths are those of the network's own paper.
    """

    attach: str | None = Field(None, description="layer it looks at; null = the last hidden layer")
    entropy: bool = Field(True, description="certain predictions count more (CDAN+E)")
    widest: PositiveInt = Field(
        4096, description="widest outer product that is taken as it is; a wider one is randomised"
    )
    random_width: PositiveInt = Field(1024, description="width of the randomised product")

    def modules(self, network: Network) -> Mapping[str, nn.Module]:
        width = network.width_of(self.attach or network.feature_layer)
        hidden = network.domain_hidden if self.hidden is None else self.hidden
        product = MultilinearMap(width, network.spec.class_count, self.widest, self.random_width)
        return {"product": product, "domain_classifier": domain_classifier(product.width, hidden)}

    def domain_terms(
        self, views: Views, modules: nn.ModuleDict
    ) -> tuple[Tensor, dict[str, Tensor | float]]:
        assert views.target is not None
        reversal = self.weight * domain_ramp(views.progress, self.gamma)
        source, target = (
            self._domain_logits(view, modules, reversal) for view in (views.source, views.target)
        )
        loss = weighted_domain_classification(
            source, self._weights(views.source), target, self._weights(views.target)
        )
        accuracy = domain_accuracy(source, target)
        return loss, {"domain_accuracy": accuracy, "reversal_weight": reversal}

    def _domain_logits(
        self, view: NetworkOutput, modules: nn.ModuleDict, reversal: float
    ) -> Tensor:
        # without a name the last layer, as ``modules`` takes it
        features = view.layers[self.attach or next(reversed(view.layers))]
        predictions = view.logits.detach().float().softmax(1).to(features.dtype)
        product = modules["product"](reverse_gradient(features, reversal), predictions)
        logits: Tensor = modules["domain_classifier"](product)
        return logits

    def _weights(self, view: NetworkOutput) -> Tensor:
        """(N,) weights of the items, of mean 1 over all processes."""
        if not self.entropy:
            return torch.ones(len(view.logits), device=view.logits.device)
        weights = certainty_weights(view.logits)
        return weights / mean_over_processes(weights.mean())
