"""Sharpness-aware minimisation of the classification loss, beside any other losses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from acclimate.algorithms.base import Algorithm
from acclimate.core.errors import ConfigurationError
from acclimate.core.types import Batch
from acclimate.training.settings import FitSettings
from acclimate.training.step import Step


def check_sharpness(settings: FitSettings, algorithm: Algorithm) -> None:
    """Raise ``ConfigurationError`` where a run asks for a sharpness that does not fit it."""
    if not settings.sharpness:
        return
    why = {
        f"{settings.algorithm}, which takes several optimiser steps at a time": (
            len(algorithm.phases) > 1
        ),
        "several --devices or --nodes": settings.devices * settings.nodes > 1,
        "--precision 16": settings.precision == "16",
    }
    for what, is_so in why.items():
        if is_so:
            raise ConfigurationError(
                f"--sharpness does not work with {what}: leave one of them out"
            )


def sharpened(
    forward: nn.Module,
    step: Step,
    batch: Batch,
    progress: float,
    phase: str,
    radius: float,
    backward: Callable[..., Any],
) -> dict[str, Tensor | float]:
    """What ``step`` says of ``batch``; the gradients are in the parameters' ``grad`` afterwards.

    The classification's gradient is taken at w + ρ g / ‖g‖, g being its gradient at the weights w
    and ρ the ``radius`` (SAM: Foret et al., 2021, equations 2 and 3); that of the other losses
    is taken at w (SDAT: Rangwani et al., 2022). What is logged is of w. The second look
    leaves no trace: weights, running statistics and memories are put back.
    """
    values: dict[str, Any] = forward(batch, progress, phase, True)
    classification = values.pop("classification")
    backward(classification, retain_graph=True)
    reached: dict[Tensor, Tensor] = {p: p.grad for _, p in step.trainable() if p.grad is not None}
    for parameter in reached:
        parameter.grad = None
    # the difference has a gradient of exactly 0 for what is taken away
    backward(values["loss"] - classification)
    with _put_back(step):
        _move(list(reached), list(reached.values()), radius)
        backward(forward(batch, progress, phase, True)["classification"])
    return values


@torch.no_grad()
def _move(weights: list[Tensor], gradients: list[Tensor], radius: float) -> None:
    """Add ρ g / ‖g‖ to the ``weights``, with the norm over all of them."""
    norm = torch.stack(torch._foreach_norm(gradients)).norm()
    steps = torch._foreach_mul(gradients, radius / (norm + 1e-12))
    torch._foreach_add_(weights, list(steps))


@contextmanager
def _put_back(step: Step) -> Iterator[None]:
    """Network and algorithm's modules are afterwards what they were before, bit for bit."""
    parts = (step.network, step.modules_of_algorithm)
    state = [tensor for part in parts for tensor in part.state_dict().values()]
    kept = [tensor.clone() for tensor in state]
    yield
    with torch.no_grad():
        for now, before in zip(state, kept, strict=True):
            now.copy_(before)
