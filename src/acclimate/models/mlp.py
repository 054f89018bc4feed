"""A multi-layer perceptron for vectors, or for pictures taken as vectors."""

from __future__ import annotations

from math import prod

from pydantic import Field, field_validator
from torch import nn

from acclimate.core.types import Spec
from acclimate.models.network import (
    Network,
    NetworkOptions,
    Normalisation,
    networks,
    normalisation_layer,
)


@networks.register("mlp")
class Mlp(NetworkOptions):
    """Fully connected ReLU layers, 100 units as in the paper's shallow networks; domain classifier 100."""

    widths: tuple[int, ...] = Field((100,), description="of the feature layers, at least one")
    normalisation: Normalisation = Field("none", description="none, batch, or domain (kept apart)")
    dropout: float = Field(0.0, ge=0, lt=1, description="after each layer")

    @field_validator("widths")
    @classmethod
    def _positive(cls, widths: tuple[int, ...]) -> tuple[int, ...]:
        if not widths or min(widths) < 1:
            raise ValueError("needs at least one width, each 1 or more")
        return widths

    def make(self, spec: Spec) -> Network:
        layers: list[nn.Module] = [nn.Flatten()]
        incoming = prod(spec.input_shape)
        for width in self.widths:
            layers.append(nn.Linear(incoming, width))
            layers += normalisation_layer(self.normalisation, width, vectors=True)
            layers.append(nn.ReLU(inplace=True))
            if self.dropout:
                layers.append(nn.Dropout(self.dropout))
            incoming = width
        return Network(nn.Sequential(*layers), incoming, [], spec, (), (100,))
