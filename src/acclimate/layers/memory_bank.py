"""A memory of the latest items: their features, and what was predicted of them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from acclimate.layers.full_precision import full_precision


class MemoryBank(nn.Module):
    """A queue of ``size`` items in buffers, first in, first out; it takes up items in training only."""

    features: Tensor
    predictions: Tensor
    position: Tensor
    filled: Tensor

    def __init__(self, size: int, width: int, class_count: int) -> None:
        super().__init__()
        self.register_buffer("features", torch.zeros(size, width))
        self.register_buffer("predictions", torch.zeros(size, class_count))
        self.register_buffer("position", torch.zeros((), dtype=torch.int64))
        self.register_buffer("filled", torch.zeros((), dtype=torch.int64))

    @full_precision
    @torch.no_grad()
    def neighbours(self, features: Tensor, count: int) -> Tensor:
        """Mean prediction (T, K) of the ``count`` items nearest to each of (T, D), by cosine.

        Places of the bank that are still empty count with a prediction of 0.
        """
        size = len(self.features)
        cosines = F.normalize(features.to(self.features.dtype), dim=1) @ self.features.T
        empty = torch.arange(size, device=features.device) >= self.filled
        nearest = cosines.masked_fill(empty, -2.0).topk(min(count, size), 1).indices
        # what is empty holds zeros, so it adds nothing
        return self.predictions[nearest].sum(1) / count

    @torch.no_grad()
    def remember(self, features: Tensor, predictions: Tensor) -> None:
        """Put (T, D) features, made unit vectors, and (T, K) predictions in the oldest items' places."""
        if not self.training:
            return
        size = len(self.features)
        features, predictions = features[-size:].detach(), predictions[-size:].detach()
        number = torch.arange(len(features), device=features.device)
        places = (self.position + number) % size
        self.features[places] = F.normalize(features.to(self.features.dtype), dim=1)
        self.predictions[places] = predictions.to(self.predictions.dtype)
        self.position.add_(len(features)).remainder_(size)
        self.filled.add_(len(features)).clamp_(max=size)
