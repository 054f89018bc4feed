"""Augmentation of whole batches on the device: every item gets its own draw.

One affine resampling and one affine change of colour for each item, computed for the batch at
once. Settings are ranges; 0 switches a part off and costs nothing. A crop is part of the
resampling; where nothing else moves, it is taken pixel by pixel.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from pydantic import Field, field_validator
from torch import Tensor

from acclimate.core.configuration import Options
from acclimate.core.errors import ConfigurationError, near_miss
from acclimate.data import rand_augment
from acclimate.data.affine import apply_linear, compose, matrix, resample
from acclimate.data.colour import saturate, turn_hue
from acclimate.data.crops import central_places, check_crop, cut, places

_ASPECT = 4 / 3  # of a window of random area: at most this, at least its inverse


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

    saturation: float = Field(0.0, ge=0, le=1, description="relative, 0.4 = 60 % to 140 %")
    hue: float = Field(0.0, ge=0, le=0.5, description="share of the circle, to either side")
    random_crop: bool = Field(False, description="a crop lies anywhere, not in the centre")
    area: tuple[float, float] | None = Field(
        None, description="share of the picture that is shown, resampled to the crop's side"
    )
    operations: int = Field(0, ge=0, le=10, description="of RandAugment, for each item")
    magnitude: float = Field(0.0, ge=0, le=rand_augment.LARGEST, description="of RandAugment")

    @field_validator("area")
    @classmethod
    def _a_range(cls, area: tuple[float, float] | None) -> tuple[float, float] | None:
        if area is not None and not 0 < area[0] <= area[1] <= 1:
            raise ValueError("should be two numbers above 0 and up to 1, the smaller one first")
        return area

    @property
    def changes_anything(self) -> bool:
        return any(self.model_dump().values())

    @property
    def only_cuts(self) -> bool:
        """Whether pixels are at most cut out and mirrored, so that they may as well be whole numbers."""
        return not any(self.model_dump(exclude={"random_crop", "flip"}).values())

    def __call__(
        self, images: Tensor, generator: torch.Generator, crop: int | None = None
    ) -> Tensor:
        """(N, C, H, W) float in [0, 1] → the same, changed; vectors (N, D) pass unchanged.

        With ``crop``, (N, C, crop, crop): a part of each picture, at the resolution it is stored
        in where neither ``scale`` nor ``area`` zooms. Raises ``DataError`` where it does not fit.
        """
        if images.ndim != 4:
            return images
        height, width = images.shape[2:]
        size = (height, width)
        if crop is not None:
            check_crop(height, width, crop)
            size = (crop, crop)
        images, drawn = self._move(images, generator, size)
        if drawn is not None:
            images = rand_augment.change_values(images, drawn)
        images = self._recolour(images, generator)
        return self._cut_out(images, generator)

    def _move(
        self, images: Tensor, generator: torch.Generator, size: tuple[int, int]
    ) -> tuple[Tensor, rand_augment.Drawn | None]:
        """Pictures of ``size``, and RandAugment's draws, whose movements they already show."""
        count, _, height, width = images.shape
        turned = bool(self.rotation or self.scale or self.shear or self.shift)
        if turned or self.flip:
            draws = _uniform((6, count), images, generator)
        elif self.area or self.operations or size != (height, width):
            draws = torch.zeros((6, count), device=images.device)
        else:
            return images, None
        mirror = torch.where((draws[5] + 1) / 2 < self.flip, -1.0, 1.0)
        if not (turned or self.area or self.operations):
            starts = self._starts(images, generator, size)
            return cut(images, starts, size, mirror < 0), None
        linear = self._linear(draws, mirror)
        if self.area is None:
            starts = self._starts(images, generator, size)
            middle = torch.stack(
                [starts[1] + (size[1] - width) / 2, starts[0] + (size[0] - height) / 2], 1
            )
        else:
            zoom, middle = self._window(images, generator, size)
            linear = zoom[:, :, None] * linear
        drawn = None
        if self.operations:
            drawn = rand_augment.draw(
                self.operations, count, self.magnitude, generator, images.device
            )
            later, offset = rand_augment.movement(drawn, *size)
            middle = middle + apply_linear(linear, offset)
            linear = compose(linear, later)
        shift = 2 * self.shift * draws[3:5].T
        return resample(images, size, linear, shift, middle), drawn

    def _linear(self, draws: Tensor, mirror: Tensor) -> Tensor:
        """(N, 2, 2): from pixels of the output to pixels of the input, both from the middle."""
        angle = draws[0] * math.radians(self.rotation)
        zoom = (draws[1] * math.log1p(self.scale)).exp()
        cosine, sine = angle.cos() / zoom, angle.sin() / zoom
        slope = draws[2] * self.shear
        return matrix(cosine * mirror, slope * cosine - sine, sine * mirror, slope * sine + cosine)

    def _starts(self, images: Tensor, generator: torch.Generator, size: tuple[int, int]) -> Tensor:
        """(2, N): the first row and column of each crop, by whole pixels, so that none is blurred."""
        height, width = images.shape[2:]
        if not self.random_crop or size == (height, width):
            return central_places(height, width, size, images)
        drawn = torch.rand((2, len(images)), generator=generator, device=images.device)
        return places(height, width, size, drawn)

    def _window(
        self, images: Tensor, generator: torch.Generator, size: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """Zoom (N, 2) and middle (N, 2) from the picture's, as (x, y), of a window of random area.

        Szegedy et al., "Going deeper with convolutions", 2015, section 6. Where torchvision draws
        again, a window that would be wider or higher than the picture is as wide or high as it.
        """
        assert self.area is not None
        height, width = images.shape[2:]
        share, aspect, *place = _uniform((4, len(images)), images, generator)
        low, high = self.area
        pixels = (low + (high - low) * (share + 1) / 2) * (height * width)
        ratio = (aspect * math.log(_ASPECT)).exp()
        shown = torch.stack(
            [(pixels * ratio).sqrt().clamp_max(width), (pixels / ratio).sqrt().clamp_max(height)]
        )
        middle = torch.stack([place[0] * (width - shown[0]), place[1] * (height - shown[1])], 1) / 2
        return torch.stack([shown[0] / size[1], shown[1] / size[0]], 1), middle

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
        if self.saturation:
            images = saturate(images, 1 + self.saturation * _uniform((count,), images, generator))
        if self.hue:
            images = turn_hue(images, self.hue * _uniform((count,), images, generator))
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
_STRONG: dict[str, Any] = {
    "rotation": 20,
    "scale": 0.2,
    "shear": 0.15,
    "shift": 0.12,
    "contrast": 0.4,
    "brightness": 0.2,
    "colour": 0.1,
    "cutout": 0.3,
    "random_crop": True,
}
# the usual of the literature on transfer between photos
_CROP_FLIP = Augmentation(random_crop=True, flip=0.5)

PRESETS: dict[str, tuple[Augmentation, Augmentation]] = {
    # name: (everything that is trained on, what a teacher looks at)
    "none": (Augmentation(), Augmentation()),
    "light": (Augmentation(rotation=10, scale=0.1, shift=0.08, random_crop=True), Augmentation()),
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
            random_crop=True,
        ),
        Augmentation(scale=0.05, shift=0.04, flip=0.5, random_crop=True),
    ),
    "crop-flip": (_CROP_FLIP, _CROP_FLIP),
    # whoever is told apart by clothes is not to be told apart by the light they were seen in
    "people": (
        Augmentation(
            scale=0.08, shift=0.06, flip=0.5, contrast=0.3, brightness=0.15, colour=0.06, cutout=0.3
        ),
        Augmentation(flip=0.5),
    ),
    # the paper's 2 operations; half its scale, as solarise would be near the negative at its 9
    "rand-augment": (
        Augmentation(random_crop=True, flip=0.5, operations=2, magnitude=5),
        _CROP_FLIP,
    ),
}


def augmentation_pair(name: str) -> tuple[Augmentation, Augmentation]:
    """The augmentation of training and the teacher's weak one; ``ConfigurationError`` for an unknown name."""
    if name not in PRESETS:
        raise ConfigurationError(f"unknown augmentation {name!r}.{near_miss(name, PRESETS)}")
    return PRESETS[name]
