"""Domain-adversarial training with several sources, each a domain of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from acclimate.algorithms.base import ANY_LABELS, algorithms
from acclimate.algorithms.dann import Dann, attach_layer_of
from acclimate.core.schedules import domain_ramp
from acclimate.core.types import NetworkOutput, Views
from acclimate.layers.gradient_reversal import reverse_gradient
from acclimate.layers.perceptron import perceptron
from acclimate.losses.several_domains import domain_accuracies, domain_cross_entropy
from acclimate.models.network import Network


def places_of(views: Views) -> Tensor:
    """(S + T,) int64: the number of each item's source, and the number of sources for the target."""
    assert views.target is not None
    source = views.batch.source_places
    if source is None:
        source = torch.zeros_like(views.source_labels)
    target = source.new_full((len(views.target.logits),), views.network.spec.source_count)
    return torch.cat([source, target])


def jointly(views: Views, layer: str | None, last: bool = False) -> Tensor:
    """(S + T, width) of ``layer`` for both domains; without a name the first one, or the ``last``."""
    assert views.target is not None

    def of(view: NetworkOutput) -> Tensor:
        return view.layers[layer or list(view.layers)[-1 if last else 0]]

    return torch.cat([of(views.source), of(views.target)])


@algorithms.register("multi-source-dann")
class MultiSourceDann(Dann):
    """DANN in which each of several sources, and the target, is a domain of its own.

    Gradient reversal of Ganin et al., JMLR 2016, with a classifier of K + 1 domains; as in Zhao et
    al., "Adversarial multiple source domain adaptation", 2018, but with one classifier of all
    domains in the place of K that each know one source and the target. With one source it is
    ``dann`` with two logits.
    """

    compares_items: ClassVar[bool] = True
    objectives: ClassVar[tuple[str, ...]] = ANY_LABELS

    def modules(self, network: Network) -> Mapping[str, nn.Module]:
        width = network.width_of(self.attach or network.attach_layer)
        hidden = network.domain_hidden if self.hidden is None else self.hidden
        return {"domain_classifier": perceptron(width, hidden, network.spec.source_count + 1)}

    def domain_terms(
        self, views: Views, modules: nn.ModuleDict
    ) -> tuple[Tensor, dict[str, Tensor | float]]:
        reversal = self.weight * domain_ramp(views.progress, self.gamma)
        features = reverse_gradient(jointly(views, self.attach or attach_layer_of(views)), reversal)
        domains, places = modules["domain_classifier"](features), places_of(views)
        return domain_cross_entropy(domains, places), {
            "domain_accuracy": domain_accuracies(domains, places),
            "reversal_weight": reversal,
        }
