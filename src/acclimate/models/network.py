"""What every network offers: named layers to attach to, and logits."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import torch
from torch import Tensor, nn

from acclimate.core.configuration import Options
from acclimate.core.errors import ConfigurationError
from acclimate.core.registry import Registry
from acclimate.core.types import NetworkOutput, Spec
from acclimate.layers.batch_norm import BatchNormOfVectors
from acclimate.layers.domain_norm import DomainBatchNorm

Normalisation = Literal["none", "batch", "domain"]


class NoLogits(nn.Module):
    """The head of a network that classifies nothing: (N, width) → (N, 0)."""

    def forward(self, features: Tensor) -> Tensor:
        return features[:, :0]


class Network(nn.Module):
    """A feature extractor followed by a label predictor.

    ``backbone`` maps inputs to (N, width) features, layer ``"backbone"``. ``hidden`` are the label
    predictor's hidden layers, ``"hidden1"``, ``"hidden2"`` …; ``head`` gives the logits.
    ``feature_layer`` is the last hidden layer: what reports embed and other classifiers build on,
    and the descriptor where there are no classes.
    """

    def __init__(
        self,
        backbone: nn.Module,
        width: int,
        hidden: list[nn.Module],
        spec: Spec,
        hidden_widths: tuple[int, ...],
        domain_hidden: tuple[int, ...],
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.hidden = nn.ModuleList(hidden)
        last = hidden_widths[-1] if hidden_widths else width
        self.head = nn.Linear(last, spec.class_count) if spec.class_count else NoLogits()
        self.spec = spec
        self.layer_widths: Mapping[str, int] = {
            "backbone": width,
            **{f"hidden{i}": wide for i, wide in enumerate(hidden_widths, 1)},
        }
        self.attach_layer = "backbone"
        self.feature_layer = list(self.layer_widths)[-1]
        self.domain_hidden = domain_hidden

    def forward(self, inputs: Tensor) -> NetworkOutput:
        """(N, *input_shape) float → named layers (N, width) and logits (N, classes)."""
        features = self.backbone(inputs)
        layers = {"backbone": features}
        for number, layer in enumerate(self.hidden, 1):
            features = layer(features)
            layers[f"hidden{number}"] = features
        return NetworkOutput(layers, self.head(features))

    def width_of(self, layer: str) -> int:
        if layer not in self.layer_widths:
            known = ", ".join(self.layer_widths)
            raise ConfigurationError(
                f"the network has no layer {layer!r} to attach to; it has {known}"
            )
        return self.layer_widths[layer]

    def rate_share_of(self, parameter: str) -> float:
        """Share of the learning rate at which the parameter of that name learns; 1 = all of it."""
        return 1.0

    @property
    def wants_statistics(self) -> bool:
        """Whether ``re_estimate_batch_norm`` has to show it pictures before it is trained."""
        return False

    @torch.no_grad()
    def constrain(self) -> None:
        """Project the weights after an optimiser step; nothing unless a network says otherwise."""


@dataclass(frozen=True)
class InputFacts:
    """What pretrained weights expect: pictures of side ``size``, in pixels, with each channel's
    values, in [0, 1], less ``mean`` and then divided by ``deviation``."""

    size: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]


class NetworkOptions(Options):
    """Options of one architecture; ``make`` gives the network."""

    description: ClassVar[str] = ""
    #: the options with which BatchNorm keeps the statistics of source and target apart
    keeping_domains_apart: ClassVar[Mapping[str, object]] = {"normalisation": "domain"}

    @abstractmethod
    def make(self, spec: Spec) -> Network:
        """A network with fresh weights from torch's global generator, or with pretrained ones."""

    def input_facts(self) -> InputFacts | None:
        """What its weights expect of pictures; ``None`` where they are fresh."""
        return None

    def bare(self) -> Self:
        """The options of the same architecture without pretrained weights, whose ``make`` reads nothing."""
        return self


networks: Registry[type[NetworkOptions]] = Registry("network")


def build_network(
    name: str, options: Mapping[str, object], spec: Spec, *, bare: bool = False
) -> Network:
    """The network called ``name`` for ``spec``, channels-last where it is convolutional.

    With ``bare`` no pretrained weights are read, for a caller who has the weights. Raises
    ``UnknownNameError`` for an unknown name and ``ConfigurationError`` for wrong options.
    """
    configuration = networks.get(name).build(f"network {name}", options)
    if bare:
        configuration = configuration.bare()
    return configuration.make(spec).to(memory_format=torch.channels_last)


def normalisation_layer(
    kind: Normalisation, channels: int, *, vectors: bool = False
) -> list[nn.Module]:
    """The normalisation that stands before a non-linearity, of pictures or of ``vectors``."""
    if kind == "batch":
        return [BatchNormOfVectors(channels) if vectors else nn.BatchNorm2d(channels)]
    if kind == "domain":
        return [DomainBatchNorm(channels, vectors=vectors)]
    return []


def require_image(name: str, spec: Spec) -> int:
    """The number of channels; raises ``ConfigurationError`` for vectors."""
    if len(spec.input_shape) != 3:
        raise ConfigurationError(
            f"network {name} needs images, but the inputs are vectors of {spec.input_shape[0]} "
            "features: choose --network mlp"
        )
    return spec.input_shape[0]


@torch.no_grad()
def flattened_width(name: str, backbone: nn.Module, spec: Spec) -> int:
    """Width of the backbone's output, by trying it; a picture too small is a ``ConfigurationError``."""
    backbone.eval()
    try:
        width = int(backbone(torch.zeros(1, *spec.input_shape)).shape[1])
    except RuntimeError as error:
        height, wide = spec.input_shape[1:]
        raise ConfigurationError(
            f"network {name} cannot look at pictures of {height}×{wide}: give a larger --size"
        ) from error
    backbone.train()
    if width == 0:
        raise ConfigurationError(f"network {name}: pictures are too small; give a larger --size")
    return width
