"""Self-training: a student learns what its teacher is sure of."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def confident_cross_entropy(
    student_logits: Tensor, teacher: Tensor, threshold: float | Tensor
) -> tuple[Tensor, Tensor]:
    """Cross-entropy to the teacher's class on the items whose confidence is above ``threshold``.

    Sohn et al., FixMatch, 2020, equation 4: the mean runs over *all* items, so a batch with few
    confident ones counts little and a batch with none gives exactly 0.

    Args:
        student_logits: (N, K), on augmented items.
        teacher: (N, K) probabilities, on weak views of them; no gradient flows into it.
        threshold: confidence in [0, 1], exclusive; a number or a scalar tensor.

    Returns:
        The loss and the share of confident items, both scalars.

    >>> import torch
    >>> teacher = torch.tensor([[0.99, 0.01], [0.6, 0.4]])
    >>> loss, share = confident_cross_entropy(torch.zeros(2, 2), teacher, 0.9)
    >>> round(loss.item(), 4), share.item()
    (0.3466, 0.5)
    """
    confidence, labels = teacher.detach().max(1)
    confident = (confidence > threshold).float()
    each = F.cross_entropy(student_logits, labels, reduction="none")
    return (each * confident).mean(), confident.mean()
