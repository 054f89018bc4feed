"""Consistency: a student's probabilities are drawn to those its teacher is sure of."""

from __future__ import annotations

import torch.nn.functional as F
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


def descriptor_difference(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared distance of two (N, D) descriptors of the same items, each of length 1: in [0, 4].

    The same consistency for descriptors, which know no confidence. No gradient flows into ``teacher``.

    >>> import torch
    >>> float(descriptor_difference(torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 3.0]])))
    2.0
    """
    known = F.normalize(teacher.detach().float(), dim=1)
    return (F.normalize(student.float(), dim=1) - known).square().sum(1).mean()
