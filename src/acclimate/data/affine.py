"""Affine maps, one for each item of a batch, and the pictures seen through them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def matrix(top_x: Tensor, top_y: Tensor, bottom_x: Tensor, bottom_y: Tensor) -> Tensor:
    """Four numbers (…) as (…, 2, 2): x and y of the result, from x and y."""
    return torch.stack([torch.stack([top_x, top_y], -1), torch.stack([bottom_x, bottom_y], -1)], -2)


def compose(first: Tensor, second: Tensor) -> Tensor:
    """Products (N, 2, 2) of two maps; by element, as a matrix product may be of low precision."""
    return (first[..., :, :, None] * second[..., None, :, :]).sum(-2)


def apply_linear(linear: Tensor, offset: Tensor) -> Tensor:
    """(N, 2, 2) applied to (N, 2)."""
    return (linear * offset[..., None, :]).sum(-1)


def resample(
    images: Tensor, size: tuple[int, int], linear: Tensor, shift: Tensor, middle: Tensor
) -> Tensor:
    """(N, C, H, W) → (N, C, *size) at the places that an affine map of each item leads to.

    ``linear``: (N, 2, 2) of pixels; ``shift``: (N, 2), halves of the output's side; ``middle``: (N, 2),
    pixels of the input. All as (x, y) from the middle.
    """
    height, width = images.shape[2:]
    # affine_grid measures both pictures from −1 to 1; the ratio of the sides keeps a rotation rigid
    top = torch.stack(
        [
            linear[:, 0, 0] * (size[1] / width),
            linear[:, 0, 1] * (size[0] / width),
            shift[:, 0] * (size[1] / width) + middle[:, 0] * (2 / width),
        ],
        1,
    )
    bottom = torch.stack(
        [
            linear[:, 1, 0] / (height / size[1]),
            linear[:, 1, 1] * (size[0] / height),
            shift[:, 1] * (size[0] / height) + middle[:, 1] * (2 / height),
        ],
        1,
    )
    shape = [*images.shape[:2], *size]
    grid = F.affine_grid(torch.stack([top, bottom], 1), shape, align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)
