"""Optimisers by name, and the learning rate as a function of progress."""

from __future__ import annotations

import torch
from torch import nn

from acclimate.core.schedules import LEARNING_RATE_SCHEDULES
from acclimate.training.settings import FitSettings


def make_optimiser(module: nn.Module, settings: FitSettings) -> torch.optim.Optimizer:
    """One optimiser for every parameter that takes a gradient.

    Fused kernels update all tensors in one call; on the CPU, Adam with torch's grouped kernels
    was measured at 6 ms a step for 110,000 weights on a busy machine, fused below 1 ms.
    """
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    rate, decay = settings.learning_rate, settings.weight_decay
    if settings.optimiser == "sgd":
        return torch.optim.SGD(
            parameters, rate, momentum=settings.momentum, weight_decay=decay, fused=True
        )
    kind = torch.optim.Adam if settings.optimiser == "adam" else torch.optim.AdamW
    return kind(parameters, rate, betas=(settings.momentum, 0.999), weight_decay=decay, fused=True)


def set_learning_rate(
    optimiser: torch.optim.Optimizer, settings: FitSettings, progress: float
) -> float:
    """Set and return the rate for ``progress`` in [0, 1]."""
    rate = settings.learning_rate * LEARNING_RATE_SCHEDULES[settings.schedule](progress)
    for group in optimiser.param_groups:
        group["lr"] = rate
    return rate
