"""Square parts of pictures at their stored resolution: from the centre, or from anywhere."""

from __future__ import annotations

import torch
from torch import Tensor

from acclimate.core.errors import DataError


def check_crop(height: int, width: int, crop: int, owner: str = "") -> None:
    """Raises ``DataError`` where a crop of side ``crop`` does not lie within (height, width)."""
    if crop < 1 or crop > min(height, width):
        raise DataError(
            f"{owner and owner + ': '}pictures of {height}×{width} pixels hold no crop of side {crop}; "
            f"take a crop of at most {min(height, width)}, or store larger pictures"
        )


def centre(side: int, crop: int) -> int:
    """Where a crop from the centre begins, as torchvision's ``center_crop`` rounds it.

    >>> centre(256, 224), centre(255, 224)
    (16, 16)
    """
    return round((side - crop) / 2)


def centre_crop(stored: Tensor, crop: int) -> Tensor:
    """Stored pictures (N, H, W, C) → their centres (N, crop, crop, C), the same dtype, dense.

    Raises ``DataError`` where they are smaller.
    """
    height, width = stored.shape[1:3]
    check_crop(height, width, crop)
    top, left = centre(height, crop), centre(width, crop)
    # dense, so that what is computed from it is laid out channels last
    return stored[:, top : top + crop, left : left + crop].contiguous()


def places(height: int, width: int, size: tuple[int, int], drawn: Tensor) -> Tensor:
    """First row and first column (2, N) of each item's crop, whole numbers as float.

    ``drawn``: (2, N) in [0, 1); every place within the picture is as probable.
    """
    # the largest draw is 1 − 2⁻²⁴, whose product single precision never rounds up to a whole number
    rows, columns = drawn
    return torch.stack(
        [(rows * (height - size[0] + 1)).floor(), (columns * (width - size[1] + 1)).floor()]
    )


def central_places(height: int, width: int, size: tuple[int, int], like: Tensor) -> Tensor:
    """As ``places``, (2, N) for N items of the batch ``like``, all of them the centre."""
    top, left = centre(height, size[0]), centre(width, size[1])
    return torch.stack(
        [torch.full((len(like),), float(start), device=like.device) for start in (top, left)]
    )


def cut(images: Tensor, starts: Tensor, size: tuple[int, int], mirrored: Tensor) -> Tensor:
    """(N, C, H, W) → (N, C, *size) channels last, pixel by pixel, no resampling.

    ``starts``: (2, N), see ``places``. ``mirrored``: (N,) bool, left and right are swapped within
    the crop.
    """
    device = images.device
    if device.type == "cpu":
        return _cut_on_host(images, starts, size, mirrored)
    tops, lefts = starts.long().unsqueeze(2)
    rows = tops + torch.arange(size[0], device=device)
    columns = lefts + torch.arange(size[1], device=device)
    columns = torch.where(mirrored[:, None], columns.flip(1), columns)
    items = torch.arange(len(images), device=device)[:, None, None]
    last = images.permute(0, 2, 3, 1)
    return last[items, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _cut_on_host(images: Tensor, starts: Tensor, size: tuple[int, int], mirrored: Tensor) -> Tensor:
    """As ``cut``, a block of memory at a time: many times faster there than pixel by pixel."""
    last = images.permute(0, 2, 3, 1)
    found = torch.empty((len(images), *size, last.shape[3]), dtype=images.dtype)
    tops, lefts = starts.long().numpy()
    for item, (top, left, turned) in enumerate(zip(tops, lefts, mirrored.numpy(), strict=True)):
        part = last[item, top : top + size[0], left : left + size[1]]
        found[item] = part.flip(1) if turned else part
    return found.permute(0, 3, 1, 2)
