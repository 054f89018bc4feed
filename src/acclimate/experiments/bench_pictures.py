"""Pictures a second, from files to augmented batches: ours beside a plain ImageFolder and DataLoader."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor

from acclimate.core.errors import ConfigurationError
from acclimate.core.seeding import generator
from acclimate.data.augmentation import augmentation_pair
from acclimate.data.batches import make_batches
from acclimate.data.loader import seen
from acclimate.data.picture_cache import PictureCache
from acclimate.data.preprocessing import Preprocessing
from acclimate.data.sources import open_domain
from acclimate.experiments.own_process import in_own_process
from acclimate.experiments.watched import Watched
from acclimate.training.devices import keep_freed_memory

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
STORED, SEEN = 256, 224


@dataclass(frozen=True)
class Rates:
    """Pictures a second by epoch, ours and theirs, and seconds until our first batch in a later run.

    ``memory_mib``: the most memory of its own, mapped files apart, that our side takes to decode all
    pictures and to go through them twice, beyond what it has before.
    """

    pictures: int
    ours: list[list[float]]
    theirs: list[list[float]]
    second_start: list[float]
    memory_mib: float

    @property
    def ratio(self) -> float:
        """Median over rounds of ours / theirs, all epochs but the first."""
        return median(
            sum(ours[1:]) / sum(theirs[1:])
            for ours, theirs in zip(self.ours, self.theirs, strict=True)
        )


def bench_pictures(
    folder: Path,
    *,
    rounds: int,
    epochs: int,
    batch_size: int,
    workers: int,
    memory_mib: int,
    said: Callable[[str], None] = lambda line: None,
) -> Rates:
    """Alternate both loaders over a folder of class folders, ``rounds`` times ``epochs`` epochs.

    Both keep 256 pixels of the short side, cut a random square of 224 out, mirror half of the pictures
    and normalise. Ours decodes into a cache of its own, made anew in each round, and holds at most
    ``memory_mib`` in memory. Raises ``ConfigurationError`` for fewer than two epochs.
    """
    if epochs < 2:
        raise ConfigurationError(
            f"--epochs {epochs}: the second is what is compared; give 2 or more"
        )
    ours, theirs, starts, count = [], [], [], 0
    for number in range(1, rounds + 1):
        with tempfile.TemporaryDirectory(prefix="acclimate-bench-") as place:
            cache = PictureCache(Path(place), 1 << 40)
            count, rates = _timed(partial(_ours, folder, cache, batch_size, memory_mib), epochs)
            ours.append(rates)
            start = time.perf_counter()
            next(_ours(folder, cache, batch_size, memory_mib)[1](0))
            starts.append(time.perf_counter() - start)
        theirs.append(_timed(partial(_plain, folder, batch_size, workers), epochs)[1])
        said(
            f"round {number}: ours {_line(ours[-1])}, ImageFolder {_line(theirs[-1])} pictures a second; "
            f"a later run's first batch after {starts[-1]:.1f} s"
        )
    memory = in_own_process(
        "ours", _memory, folder, batch_size, memory_mib, torch.get_num_threads()
    )
    return Rates(count, ours, theirs, starts, memory)


def _memory(folder: Path, batch_size: int, memory_mib: int, threads: int) -> float:
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory(prefix="acclimate-bench-") as place:
        cache = PictureCache(Path(place), 1 << 40)
        with Watched(own=True) as watched:
            _, epoch = _ours(folder, cache, batch_size, memory_mib)
            for number in range(2):
                for _ in epoch(number):
                    pass
    return watched.mib


Epochs = tuple[int, Callable[[int], Iterator[Tensor]]]


def _timed(opened: Callable[[], Epochs], epochs: int) -> tuple[int, list[float]]:
    """Pictures in an epoch, and pictures a second of each; opening belongs to the first."""
    start, rates = time.perf_counter(), []
    count, epoch = opened()
    for number in range(epochs):
        seen = sum(len(batch) for batch in epoch(number))
        rates.append(seen / (time.perf_counter() - start))
        start = time.perf_counter()
    return count, rates


def _ours(folder: Path, cache: PictureCache, batch_size: int, memory_mib: int) -> Epochs:
    keep_freed_memory()  # as a run does
    domain = open_domain(
        folder,
        labels="required",
        size=STORED,
        fit="crop",
        cache=cache,
        resident_limit=memory_mib << 20,
    )
    device = torch.device("cpu")
    batches = make_batches(domain, batch_size, seed=0, purpose="bench", device=device)
    augmentation = augmentation_pair("crop-flip")[0]
    look = Preprocessing(kind="network", mean=MEAN, deviation=DEVIATION, crop=SEEN)
    steps = len(domain) // batch_size

    def epoch(number: int) -> Iterator[Tensor]:
        for step, stored in enumerate(batches.between(number * steps, (number + 1) * steps)):
            draws = generator(0, "bench", number, step)
            yield seen(stored.items, augmentation, look, draws)

    return len(domain), epoch


def _plain(folder: Path, batch_size: int, workers: int) -> Epochs:
    from torchvision import datasets, transforms

    change: Any = transforms.Compose(
        [
            transforms.Resize(STORED),
            transforms.RandomCrop(SEEN),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, DEVIATION),
        ]
    )
    found = datasets.ImageFolder(str(folder), change)
    loader: Any = torch.utils.data.DataLoader(
        found,
        batch_size=batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
    )

    def epoch(number: int) -> Iterator[Tensor]:
        for inputs, _ in loader:
            yield inputs

    return len(found), epoch


def _line(rates: list[float]) -> str:
    return " / ".join(f"{rate:.0f}" for rate in rates)
