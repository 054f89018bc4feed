"""Source pictures that wear what target pictures look like."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from acclimate.core.types import Blend


def blended(source: Tensor, target: Tensor, blend: Blend) -> Tensor:
    """``source`` (S, C, H, W) with something of ``target`` (T, C, H, W) in each picture, both in [0, 1].

    A share ``blend.difference`` of the pictures, evenly over the batch, becomes the distance to a
    texture of the target's, |source - texture|; the others get a share of a target picture, which
    rises along the batch from 0 to ``blend.largest``. Both batches are in random order, so what
    goes by the place in the batch is as good as drawn. Neither argument is changed.
    """
    count = len(source)
    order = torch.arange(count, device=source.device)
    partners = target if len(target) == count else target[order % len(target)]
    share = torch.linspace(0, blend.largest, count, device=source.device)
    mixed = source.lerp(partners, share.view(-1, 1, 1, 1))
    if not blend.difference:
        return mixed
    differs = ((order + 1) * blend.difference).floor() > (order * blend.difference).floor()
    distance = (source - texture(partners)).abs()
    return torch.where(differs.view(-1, 1, 1, 1), distance, mixed)


def texture(pictures: Tensor) -> Tensor:
    """The first corner of each picture (N, C, H, W), twice as large: its colours without its subject."""
    height, width = pictures.shape[2:]
    corner = pictures[:, :, : (height + 1) // 2, : (width + 1) // 2]
    enlarged = functional.interpolate(corner, scale_factor=2, mode="nearest")
    return enlarged[:, :, :height, :width]
