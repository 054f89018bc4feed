"""Saturation and hue of whole batches, a number for each item; for pictures of three channels."""

from __future__ import annotations

import torch
from torch import Tensor

_LUMA = (0.2989, 0.587, 0.114)  # ITU-R BT.601, as torchvision rounds it


def luminance(images: Tensor) -> Tensor:
    """(N, C, H, W) → (N, 1, H, W): brightness to the eye for three channels, else their mean."""
    if images.shape[1] != 3:
        return images.mean(1, keepdim=True)
    red, green, blue = images.unbind(1)
    return (red * _LUMA[0]).add_(green, alpha=_LUMA[1]).add_(blue, alpha=_LUMA[2]).unsqueeze(1)


def saturate(images: Tensor, factor: Tensor) -> Tensor:
    """(N, 3, H, W) in [0, 1]: differences from grey times ``factor`` (N,), 0 or more, clamped."""
    if images.shape[1] != 3:
        return images
    grey = luminance(images)
    return torch.lerp(grey, images, factor.view(-1, 1, 1, 1)).clamp_(0, 1)


def turn_hue(images: Tensor, turn: Tensor) -> Tensor:
    """(N, 3, H, W) in [0, 1]: hue in the HSV cone moved by ``turn`` (N,), 1 is once around.

    Saturation and value of every pixel stay as they are. Smith, "Color gamut transform pairs",
    SIGGRAPH 1978.
    """
    if images.shape[1] != 3:
        return images
    red, green, blue = images.unbind(1)
    value = images.amax(1)
    chroma = value - images.amin(1)
    spread = torch.where(chroma > 0, chroma, 1.0)  # a grey pixel has no hue, and keeps its grey
    # in sixths of the circle, from the channel that is the largest
    hue = torch.where(
        red == value,
        (green - blue) / spread,
        torch.where(green == value, 2 + (blue - red) / spread, 4 + (red - green) / spread),
    )
    hue = hue + 6 * turn.view(-1, 1, 1)
    # channel n falls from the value by the chroma where the hue is far from its own (n = 5, 3, 1)
    channels = []
    for own in (5.0, 3.0, 1.0):
        distance = (hue + own).remainder(6)
        weight = torch.minimum(distance, 4 - distance).clamp_(0, 1)
        channels.append(value - chroma * weight)
    result = torch.stack(channels, 1).clamp_(0, 1)
    return result.contiguous(memory_format=torch.channels_last)
