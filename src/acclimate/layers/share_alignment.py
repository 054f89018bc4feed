"""Predicted class probabilities of the target, corrected by how often each class occurs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from acclimate.layers.processes import mean_over_processes

#: weight of the newest batch in the running shares
RATE = 0.02


class ShareAlignment(nn.Module):
    """Distribution alignment: what is predicted too often counts less, what too seldom more.

    Berthelot et al., ReMixMatch, 2020, section 3.1, with the source's class shares as those
    to be met (AdaMatch, 2022, section 3.2). Both shares are running means over batches, kept as
    buffers, and move in training only. Assumes that classes are about as frequent in both domains.
    """

    source_shares: Tensor
    target_shares: Tensor

    def __init__(self, class_count: int) -> None:
        super().__init__()
        uniform = torch.full((class_count,), 1.0 / class_count)
        self.register_buffer("source_shares", uniform.clone())
        self.register_buffer("target_shares", uniform.clone())

    @torch.no_grad()
    def forward(
        self, source_labels: Tensor, probabilities: Tensor, strength: float = 1.0
    ) -> Tensor:
        """(S,) labels and (T, K) probabilities → (T, K), p · (source / target)^strength, normalised."""
        if self.training:
            # a product with one-hot rows, not bincount, which waits for the device
            classes = torch.arange(len(self.source_shares), device=source_labels.device)
            counts = (source_labels[:, None] == classes).float().mean(0)
            seen = mean_over_processes(torch.stack([counts, probabilities.float().mean(0)]))
            self.source_shares.lerp_(seen[0], RATE)
            self.target_shares.lerp_(seen[1], RATE)
        ratio = self.source_shares / self.target_shares.clamp_min(1e-3)
        aligned = probabilities * ratio**strength
        return aligned / aligned.sum(1, keepdim=True)
