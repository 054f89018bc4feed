"""The network for pictures of persons of Ganin et al., JMLR 17(59), 2016, 5.3.2.

It is that of Yi et al., "Deep metric learning for practical person re-identification", 2014. One
network describes every picture, whichever camera it is from ("siamese"); descriptors are compared
by cosine similarity. Of a picture of 128×48 the strips are the rows 0–47, 40–87 and 80–127.

Deviations: (1) pooling stands before the ReLU, which gives the same result from a quarter of the
elements; (2) how pictures of other shapes are cut is ours, see ``strips_of``; (3) normalisation is
an option, ``none`` as published; (4) how weights start is stated nowhere: as torch's own.

The first convolution looks at each strip by itself, zeros around it, although strips overlap:
applied once to the whole picture it would see the rows beyond a strip's border, and save nothing
that can be measured, since of 144 rows only 16 are seen twice.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn

from acclimate.core.errors import ConfigurationError
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

#: in pixels: what two convolutions and two poolings leave 4 of
_SMALLEST = 16


def strips_of(height: int, width: int) -> tuple[tuple[int, int], ...]:
    """First and last row, the last not included, of the upper, middle and lower strip of a picture.

    Strips are as high as the picture is wide, but at least a third of its height, so that they
    cover it, and at most half, so that they differ.

    >>> strips_of(128, 48)
    ((0, 48), (40, 88), (80, 128))
    >>> strips_of(64, 64)
    ((0, 32), (16, 48), (32, 64))
    """
    high = max(-(-height // 3), min(width, height // 2))
    starts = (0, (height - high) // 2, height - high)
    return tuple((start, start + high) for start in starts)


class _Strips(nn.Module):
    """(N, C, H, W) → (N, width): two stages on each strip, of which ``first`` is shared."""

    def __init__(
        self,
        strips: tuple[tuple[int, int], ...],
        first: nn.Module,
        normalisation: list[nn.Module],
        second: list[nn.Module],
    ) -> None:
        super().__init__()
        self.strips = strips
        self.first = first
        self.normalisation = nn.ModuleList(normalisation)
        self.second = nn.ModuleList(second)

    def forward(self, images: Tensor) -> Tensor:
        seen = [self.first(images[:, :, start:stop]) for start, stop in self.strips]
        for normalise in self.normalisation:
            # of all three at once, one below the other: rows of the batch stay items
            seen = normalise(torch.cat(seen, 2)).chunk(len(seen), 2)
        done = [own(part).flatten(1) for own, part in zip(self.second, seen, strict=True)]
        return torch.cat(done, 1)


@networks.register("strips-cnn")
class StripsCnn(NetworkOptions):
    """Three strips: conv 7×7·64 shared, conv 5×5·64 each, FC 500 (linear); domain classifier 500.

    For retrieval, with the last hidden layer as descriptor. For pictures of 128×48, at least 32×16.
    """

    normalisation: Normalisation = Field("none", description="none, batch, or domain (kept apart)")
    maps: int = Field(64, ge=1, description="of each convolution")
    descriptor: int = Field(500, ge=1, description="width of the descriptor")
    dropout: float = Field(0.5, ge=0, lt=1, description="before the descriptor")

    def make(self, spec: Spec) -> Network:
        channels = require_image("strips-cnn", spec)
        height, wide = spec.input_shape[1:]
        if height // 2 < _SMALLEST or wide < _SMALLEST:
            raise ConfigurationError(
                f"network strips-cnn cannot look at pictures of {height}×{wide}: it needs "
                f"{2 * _SMALLEST}×{_SMALLEST} or more; give a larger --size"
            )
        strips = _Strips(
            strips_of(height, wide),
            self._convolution(channels, 7),
            self._normalisation(),
            [self._own_stage() for _ in range(3)],
        )
        dropping = [nn.Dropout(self.dropout)] if self.dropout else []
        backbone = nn.Sequential(strips, *dropping)
        width = flattened_width("strips-cnn", backbone, spec)
        descriptor = nn.Linear(width, self.descriptor)
        return Network(backbone, width, [descriptor], spec, (self.descriptor,), (500,))

    def _convolution(self, incoming: int, kernel: int) -> nn.Module:
        convolution = nn.Conv2d(incoming, self.maps, kernel, padding=kernel // 2)
        return nn.Sequential(convolution, nn.MaxPool2d(2))

    def _normalisation(self) -> list[nn.Module]:
        return normalisation_layer(self.normalisation, self.maps)

    def _own_stage(self) -> nn.Module:
        return nn.Sequential(
            nn.ReLU(),
            self._convolution(self.maps, 5),
            *self._normalisation(),
            nn.ReLU(inplace=True),
        )
