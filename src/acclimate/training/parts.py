"""What a run is built of, from its settings: algorithm, step, batches."""

from __future__ import annotations

from typing import Any

import torch
from lightning_fabric import Fabric

from acclimate.algorithms import Algorithm, algorithms
from acclimate.core.seeding import derive_seed
from acclimate.data.augmentation import augmentation_pair
from acclimate.data.batches import make_batches
from acclimate.data.domain import Domain
from acclimate.data.loader import BatchLoader
from acclimate.models import build_network
from acclimate.training.settings import FitSettings
from acclimate.training.step import Step
from acclimate.training.task import Task


def make_algorithm(settings: FitSettings) -> Algorithm:
    """The configured algorithm; errors name the unknown name or option and the near miss."""
    kind = algorithms.get(settings.algorithm)
    return kind.build(f"algorithm {settings.algorithm}", settings.algorithm_options)


def make_step(settings: FitSettings, task: Task) -> Step:
    """Network and algorithm with the weights that ``settings.seed`` gives them."""
    with torch.random.fork_rng():
        torch.manual_seed(derive_seed(settings.seed, "network"))
        network = build_network(settings.network, settings.network_options, task.spec)
        torch.manual_seed(derive_seed(settings.seed, "modules"))
        return Step(network, make_algorithm(settings), settings.averaging)


def make_loader(
    settings: FitSettings, labelled: Domain, task: Task, algorithm: Algorithm, fabric: Fabric
) -> BatchLoader:
    """Batches of the labelled items and of the target for every step, on the device."""
    weak, strong = augmentation_pair(settings.augmentation)
    common: dict[str, Any] = {
        "seed": settings.seed,
        "device": fabric.device,
        "rank": fabric.global_rank,
        "ranks": fabric.world_size,
        "workers": settings.workers,
    }
    size = settings.batch_size
    source = make_batches(labelled, size, purpose="source", **common)
    target = None
    if algorithm.uses_target:
        target = make_batches(task.target.adapt, size, purpose="target", **common)
    return BatchLoader(
        source,
        target,
        task.preprocessing,
        weak,
        strong if algorithm.uses_strong_view else None,
        settings.seed,
        fabric.device,
        fabric.global_rank,
    )
