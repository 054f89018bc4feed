"""RandAugment in bulk: N operations of one magnitude for each item, drawn on the device.

Cubuk, Zoph, Shlens, Le, "RandAugment: Practical automated data augmentation with a reduced search
space", 2020 (CVPR workshops), section 3: of K = 14 operations, N are drawn for each picture, evenly
and with replacement, and applied in turn, all with magnitude M. Nothing here waits for the device:
every operation is computed for the batch, and each item takes its own.

Deviations from the paper:

1. Operations that move pixels (rotation, shear, translation) come before those that change values,
   and are one affine resampling together with the crop; among themselves each kind keeps the order
   in which it was drawn.
2. That resampling is bilinear, and shows what lies around a crop, or the border repeated; the
   published code takes the nearest pixel, and fills with grey.
3. A shear is about the centre of the picture and not about its corner, so it moves nothing away.
4. Strength grows with M in every operation, in either direction where there are two, as in
   torchvision: published code solarises and posterises less the larger M is.
5. Values are not rounded to 8 bits between operations, except by *equalise* and *posterise*.
6. A channel whose values differ by less than one of 8 bits' steps is plain for *autocontrast*.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from acclimate.data.affine import apply_linear, compose, matrix
from acclimate.data.colour import luminance

OPERATIONS = (
    "identity",
    "autocontrast",
    "equalise",
    "rotate",
    "solarise",
    "colour",
    "posterise",
    "contrast",
    "brightness",
    "sharpness",
    "shear-x",
    "shear-y",
    "translate-x",
    "translate-y",
)
LARGEST = 10.0
"""The largest magnitude M."""

_ROTATION = math.radians(30)
_SHEAR = 0.3
_TRANSLATION = 150 / 331  # of the side
_ENHANCEMENT = 0.9
_POSTERISED_BITS = 4


class Drawn(NamedTuple):
    """``operation``: (N, items) int64, indices of ``OPERATIONS``; ``strength``: (N, items) in [-1, 1].

    Operations without a direction look at the strength's size alone.
    """

    operation: Tensor
    strength: Tensor

    def amount(self, name: str, largest: float) -> Tensor:
        """(N, items): ``largest`` times the strength where the operation was drawn, else 0."""
        return torch.where(self.chosen(name), self.strength * largest, 0.0)

    def chosen(self, name: str) -> Tensor:
        """(N, items) bool."""
        return self.operation == OPERATIONS.index(name)


def draw(
    number: int, count: int, magnitude: float, generator: torch.Generator, device: torch.device
) -> Drawn:
    """``number`` operations for each of ``count`` items; the sign of each strength is a coin's."""
    which, coin = torch.rand((2, number, count), generator=generator, device=device)
    operation = (which * len(OPERATIONS)).long()
    strength = torch.where(coin < 0.5, -magnitude / LARGEST, magnitude / LARGEST)
    return Drawn(operation, strength)


def movement(drawn: Drawn, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Linear part (items, 2, 2) and offset (items, 2) of the map from output to input, in pixels.

    Of (x, y) from the centre of a picture of the given size. Translations are by whole pixels.
    """
    angle = drawn.amount("rotate", _ROTATION)
    cosine, sine = angle.cos(), angle.sin()
    # each has one operation, so at most one of the terms differs from the identity's
    matrices = matrix(
        cosine,
        drawn.amount("shear-x", _SHEAR) - sine,
        drawn.amount("shear-y", _SHEAR) + sine,
        cosine,
    )
    shifts = torch.stack(
        [
            drawn.amount("translate-x", _TRANSLATION * width).trunc(),
            drawn.amount("translate-y", _TRANSLATION * height).trunc(),
        ],
        -1,
    )
    linear, offset = matrices[0], shifts[0]
    for later, shift in zip(matrices[1:], shifts[1:], strict=True):
        # a picture changed later is looked up in the one before it
        offset = offset + apply_linear(linear, shift)
        linear = compose(linear, later)
    return linear, offset


def change_values(images: Tensor, drawn: Drawn) -> Tensor:
    """(N, C, H, W) float in [0, 1] → the same, by the operations that move no pixel, in turn."""
    for operation, strength in zip(drawn.operation, drawn.strength, strict=True):
        one = Drawn(operation, strength)
        images = _enhance(images, one)
        images = _solarise(images, one)
        images = _sharpen(images, one)
        images = _in_8_bits(images, one)
    return images


def _enhance(images: Tensor, drawn: Drawn) -> Tensor:
    """Brightness, contrast, colour and autocontrast: gain · x + share · grey + offset, clamped."""
    brightness, contrast, colour = (
        drawn.amount(name, _ENHANCEMENT)[:, None] for name in ("brightness", "contrast", "colour")
    )
    grey = luminance(images)
    low, high = images.amin((2, 3)), images.amax((2, 3))
    stretched = drawn.chosen("autocontrast")[:, None] & (high - low > 0.5 / 255)
    scale = torch.where(stretched, 1 / (high - low).clamp_min(0.5 / 255), 1.0)
    if images.shape[1] == 1:
        colour = torch.zeros_like(colour)
    gain = (1 + brightness + contrast + colour) * scale
    offset = torch.where(stretched, -low * scale, -contrast * grey.mean((2, 3)))
    result = torch.addcmul(offset[:, :, None, None], images, gain[:, :, None, None])
    return result.addcmul_(grey, -colour[:, :, None, None]).clamp_(0, 1)


def _solarise(images: Tensor, drawn: Drawn) -> Tensor:
    threshold = torch.where(drawn.chosen("solarise"), 1 - drawn.strength.abs(), 2.0)
    return torch.where(images < threshold[:, None, None, None], images, 1 - images)


def _sharpen(images: Tensor, drawn: Drawn) -> Tensor:
    """Towards or away from a 3×3 smoothing whose centre weighs 5 of 13; the border stays."""
    if min(images.shape[2:]) < 3:
        return images
    share = -drawn.amount("sharpness", _ENHANCEMENT).view(-1, 1, 1, 1)
    inside = images[:, :, 1:-1, 1:-1]
    smooth = (F.avg_pool2d(images, 3, 1) * 9).add_(inside, alpha=4).div_(13)
    result = images.clone()
    result[:, :, 1:-1, 1:-1] = inside.lerp(smooth, share).clamp_(0, 1)
    return result


def _in_8_bits(images: Tensor, drawn: Drawn) -> Tensor:
    """Posterise and equalise, which are defined on whole numbers from 0 to 255."""
    levels = (images * 255).round_()
    dropped = (drawn.strength.abs() * _POSTERISED_BITS).round()
    step = torch.where(drawn.chosen("posterise"), dropped, 0.0).exp2()[:, None, None, None]
    coarser = (levels / step).floor_().mul_(step).div_(255)
    result = torch.where(step > 1, coarser, images)
    chosen = drawn.chosen("equalise")[:, None, None, None]
    return torch.where(chosen, _equalised(levels), result)


def _equalised(levels: Tensor) -> Tensor:
    """Whole numbers (N, C, H, W) from 0 to 255 → [0, 1], each channel's spread as Pillow does."""
    rows, pixels = levels.shape[0] * levels.shape[1], levels.shape[2] * levels.shape[3]
    device = levels.device
    # a histogram for each channel of each item, side by side
    first = 256 * torch.arange(rows, device=device).view(levels.shape[:2])[..., None, None]
    bins = levels.long().add_(first)
    ones = torch.ones((), dtype=torch.int32, device=device).expand(rows * pixels)
    counts = torch.zeros(rows * 256, dtype=torch.int32, device=device)
    counts = counts.scatter_add_(0, bins.flatten(), ones).view(rows, 256).long()
    brightest = counts.gather(1, levels.amax((2, 3)).long().view(rows, 1))
    step = (pixels - brightest).div(255, rounding_mode="floor")
    below = counts.cumsum(1) - counts
    spread = (below + step // 2).div(step.clamp_min(1), rounding_mode="floor").clamp_max_(255)
    table = torch.where(step > 0, spread, torch.arange(256, device=device))
    return (table.to(levels.dtype) / 255).take(bins)
