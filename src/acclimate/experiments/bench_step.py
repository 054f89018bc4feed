"""Images per second of our step beside a plain loop, and the share of the machine's peak."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from acclimate.core.schedules import domain_ramp, paper_annealing
from acclimate.core.types import Spec
from acclimate.data.augmentation import Augmentation
from acclimate.data.batches import make_batches
from acclimate.data.domain import Domain, ResidentStore
from acclimate.data.loader import BatchLoader
from acclimate.data.preprocessing import fit_preprocessing
from acclimate.experiments.plain_loop import (
    contiguous,
    plain_domain_head,
    plain_loss,
    plain_network,
    synchronise,
)
from acclimate.models import build_network
from acclimate.training.devices import keep_freed_memory, make_fabric
from acclimate.training.loop import train
from acclimate.training.optimisers import make_optimiser, set_learning_rate
from acclimate.training.parts import make_algorithm
from acclimate.training.settings import FitSettings, make_settings
from acclimate.training.step import Step
from acclimate.training.task import choose_network

ITEMS = 60_000
CLASSES = tuple("0123456789")
LIMIT = 1_000_000  # steps; progress only matters for the schedules


@dataclass(frozen=True)
class Round:
    """One alternation: images per second of both loops and the peak measured between them."""

    ours: float
    plain: float
    peak_gflops: float


@dataclass(frozen=True)
class StepBench:
    """All rounds and what follows from them; rates are medians over rounds."""

    rounds: list[Round]
    flop_per_image: float
    overhead_ms: float
    threads: int
    batch_size: int

    @property
    def ratios(self) -> list[float]:
        return [each.ours / each.plain for each in self.rounds]

    @property
    def shares(self) -> list[float]:
        """Of the matrix-multiply peak, ours."""
        return [each.ours * self.flop_per_image / 1e9 / each.peak_gflops for each in self.rounds]

    def as_dict(self) -> dict[str, object]:
        """Plain values, for JSON."""
        return {
            "images_per_second": _spread([each.ours for each in self.rounds]),
            "plain_images_per_second": _spread([each.plain for each in self.rounds]),
            "ratio": _spread(self.ratios),
            "matrix_multiply_gflops": _spread([each.peak_gflops for each in self.rounds]),
            "share_of_peak": _spread(self.shares),
            "mflop_per_image": self.flop_per_image / 1e6,
            "python_overhead_ms_per_step": self.overhead_ms,
            "threads": self.threads,
            "batch_size": f"{self.batch_size}+{self.batch_size}",
            "rounds": len(self.rounds),
        }


def bench_step(
    rounds: int = 7,
    steps: int = 40,
    batch_size: int = 128,
    device: str = "auto",
    done: Callable[[Round], None] = lambda _: None,
) -> StepBench:
    """Alternate our step and a plain contiguous eager loop on the paper's MNIST network.

    Both train DANN with the paper's settings on ``batch_size`` source and target items of
    3×28×28, beginning with stored uint8 pictures. FLOPs are counted, not assumed.
    """
    keep_freed_memory()
    source, target = _pictures("source", 0), _pictures("target", 1)
    settings = make_settings(
        "paper",
        source="source",
        target="target",
        batch_size=batch_size,
        device=device,
        averaging=0.0,
    )
    fabric = make_fabric(settings)
    ours = _our_steps(source, target, settings, fabric, steps)
    plain = _plain_steps(source, target, settings, fabric.device, steps)
    for block in (ours, plain):
        time_block(block, fabric.device)
    measured = []
    for _ in range(rounds):
        seconds = time_block(ours, fabric.device), time_block(plain, fabric.device)
        images = 2 * batch_size * steps
        measured.append(
            Round(images / seconds[0], images / seconds[1], matrix_multiply_peak(fabric.device))
        )
        done(measured[-1])
    flop = flop_per_image(source, target, settings, fabric)
    return StepBench(measured, flop, python_overhead_ms(), torch.get_num_threads(), batch_size)


def matrix_multiply_peak(device: torch.device, size: int = 2048, repeats: int = 6) -> float:
    """GFLOP/s of a float32 matrix product, the best of ``repeats``."""
    a, b = torch.randn(size, size, device=device), torch.randn(size, size, device=device)
    best = 0.0
    for _ in range(repeats):
        synchronise(device)
        started = time.perf_counter()
        a @ b
        synchronise(device)
        best = max(best, 2 * size**3 / (time.perf_counter() - started) / 1e9)
    return best


def flop_per_image(source: Domain, target: Domain, settings: FitSettings, fabric: Fabric) -> float:
    """FLOPs of forward and backward for one image, counted by torch."""
    step, loader = _step_and_loader(source, target, settings, fabric)
    batch = next(loader.between(0, 1))
    with FlopCounterMode(display=False) as counter:
        loss = step(batch, 0.5)["loss"]
        assert isinstance(loss, Tensor)
        torch.autograd.backward(loss)
    return float(counter.get_total_flops()) / (2 * settings.batch_size)


def python_overhead_ms(steps: int = 300, repeats: int = 5) -> float:
    """Milliseconds per step that our engine costs over a plain loop, on a network too small to matter."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(64, 4, generator=generator)
    labels = torch.arange(64) % 2
    domain = Domain("vectors", ResidentStore(inputs), labels, ("0", "1"))
    settings = make_settings(
        "paper",
        source="s",
        target="t",
        network="mlp",
        network_options={"widths": (4,)},
        batch_size=8,
        device="cpu",
        averaging=0.0,
    )
    fabric = make_fabric(settings)
    ours = _our_steps(domain, domain.unlabelled(), settings, fabric, steps)
    plain = _plain_steps(domain, domain, settings, fabric.device, steps)
    for block in (ours, plain):
        time_block(block, fabric.device)
    differences = []
    for _ in range(repeats):
        seconds = time_block(ours, fabric.device), time_block(plain, fabric.device)
        differences.append(1000 * (seconds[0] - seconds[1]) / steps)
    return statistics.median(differences)


def _spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "minimum": min(values), "maximum": max(values)}


def _pictures(name: str, seed: int) -> Domain:
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (ITEMS, 28, 28, 3), dtype=torch.uint8, generator=generator)
    labels = torch.randint(0, 10, (ITEMS,), generator=generator)
    return Domain(name, ResidentStore(pixels), labels, CLASSES)


def _step_and_loader(
    source: Domain, target: Domain, settings: FitSettings, fabric: Fabric
) -> tuple[Step, BatchLoader]:
    spec = Spec(source.input_shape, source.class_names)
    settings = choose_network(settings, spec)
    network = build_network(settings.network, settings.network_options, spec)
    step = Step(network, make_algorithm(settings), settings.averaging).to(fabric.device)
    make = {"seed": 0, "device": fabric.device}
    loader = BatchLoader(
        make_batches(source, settings.batch_size, purpose="source", **make),  # type: ignore[arg-type]
        make_batches(target, settings.batch_size, purpose="target", **make),  # type: ignore[arg-type]
        fit_preprocessing("mean", source, target),
        Augmentation(),
        None,
        seed=0,
        device=fabric.device,
    )
    return step, loader


def _our_steps(
    source: Domain, target: Domain, settings: FitSettings, fabric: Fabric, block: int
) -> Iterator[None]:
    """Our engine as ``fit`` runs it, ``block`` steps for each ``next``."""
    step, loader = _step_and_loader(source, target.unlabelled(), settings, fabric)
    optimiser = make_optimiser(step, settings)
    wrapped, fast = fabric.setup(step, optimiser)
    logged = train(
        step,
        fast,
        loader.between(0, LIMIT),
        steps=LIMIT,
        pause_at=lambda done: done % block == 0,
        set_rate=lambda progress: set_learning_rate(optimiser, settings, progress),
        backward=fabric.backward,
        forward=wrapped,
    )
    for _ in logged:
        yield None


def _plain_steps(
    source: Domain, target: Domain, settings: FitSettings, device: torch.device, block: int
) -> Iterator[None]:
    """The plain loop, ``block`` steps for each ``next``."""
    images = source.is_image
    assert source.labels is not None
    ours, theirs = contiguous(source, device), contiguous(target, device)
    labels = source.labels.to(device)
    network = plain_network(source.input_shape, len(CLASSES)) if images else _plain_toy()
    network = network.to(device)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    size = settings.batch_size
    for step in range(LIMIT):
        progress = step / LIMIT
        for group in optimiser.param_groups:
            group["lr"] = 0.01 * paper_annealing(progress)
        mine = torch.randint(0, len(ours), (size,), device=device)
        other = torch.randint(0, len(theirs), (size,), device=device)
        source_batch, target_batch = ours[mine].float(), theirs[other].float()
        if images:
            source_batch, target_batch = source_batch / 255 - 0.5, target_batch / 255 - 0.5
        weight = domain_ramp(progress)
        loss = plain_loss(network, source_batch, labels[mine], target_batch, weight)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        if (step + 1) % block == 0:
            yield None


def _plain_toy() -> nn.ModuleList:
    features = nn.Sequential(nn.Flatten(), nn.Linear(4, 4), nn.ReLU())
    return nn.ModuleList([features, nn.Linear(4, 2), plain_domain_head(4)])


def time_block(blocks: Iterator[None], device: torch.device) -> float:
    """Seconds of one block of steps."""
    synchronise(device)
    started = time.perf_counter()
    next(blocks)
    synchronise(device)
    return time.perf_counter() - started
