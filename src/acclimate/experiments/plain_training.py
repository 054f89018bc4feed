"""The plain loop trained on a task, a part at a time, and looked at after each part."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from acclimate.core.errors import RunError
from acclimate.core.schedules import LEARNING_RATE_SCHEDULES, domain_ramp
from acclimate.core.seeding import derive_seed
from acclimate.data.preprocessing import fit_preprocessing
from acclimate.experiments.plain_loop import contiguous, plain_loss, plain_network, synchronise
from acclimate.training.checkpoint import latest_checkpoint, restore, save_checkpoint
from acclimate.training.evaluate import oracle_curve_items
from acclimate.training.settings import FitSettings
from acclimate.training.task import Task


@dataclass(frozen=True)
class Look:
    """A model after ``seconds`` of training: the score it is chosen by, and its target accuracy (oracle)."""

    step: int
    seconds: float
    score: float
    accuracy: float


class PlainTraining:
    """The paper's MNIST network by the hand-written loop; its current weights are what it gives.

    Of ``settings`` it takes batch size, learning rate, schedule, momentum, length, evaluations
    and seed. Saved in ``folder`` after every part, and continued from there.
    """

    def __init__(
        self, task: Task, settings: FitSettings, device: torch.device, folder: Path
    ) -> None:
        train, labels = task.source.train, task.source.train.labels
        assert labels is not None
        if task.oracle_labels is None:
            raise RunError("the target has no labels, so there is no accuracy to reach")
        self._settings, self._device, self._folder = settings, device, folder
        self._source, self._labels = contiguous(train, device), labels.to(device)
        self._target = contiguous(task.target.adapt, device)
        self._test = contiguous(task.target.evaluate, device)
        self._test_labels = task.oracle_labels.to(device)
        mean = fit_preprocessing("mean", train, task.target.adapt).mean
        self._mean = torch.tensor(mean, device=device).view(1, -1, 1, 1)
        torch.manual_seed(derive_seed(settings.seed, "plain network"))
        self.network = plain_network(task.spec.input_shape, task.spec.class_count).to(device)
        self._optimiser = torch.optim.SGD(
            self.network.parameters(), settings.learning_rate, momentum=settings.momentum
        )
        self.steps = settings.step_count(len(train))
        self._interval = max(1, math.ceil(self.steps / settings.evaluations))
        self.looks: list[Look] = []
        self._restore()

    @property
    def done(self) -> int:
        return self.looks[-1].step if self.looks else 0

    @property
    def goes_on(self) -> bool:
        """Whether there is a part left to train."""
        return self.done < self.steps

    def next_part(self) -> Look:
        """Train up to the next evaluation; returns what it found."""
        start, stop = self.done, min(self.done + self._interval, self.steps)
        # from where it begins, so that a part is the same after an interruption
        torch.manual_seed(derive_seed(self._settings.seed, "plain loop", start))
        before = self.looks[-1].seconds if self.looks else 0.0
        synchronise(self._device)
        started = time.perf_counter()
        for step in range(start, stop):
            self._step(step / self.steps)
        synchronise(self._device)
        seconds = before + time.perf_counter() - started
        # the score is the step: of its weights a plain loop has only the last
        self.looks.append(Look(stop, seconds, float(stop), self._curve_accuracy()))
        notes = {"looks": [asdict(look) for look in self.looks]}
        save_checkpoint(self._folder, stop, self.network, self._optimiser, notes)
        return self.looks[-1]

    def _step(self, progress: float) -> None:
        settings, size = self._settings, self._settings.batch_size
        for group in self._optimiser.param_groups:
            group["lr"] = settings.learning_rate * LEARNING_RATE_SCHEDULES[settings.schedule](
                progress
            )
        mine = torch.randint(0, len(self._source), (size,), device=self._device)
        other = torch.randint(0, len(self._target), (size,), device=self._device)
        loss = plain_loss(
            self.network,
            self._inputs(self._source[mine]),
            self._labels[mine],
            self._inputs(self._target[other]),
            domain_ramp(progress),
        )
        self._optimiser.zero_grad()
        torch.autograd.backward(loss)
        self._optimiser.step()

    def _inputs(self, stored: Tensor) -> Tensor:
        return stored.float() / 255 - self._mean

    def accuracy(self) -> float:
        """On all of the target's test items."""
        return self._accuracy_on(torch.arange(len(self._test)))

    def _curve_accuracy(self) -> float:
        """On the items that our curves are measured on."""
        return self._accuracy_on(oracle_curve_items(len(self._test)))

    @torch.no_grad()
    def _accuracy_on(self, items: Tensor) -> float:
        features, label_head, _ = self.network
        right = 0
        for part in items.to(self._device).tensor_split(math.ceil(len(items) / 1000)):
            predicted = label_head(features(self._inputs(self._test[part]))).argmax(1)
            right += int((predicted == self._test_labels[part]).sum())
        return right / len(items)

    def _restore(self) -> None:
        checkpoint = latest_checkpoint(self._folder)
        if checkpoint is not None:
            restore(checkpoint, self.network, self._optimiser)
            self.looks = [Look(**look) for look in checkpoint.notes["looks"]]
