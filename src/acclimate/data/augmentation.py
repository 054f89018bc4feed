"""Augmentation of whole batches on the device: every item gets its own draw.

One affine resampling and one affine change of colour for each item, computed for the batch at
once. Settings are ranges; 0 switches a part off and costs nothing.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from acclimate.core.configuration import Options
from acclimate.core.errors import ConfigurationError, near_miss


class Augmentation(Options):
    """Ranges of random change; all draws are uniform and independent per item."""

    rotation: float = Field(0.0, ge=0, le=180, description="degrees, to either side")
    scale: float = Field(0.0, ge=0, lt=1, description="relative, 0.1 = 90 % to 111 %")
    shear: float = Field(0.0, ge=0, lt=1, description="as a slope")
    shift: float = Field(0.0, ge=0, le=1, description="share of the side, to either side")
    flip: float = Field(0.0, ge=0, le=1, description="probability of mirroring left and right")
    brightness: float = Field(0.0, ge=0, le=1, description="added to every channel alike")
    contrast: float = Field(0.0, ge=0, lt=1, description="relative")
    colour: float = Field(0.0, ge=0, le=1, description="added to each channel separately")
    invert: float = Field(0.0, ge=0, le=1, description="probability of the negative")
    noise: float = Field(0.0, ge=0, le=1, description="deviation of Gaussian noise per pixel")
    cutout: float = Field(0.0, ge=0, lt=1, description="largest side of a grey square, as a share")

    @property
    def changes_anything(self) -> bool:
        return any(self.model_dump().values())

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """(N, C, H, W) float in [0, 1] → the same, changed; vectors (N, D) pass unchanged."""
        if images.ndim != 4:
            return images
        images = self._move(images, generator)
        images = self._recolour(images, generator)
        return self._cut_out(images, generator)

    def _move(self, images: Tensor, generator: torch.Generator) -> Tensor:
        if not (self.rotation or self.scale or self.shear or self.shift or self.flip):
            return images
        count, _, height, width = images.shape
        draws = _uniform((6, count), images, generator)
        angle = draws[0] * math.radians(self.rotation)
        zoom = (draws[1] * math.log1p(self.scale)).exp()
        mirror = torch.where((draws[5] + 1) / 2 < self.flip, -1.0, 1.0)
        cosine, sine = angle.cos() / zoom, angle.sin() / zoom
        slope = draws[2] * self.shear
        # rows of the map from output to input coordinates; the aspect keeps a rotation rigid
        aspect = height / width
        top = torch.stack(
            [cosine * mirror, (slope * cosine - sine) * aspect, 2 * self.shift * draws[3]], 1
        )
        bottom = torch.stack(
            [sine * mirror / aspect, slope * sine + cosine, 2 * self.shift * draws[4]], 1
        )
        grid = F.affine_grid(torch.stack([top, bottom], 1), list(images.shape), align_corners=False)
        return F.grid_sample(images, grid, padding_mode="border", align_corners=False)

    def _recolour(self, images: Tensor, generator: torch.Generator) -> Tensor:
        count, channels = images.shape[:2]
        if self.brightness or self.contrast or self.colour or self.invert:
            draws = _uniform((count, 3 + channels), images, generator)
            gain = (draws[:, :1] * math.log1p(self.contrast)).exp()
            offset = draws[:, 1:2] * self.brightness + draws[:, 3:] * self.colour
            negative = (draws[:, 2:3] + 1) / 2 < self.invert
            # out = gain·(x − ½) + ½ + offset, and 1 − out for a negative: one multiply-add
            offset = offset + 0.5 - 0.5 * gain
            gain = torch.where(negative, -gain, gain).expand(-1, channels)
            offset = torch.where(negative, 1 - offset, offset)
            images = torch.addcmul(offset[:, :, None, None], images, gain[:, :, None, None])
            images = images.clamp_(0, 1)
        if self.noise:
            images = images + self.noise * _normal(images, generator)
        return images

    def _cut_out(self, images: Tensor, generator: torch.Generator) -> Tensor:
        if not self.cutout:
            return images
        count, _, height, width = images.shape
        draws = (_uniform((3, count, 1), images, generator) + 1) / 2
        half = draws[0] * self.cutout / 2
        rows = (torch.arange(height, device=images.device) + 0.5) / height
        columns = (torch.arange(width, device=images.device) + 0.5) / width
        inside_rows = (rows - draws[1]).abs() < half
        inside_columns = (columns - draws[2]).abs() < half
        hidden = inside_rows[:, None, :, None] & inside_columns[:, None, None, :]
        return images.masked_fill(hidden, 0.5)


def _uniform(shape: tuple[int, ...], like: Tensor, generator: torch.Generator) -> Tensor:
    """Uniform draws in [-1, 1)."""
    return torch.rand(shape, generator=generator, device=like.device) * 2 - 1


def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
    noise = torch.randn(like.shape, generator=generator, device=like.device)
    return noise.to(memory_format=torch.channels_last)


# what a teacher looks at: nearly the picture itself
_WEAK = Augmentation(rotation=5, scale=0.05, shift=0.04)
_STRONG: dict[str, float] = {
    "rotation": 20,
    "scale": 0.2,
    "shear": 0.15,
    "shift": 0.12,
    "contrast": 0.4,
    "brightness": 0.2,
    "colour": 0.1,
    "cutout": 0.3,
}

PRESETS: dict[str, tuple[Augmentation, Augmentation]] = {
    # name: (everything that is trained on, what a teacher looks at)
    "none": (Augmentation(), Augmentation()),
    "light": (Augmentation(rotation=10, scale=0.1, shift=0.08), Augmentation()),
    "strong": (Augmentation(**_STRONG), _WEAK),
    "digits": (Augmentation(**_STRONG, invert=0.5), _WEAK),
    "photos": (
        Augmentation(
            rotation=15,
            scale=0.25,
            shear=0.1,
            shift=0.15,
            flip=0.5,
            contrast=0.4,
            brightness=0.2,
            colour=0.15,
            cutout=0.4,
        ),
        Augmentation(scale=0.05, shift=0.04, flip=0.5),
    ),
}


def augmentation_pair(name: str) -> tuple[Augmentation, Augmentation]:
    """The augmentation of training and the teacher's weak one; ``ConfigurationError`` for an unknown name."""
    if name not in PRESETS:
        raise ConfigurationError(f"unknown augmentation {name!r}.{near_miss(name, PRESETS)}")
    return PRESETS[name]
