"""Consistency: a student's probabilities are drawn to those its teacher is sure of."""

from __future__ import annotations

from torch import Tensor


def confident_squared_difference(
    student_logits: Tensor, teacher_logits: Tensor, threshold: float
) -> tuple[Tensor, Tensor]:
    """Squared difference of two predictions where the teacher's confidence is above ``threshold``.

    French et al., "Self-ensembling for visual domain adaptation", 2018, sections 3.1 and 3.2. The
    mean runs over *all* items. Summed over the classes, where the authors' code takes their mean.

    Args:
        student_logits: (N, K), on augmented items.
        teacher_logits: (N, K), on weak views of them; no gradient flows into it.
        threshold: confidence in [0, 1], exclusive.

    Returns:
        The loss, in [0, 2], and the share of confident items, both scalars.

    >>> import torch
    >>> teacher = torch.tensor([[90.0, 0.0], [0.0, 0.0]])
    >>> loss, share = confident_squared_difference(torch.zeros(2, 2), teacher, 0.9)
    >>> loss.item(), share.item()
    (0.25, 0.5)
    """
    teacher = teacher_logits.detach().float().softmax(1)
    confident = (teacher.amax(1) > threshold).float()
    each = (student_logits.float().softmax(1) - teacher).square().sum(1)
    return (each * confident).mean(), confident.mean()
