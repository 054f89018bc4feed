"""A small network for small pictures: what the default recipe trains."""

from __future__ import annotations

from pydantic import Field, field_validator
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


@networks.register("compact-cnn")
class CompactCnn(NetworkOptions):
    """conv 5×5·32, conv 3×3·64, conv 3×3·128 with BatchNorm, FC 128; domain classifier 128. For 16 to 64 px.

    Ours. Pooling stands before normalisation and ReLU, so that both see a quarter of the pixels;
    the first two convolutions pool, the third does not. About 10 MFLOP a picture of 32 pixels.
    """

    normalisation: Normalisation = Field("batch", description="none, batch, or domain (kept apart)")
    widths: tuple[int, int, int] = Field((32, 64, 128), description="of the convolutions")
    hidden: int = Field(128, ge=1, description="width of the hidden layer")
    dropout: float = Field(0.0, ge=0, lt=1, description="before the hidden layer")

    @field_validator("widths")
    @classmethod
    def _positive(cls, widths: tuple[int, int, int]) -> tuple[int, int, int]:
        if min(widths) < 1:
            raise ValueError("each width must be 1 or more")
        return widths

    def make(self, spec: Spec) -> Network:
        channels = require_image("compact-cnn", spec)
        first, second, third = self.widths
        backbone = nn.Sequential(
            *self._block(channels, first, 5, pool=True),
            *self._block(first, second, 3, pool=True),
            *self._block(second, third, 3, pool=False),
            nn.Flatten(),
        )
        width = flattened_width("compact-cnn", backbone, spec)
        hidden: list[nn.Module] = [nn.Dropout(self.dropout)] if self.dropout else []
        normalised = self.normalisation != "none"
        hidden.append(nn.Linear(width, self.hidden, bias=not normalised))
        hidden += normalisation_layer(self.normalisation, self.hidden, vectors=True)
        hidden.append(nn.ReLU())
        return Network(
            backbone, width, [nn.Sequential(*hidden)], spec, (self.hidden,), (self.hidden,)
        )

    def _block(self, incoming: int, outgoing: int, kernel: int, *, pool: bool) -> list[nn.Module]:
        # a normalisation's own shift makes the convolution's superfluous
        bias = self.normalisation == "none"
        convolution = nn.Conv2d(incoming, outgoing, kernel, padding=kernel // 2, bias=bias)
        pooling: list[nn.Module] = [nn.MaxPool2d(2)] if pool else []
        return [
            convolution,
            *pooling,
            *normalisation_layer(self.normalisation, outgoing),
            nn.ReLU(inplace=True),
        ]
