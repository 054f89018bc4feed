"""What a training step of each algorithm costs over DANN's, beside what its arithmetic costs over DANN's."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from lightning_fabric import Fabric
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from acclimate.algorithms import algorithms, combination
from acclimate.experiments.bench_step import LIMIT, time_block
from acclimate.training.devices import keep_freed_memory, make_fabric
from acclimate.training.loop import train
from acclimate.training.optimisers import make_optimiser, set_learning_rate
from acclimate.training.parts import draws_target, make_algorithm, make_loader, make_step
from acclimate.training.settings import FitSettings, make_settings
from acclimate.training.task import Task, choose_network, open_task, replace_settings

REFERENCE = "dann"
#: how much more than its arithmetic a step may cost
ALLOWED = 1.3
_SOURCE, _TARGET = "digits", "digits-m"


@dataclass(frozen=True)
class StepCost:
    """One algorithm's step over DANN's; ``time`` is the median of rounds, each beside a DANN round.

    ``arithmetic``: its matrix multiplications and convolutions over DANN's, counted.
    """

    algorithm: str
    milliseconds: float
    time: float
    fastest: float
    slowest: float
    arithmetic: float

    @property
    def over_arithmetic(self) -> float:
        return self.time / self.arithmetic


def comparable() -> list[str]:
    """Algorithms that train on the target step by step, and are no oracle."""
    found = []
    for name in algorithms.names():
        made = combination.make(name, {})
        if draws_target(made) and not made.oracle:
            found.append(name)
    return found


def bench_algorithms(
    names: Iterable[str] | None = None,
    rounds: int = 5,
    steps: int = 8,
    device: str = "auto",
    done: Callable[[StepCost], None] = lambda _: None,
) -> list[StepCost]:
    """Train each algorithm for ``rounds`` blocks of ``steps``, in turn with DANN, on built-in digits.

    Default network, augmentation and batches (64 + 64 of 3×28×28), float32; views that an algorithm
    asks for are drawn as in ``fit``, and belong to its cost.
    """
    keep_freed_memory()
    settings = make_settings(
        source=_SOURCE, target=_TARGET, algorithm=REFERENCE, device=device, precision="32"
    )
    task = open_task(settings)
    settings = choose_network(settings, task.spec)
    fabric = make_fabric(settings)
    base = _blocks(task, settings, fabric, steps)
    base_flop = step_flop(task, settings, fabric)
    time_block(base, fabric.device)
    found = []
    for name in names or comparable():
        theirs = choose_network(replace_settings(settings, algorithm=name), task.spec)
        blocks = _blocks(task, theirs, fabric, steps)
        time_block(blocks, fabric.device)
        pairs = [
            (time_block(base, fabric.device), time_block(blocks, fabric.device))
            for _ in range(rounds)
        ]
        ratios = [mine / other for other, mine in pairs]
        found.append(
            StepCost(
                name,
                1000 * statistics.median(mine for _, mine in pairs) / steps,
                statistics.median(ratios),
                min(ratios),
                max(ratios),
                step_flop(task, theirs, fabric) / base_flop,
            )
        )
        done(found[-1])
    return found


def step_flop(task: Task, settings: FitSettings, fabric: Fabric) -> float:
    """FLOPs of matrix multiplications and convolutions in one training step, all its phases."""
    # the second step: what only the first one does, such as setting up a memory, is not counted
    steps = _blocks(task, settings, fabric, 1)
    next(steps)
    with _Counting() as counting:
        next(steps)
    return float(counting.flop)


class _Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up FLOPs by torch's own formulas.

    ``FlopCounterMode`` also follows modules, and cannot do so through a gradient of a gradient.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flop = 0.0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func._overloadpacket)
        if formula is not None:
            self.flop += formula(*args, **(kwargs or {}), out_val=result)
        return result


def _blocks(task: Task, settings: FitSettings, fabric: Fabric, block: int) -> Iterator[None]:
    """The engine as ``fit`` runs it, ``block`` steps for each ``next``."""
    algorithm = make_algorithm(settings)
    step = make_step(settings, task).to(fabric.device)
    optimiser = make_optimiser(step, settings)
    wrapped, fast = fabric.setup(step, optimiser)
    loader = make_loader(settings, task.source.train, task, algorithm, fabric)
    start = LIMIT // 2  # with every ramp at its height
    logged = train(
        step,
        fast,
        loader.between(start, LIMIT),
        steps=LIMIT,
        start=start,
        pause_at=lambda done: (done - start) % block == 0,
        set_rate=lambda progress: set_learning_rate(optimiser, settings, 0.0),
        backward=fabric.backward,
        forward=wrapped,
    )
    for _ in logged:
        yield None
