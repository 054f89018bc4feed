"""The training loop: a generator, so that everything else happens in the caller's ``for``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from acclimate.algorithms.base import Phase
from acclimate.core.seeding import derive_seed
from acclimate.core.types import Batch
from acclimate.layers.dropping import drops
from acclimate.layers.processes import number_of_first_process, process_count
from acclimate.training.sharpness import sharpened
from acclimate.training.step import Step

Values = dict[str, Tensor | float]


class Logged(NamedTuple):
    """State after ``step`` steps; ``values`` stay on the device until ``floats`` is called."""

    step: int
    progress: float
    values: Values

    def floats(self) -> dict[str, float]:
        """All values as Python floats: the loop's only host synchronisation."""
        return {name: float(value) for name, value in self.values.items()}


def train(
    step: Step,
    optimiser: torch.optim.Optimizer,
    batches: Iterable[Batch],
    *,
    steps: int,
    start: int = 0,
    pause_at: Callable[[int], bool],
    set_rate: Callable[[float], float],
    backward: Callable[..., Any] = torch.Tensor.backward,
    forward: nn.Module | None = None,
    clip: Callable[[], Any] | None = None,
    sharpness: float = 0.0,
    seed: int = 0,
) -> Iterator[Logged]:
    """Train from step ``start`` to ``steps``; yields where ``pause_at(steps_done)`` is true, and at the end.

    Args:
        step: network, algorithm and average.
        optimiser: over the parameters of ``step``.
        batches: one per step, beginning with step ``start``.
        pause_at: on which counts of finished steps to hand over to the caller.
        set_rate: sets the learning rate for a progress in [0, 1] and returns it.
        backward: ``fabric.backward`` where precision or devices ask for it.
        forward: ``step`` as wrapped for several devices; every loss goes through it.
        clip: bounds the gradients before the optimiser looks at them; ``fabric.clip_gradients``
            knows of the loss scale of 16 bit precision.
        sharpness: radius of the step to where the classification's gradient is taken, see
            ``training/sharpness.py``; for one phase and one process.
        seed: of dropout, dropped paths and what an algorithm draws, the only randomness in a step; sets
            torch's global generator where used.

    Algorithm 2 of Ganin et al. (JMLR 2016) is the case of one phase and plain SGD.
    """
    forward = forward or step
    phases = step.algorithm.phases
    dropping = any(map(drops, step.modules()))
    drawn = step.algorithm.draws or dropping
    values: Values
    # what is drawn for a loss that all processes compute has to be alike on them
    common = step.algorithm.draws and step.joint_losses and process_count() > 1
    common_seed = number_of_first_process(seed) if common else seed
    step.train()
    for index, batch in zip(range(start, steps), batches, strict=False):
        progress = index / steps
        rate = set_rate(progress)
        if drawn:
            torch.manual_seed(derive_seed(seed, "dropout", index))
        if common:
            # without dropout, what one process with the joint batch would draw
            drawn_as = derive_seed(common_seed, "draws" if dropping else "dropout", index)
            step.common_draws.begin(drawn_as, batch.source.device)
        for phase in phases:
            if sharpness:
                values = sharpened(forward, step, batch, progress, phase.name, sharpness, backward)
            else:
                values = forward(batch, progress, phase.name)
                loss = values["loss"]
                assert isinstance(loss, Tensor)  # the one value that is never a float
                backward(loss)
            _keep_only(step, phase)
            if clip is not None:
                clip()
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        step.after_update(index + 1)
        if index + 1 == steps or pause_at(index + 1):
            yield Logged(
                index + 1, (index + 1) / steps, {"learning_rate": rate, **_detached(values)}
            )
            step.train()


def _detached(values: Values) -> Values:
    return {k: v.detach() if isinstance(v, Tensor) else v for k, v in values.items()}


def _keep_only(step: Step, phase: Phase) -> None:
    """Drop the gradients of what a phase does not train; the optimiser passes over them."""
    if phase.trains is None:
        return
    for name, parameter in step.trainable():
        if not phase.moves(name):
            parameter.grad = None
