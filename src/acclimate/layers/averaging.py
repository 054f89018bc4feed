"""Exponential moving average of a module's weights: a steadier copy, and the teacher of self-training."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import nn

Module = TypeVar("Module", bound=nn.Module)


def averaged_copy(module: Module) -> Module:
    """A deep copy in eval mode whose parameters take no gradient."""
    twin = copy.deepcopy(module)
    return twin.requires_grad_(False).eval()


@torch.no_grad()
def update_average(average: nn.Module, module: nn.Module, decay: float, steps_done: int) -> None:
    """Move ``average`` towards ``module``: a ← d·a + (1−d)·m with d = min(decay, 1 − 1/(t+1)).

    The smaller decay of the first steps makes the average start at the weights, not at their
    initialisation (Tarvainen & Valpola, 2017, and the reference systems alike). Running
    statistics of normalisation layers are averaged too; integer buffers are copied.
    """
    decay = min(decay, 1.0 - 1.0 / (steps_done + 1))
    ours = [*average.parameters(), *(b for b in average.buffers() if b.is_floating_point())]
    theirs = [*module.parameters(), *(b for b in module.buffers() if b.is_floating_point())]
    torch._foreach_lerp_(ours, [tensor.detach() for tensor in theirs], 1.0 - decay)
    for mine, other in zip(average.buffers(), module.buffers(), strict=True):
        if not mine.is_floating_point():
            mine.copy_(other)
