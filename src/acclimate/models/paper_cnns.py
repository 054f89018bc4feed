"""The three CNNs of Ganin et al., JMLR 17(59), 2016, figure 4, with their widths.

Deviations: (1) pooling stands before the ReLU, which gives the same result from a quarter of the
elements; (2) the domain classifier ends in one logistic unit, as figure 4 and the authors' code
have it, not in two; (3) padding is stated nowhere: ``mnist-cnn`` and ``gtsrb-cnn`` use none, and
``svhn-cnn`` pads by 2 (pools by 1) because its third convolution fits 32 pixels in no other way;
(4) normalisation is an option, ``none`` as published; (5) how weights start is stated nowhere:
``svhn-cnn`` and ``gtsrb-cnn`` start as He et al. (2015) derive for ReLU, since with torch's own,
smaller draw ``svhn-cnn`` stays at chance for its first 600 steps.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import nn

from acclimate.core.types import Spec
from acclimate.models.network import (
    Network,
    NetworkOptions,
    Normalisation,
    flattened_width,
    networks,
    normalisation_layer,
    require_image,
)


def _block(
    kind: Normalisation,
    incoming: int,
    outgoing: int,
    kernel: int,
    padding: int = 0,
    pool: nn.Module | None = None,
) -> list[nn.Module]:
    """Convolution, pooling, normalisation of what is left of it, ReLU."""
    convolution = nn.Conv2d(incoming, outgoing, kernel, padding=padding)
    pooling = [pool] if pool else []
    return [
        convolution,
        *pooling,
        *normalisation_layer(kind, outgoing),
        nn.ReLU(inplace=True),
    ]


def _hidden(widths: tuple[int, ...], width: int, dropout: float) -> list[nn.Module]:
    """Fully connected layers with ReLU, dropout before each where asked."""
    layers: list[nn.Module] = []
    for wide in widths:
        parts: list[nn.Module] = [nn.Linear(width, wide), nn.ReLU()]
        layers.append(
            nn.Sequential(nn.Dropout(dropout), *parts) if dropout else nn.Sequential(*parts)
        )
        width = wide
    return layers


@networks.register("mnist-cnn")
class MnistCnn(NetworkOptions):
    """LeNet-5-like: conv 5×5·32, conv 5×5·48, FC 100, FC 100; domain classifier 100."""

    normalisation: Normalisation = Field("none", description="none, batch, or domain (kept apart)")
    padding: int = Field(0, ge=0, le=2, description="of both convolutions, in pixels")
    dropout: float = Field(0.0, ge=0, lt=1, description="before each hidden layer")

    def make(self, spec: Spec) -> Network:
        channels = require_image("mnist-cnn", spec)
        backbone = nn.Sequential(
            *_block(self.normalisation, channels, 32, 5, self.padding, nn.MaxPool2d(2)),
            *_block(self.normalisation, 32, 48, 5, self.padding, nn.MaxPool2d(2)),
            nn.Flatten(),
        )
        width = flattened_width("mnist-cnn", backbone, spec)
        widths = (100, 100)
        return Network(backbone, width, _hidden(widths, width, self.dropout), spec, widths, (100,))


def _he_initialised(network: Network) -> Network:
    """``network`` with weights of variance 2 / incoming and biases of 0."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            assert module.bias is not None
            nn.init.zeros_(module.bias)
    return network


class _MaxNormNetwork(Network):
    """Keeps the norm of every unit's incoming weights at most ``max_norm``."""

    max_norm: float = 4.0

    @torch.no_grad()
    def constrain(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.weight.renorm_(2, 0, self.max_norm)  # in place: there are 40 million weights


@networks.register("svhn-cnn")
class SvhnCnn(NetworkOptions):
    """conv 5×5·64, conv 5×5·64, conv 5×5·128, FC 3072, FC 2048; domain classifier 1024, 1024."""

    normalisation: Normalisation = Field("none", description="none, batch, or domain (kept apart)")
    dropout: float = Field(0.5, ge=0, lt=1, description="before each hidden layer")
    max_norm: float | None = Field(4.0, gt=0, description="bound of a unit's weights, or null")

    def make(self, spec: Spec) -> Network:
        channels = require_image("svhn-cnn", spec)
        backbone = nn.Sequential(
            *_block(self.normalisation, channels, 64, 5, 2, nn.MaxPool2d(3, 2, 1)),
            *_block(self.normalisation, 64, 64, 5, 2, nn.MaxPool2d(3, 2, 1)),
            *_block(self.normalisation, 64, 128, 5, 2),
            nn.Flatten(),
        )
        width = flattened_width("svhn-cnn", backbone, spec)
        widths = (3072, 2048)
        kind = Network if self.max_norm is None else _MaxNormNetwork
        hidden = _hidden(widths, width, self.dropout)
        network = kind(backbone, width, hidden, spec, widths, (1024, 1024))
        if isinstance(network, _MaxNormNetwork) and self.max_norm is not None:
            network.max_norm = self.max_norm
        return _he_initialised(network)


@networks.register("gtsrb-cnn")
class GtsrbCnn(NetworkOptions):
    """conv 5×5·96, conv 3×3·144, conv 5×5·256, FC 512; domain classifier 1024, 1024. For 40 pixels or more."""

    normalisation: Normalisation = Field("none", description="none, batch, or domain (kept apart)")
    dropout: float = Field(0.0, ge=0, lt=1, description="before the hidden layer")

    def make(self, spec: Spec) -> Network:
        channels = require_image("gtsrb-cnn", spec)
        backbone = nn.Sequential(
            *_block(self.normalisation, channels, 96, 5, 0, nn.MaxPool2d(2)),
            *_block(self.normalisation, 96, 144, 3, 0, nn.MaxPool2d(2)),
            *_block(self.normalisation, 144, 256, 5, 0, nn.MaxPool2d(2)),
            nn.Flatten(),
        )
        width = flattened_width("gtsrb-cnn", backbone, spec)
        widths = (512,)
        hidden = _hidden(widths, width, self.dropout)
        return _he_initialised(Network(backbone, width, hidden, spec, widths, (1024, 1024)))
