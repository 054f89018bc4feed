"""Classification of items that are mixed from a labelled one and one that a teacher labels."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def mixed_cross_entropy(logits: Tensor, labels: Tensor, teacher: Tensor, share: Tensor) -> Tensor:
    """λ·CE(label) + (1−λ)·c·CE(teacher), the mean over items, c the teacher's confidence.

    Args:
        logits: (N, K) on the mixed items.
        labels: (N,) int64 of the first part of each.
        teacher: (N, K) probabilities for the second part; no gradient flows into it.
        share: (N,) λ, the first part's share in the item, in [0, 1].

    >>> import torch
    >>> teacher = torch.tensor([[0.5, 0.5]])
    >>> loss = mixed_cross_entropy(torch.zeros(1, 2), torch.tensor([0]), teacher, torch.tensor([0.5]))
    >>> round(loss.item() / 0.6931, 2)  # half of it, and a quarter: the teacher is half sure
    0.75
    """
    guess = teacher.detach()
    own = F.cross_entropy(logits, labels, reduction="none")
    other = F.cross_entropy(logits, guess, reduction="none")
    return (share * own + (1 - share) * guess.amax(1) * other).mean()
