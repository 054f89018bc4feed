"""Wasserstein distance guided representation learning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from acclimate.algorithms.base import ANY_LABELS, Algorithm, Phase, Terms, algorithms
from acclimate.core.schedules import domain_ramp
from acclimate.core.types import Views
from acclimate.layers.perceptron import perceptron
from acclimate.losses.gradient_penalty import between, gradient_penalty
from acclimate.models.network import Network
from acclimate.objectives import supervised

CRITIC = Phase("critic", ("critic",))
NETWORK = Phase("network", ("network",))


@algorithms.register("wdgrl")
class Wdgrl(Algorithm):
    """Features whose Wasserstein distance, as a critic of slope 1 estimates it, is small.

    Shen et al., "Wasserstein distance guided representation learning for domain adaptation", 2018,
    algorithm 1: ``critic_steps`` steps of the critic, then one of the network. The penalty looks at
    source items, target items and points on the lines between them. Deviations:
    docs/algorithms/wdgrl.md.
    """

    compares_items: ClassVar[bool] = True
    objectives: ClassVar[tuple[str, ...]] = ANY_LABELS
    draws: ClassVar[bool] = True

    weight: float = Field(0.1, ge=0, description="largest weight of the Wasserstein distance, λ")
    gamma: float = Field(10.0, gt=0, description="steepness of the ramp of the weight")
    penalty: float = Field(10.0, ge=0, description="weight of the gradient penalty")
    critic_steps: PositiveInt = Field(5, description="steps of the critic for one of the network")
    critic: tuple[PositiveInt, ...] = Field(
        (100,), description="widths of the critic's hidden layers"
    )
    layer: str | None = Field(
        None, description="layer that the critic sees; null = the last hidden layer"
    )

    @property
    def phases(self) -> tuple[Phase, ...]:
        return (*(CRITIC,) * self.critic_steps, NETWORK)

    def modules(self, network: Network) -> Mapping[str, nn.Module]:
        critic = perceptron(network.width_of(self.layer or network.feature_layer), self.critic)
        # a constant is no part of the difference that the critic is for
        critic[-1].register_parameter("bias", None)
        return {"critic": critic}

    def losses(self, views: Views, modules: nn.ModuleDict, phase: str) -> Terms:
        assert views.target is not None
        # without a name the last layer, as ``modules`` takes it
        name = self.layer or next(reversed(views.source.layers))
        source, target = views.source.layers[name], views.target.layers[name]
        if phase == CRITIC.name:
            return self._critic_terms(source.detach(), target.detach(), modules["critic"])
        losses, watched = supervised(views)
        distance = _mean(modules["critic"](source)) - _mean(modules["critic"](target))
        weight = self.weight * domain_ramp(views.progress, self.gamma)
        return Terms(
            {
                **losses,
                "wasserstein": weight * distance,
            },
            {
                **watched,
                "wasserstein_distance": distance.detach(),
                "wasserstein_weight": weight,
            },
        )

    def _critic_terms(self, source: Tensor, target: Tensor, critic: nn.Module) -> Terms:
        parts = source, target, between(source, target)
        points = torch.cat(parts).requires_grad_()
        values = critic(points)
        of_source, of_target, _ = values.split([len(part) for part in parts])
        distance = _mean(of_source) - _mean(of_target)
        return Terms(
            {"critic": -distance, "penalty": self.penalty * gradient_penalty(values, points)}, {}
        )


def _mean(values: Tensor) -> Tensor:
    # half precision cannot tell two means of critic values that are alike
    return values.float().mean()
