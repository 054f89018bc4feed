"""What features and predictions say together: their outer product, or a random stand-in for it."""

from __future__ import annotations

from math import sqrt

import torch
from torch import Tensor, nn


class MultilinearMap(nn.Module):
    """(N, ``features``) and (N, ``classes``) → (N, ``width``): every product of a feature and a probability.

    Long et al., CDAN, 2018, section 3, "multilinear conditioning". Where the product is wider than
    ``widest``, the randomised map (R_f f) ⊙ (R_g g) / √d with d = ``random_width`` takes its place:
    inner products of its outputs are, in expectation, those of the outer products. Its matrices are
    drawn once from the standard normal distribution and are buffers: stored, and never trained.
    """

    feature_matrix: Tensor | None
    class_matrix: Tensor | None

    def __init__(
        self, features: int, classes: int, widest: int = 4096, random_width: int = 1024
    ) -> None:
        super().__init__()
        self.randomised = features * classes > widest
        self.width = random_width if self.randomised else features * classes
        for name, incoming in (("feature_matrix", features), ("class_matrix", classes)):
            drawn = torch.randn(incoming, random_width) if self.randomised else None
            self.register_buffer(name, drawn)

    def forward(self, features: Tensor, probabilities: Tensor) -> Tensor:
        if self.feature_matrix is None or self.class_matrix is None:
            return (probabilities[:, :, None] * features[:, None, :]).flatten(1)
        mapped = (features @ self.feature_matrix) * (probabilities @ self.class_matrix)
        return mapped / sqrt(self.width)
