"""Items of two domains in one: blended, or one cut into the other."""

from __future__ import annotations

import torch
from torch import Tensor


def shares(inputs: Tensor, cut: bool) -> Tensor:
    """(N,) share of the first item in each mix, evenly over (0, 1); for a cut, to whole pixels.

    What is uniformly drawn in mixup and CutMix rises along the batch here: as the batch itself is
    in random order, that is a drawing in even strata, and it can be told again at any time.

    >>> shares(torch.zeros(4, 3), cut=False)
    tensor([0.1250, 0.3750, 0.6250, 0.8750])
    """
    number = torch.arange(len(inputs), device=inputs.device)
    even = (number + 0.5) / len(inputs)
    if not (cut and inputs.ndim == 4):
        return even
    heights, widths = _sizes(even, inputs)
    return 1 - heights * widths / (inputs.shape[-2] * inputs.shape[-1])


def mixed(first: Tensor, second: Tensor, cut: bool) -> Tensor:
    """Items of ``first`` with ``second`` mixed in at 1 − ``shares``, (N, ...).

    Zhang et al., mixup, 2018, section 2; with ``cut``, for pictures (N, C, H, W), a rectangle of
    the second, at a place from torch's global generator: Yun et al., CutMix, 2019, equations 1 and 2.
    """
    share = shares(first, False)
    if not (cut and first.ndim == 4):
        return second.lerp(first, share.to(first.dtype).view(-1, *[1] * (first.ndim - 1)))
    count, (height, width) = len(first), first.shape[-2:]
    heights, widths = _sizes(share, first)
    top, left = torch.rand(2, count, device=first.device)
    rows = _within(top, heights, height)[:, None, :, None]
    columns = _within(left, widths, width)[:, None, None, :]
    return torch.where(rows & columns, second, first)


def _sizes(share: Tensor, pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Heights and widths of the rectangles, in pixels: of the pictures' shape, all of them inside."""
    side = (1 - share).sqrt()
    return (side * pictures.shape[-2]).round(), (side * pictures.shape[-1]).round()


def _within(place: Tensor, sizes: Tensor, side: int) -> Tensor:
    """(N, side) bool: ``sizes`` pixels in a row, which begin anywhere that they fit."""
    begins = (place * (side - sizes + 1)).floor()[:, None]
    pixels = torch.arange(side, device=place.device)
    return (pixels >= begins) & (pixels < begins + sizes[:, None])
