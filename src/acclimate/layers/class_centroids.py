"""The class whose centroid is nearest, by centroids that run over batches."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from acclimate.layers.full_precision import full_precision
from acclimate.layers.processes import mean_over_processes

#: weight of the newest batch in the running centroids
RATE = 0.05


class ClassCentroids(nn.Module):
    """Labels from centroids of the classes: those of the predictions first, then of the labels.

    Liang et al., SHOT, 2020, equations 4 to 6: centroids weighted by the predicted probabilities
    give each item the label of the nearest one, by cosine; the centroids of these labels give the
    final ones. The paper takes both over all items once an epoch. Here they are running sums over
    batches, kept as buffers, that move in training only; a class that has had no item attracts none.
    """

    sums: Tensor

    def __init__(self, class_count: int, width: int) -> None:
        super().__init__()
        # by predictions, and by the labels they lead to; only directions matter, not lengths
        self.register_buffer("sums", torch.zeros(2, class_count, width))

    @torch.no_grad()
    def forward(self, features: Tensor, probabilities: Tensor) -> Tensor:
        """(T, D) features and (T, K) probabilities of a batch → (T,) int64 labels."""
        first = self._nearest(features, probabilities, 0)
        classes = torch.arange(self.sums.shape[1], device=first.device)
        return self._nearest(features, first[:, None] == classes, 1)

    @full_precision
    def _nearest(self, features: Tensor, weights: Tensor, which: int) -> Tensor:
        sums = self.sums[which]
        directions = F.normalize(features, dim=1)
        if self.training:
            newest = weights.to(directions.dtype).T @ directions / len(features)
            sums.lerp_(mean_over_processes(newest).to(sums.dtype), RATE)
        cosines = directions @ F.normalize(sums.to(directions.dtype), dim=1).T
        never = sums.abs().sum(1) == 0
        # below every cosine
        return cosines.masked_fill(never, -2.0).argmax(1)
