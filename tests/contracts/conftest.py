"""Small tasks on which every registered name is put to the same tests."""

import numpy as np
import pytest
import torch

from acclimate.algorithms import combination
from acclimate.core.types import Batch, Spec
from acclimate.models.network import build_network
from acclimate.training.loop import train
from acclimate.training.step import Step

CLASSES = ("a", "b", "c")
FEATURES = 6


@pytest.fixture
def spec():
    return Spec((FEATURES,), CLASSES)


@pytest.fixture
def make_batch():
    """Batches of vectors with what the algorithm called ``name`` asks for."""

    def make(name, number=0, source=8, target=8):
        algorithm = combination.make(name, {})
        random = torch.Generator().manual_seed(number)
        labels = torch.arange(source) % len(CLASSES)
        inputs = torch.randn(source, FEATURES, generator=random)
        inputs[:, :3] += 2 * torch.nn.functional.one_hot(labels, 3)
        adapted = torch.randn(target, FEATURES, generator=random) + 1
        weak = adapted + 0.1 * torch.randn(target, FEATURES, generator=random)
        return Batch(
            inputs,
            labels,
            adapted if algorithm.uses_target else None,
            weak if algorithm.uses_teacher else None,
        )

    return make


@pytest.fixture
def make_step(spec):
    """A step of the algorithm called ``name`` with its default options."""

    def make(name, seed=0, averaging=0.0, options=None, **network_options):
        torch.manual_seed(seed)
        algorithm = combination.make(name, options or {})
        if algorithm.keeps_domains_apart:
            network_options["normalisation"] = "domain"
        network = build_network("mlp", {"widths": [12, 10], **network_options}, spec)
        return Step(network, algorithm, averaging)

    return make


@pytest.fixture
def run_steps(make_batch):
    """Train a step with the package's own loop; returns its values at every pause."""

    def run(name, step, *, start=0, stop=6, steps=6, optimiser=None, seed=0, look=None, **options):
        optimiser = optimiser or torch.optim.Adam(
            [p for p in step.parameters() if p.requires_grad], 1e-2
        )
        seen = []
        pauses = train(
            step,
            optimiser,
            (make_batch(name, number) for number in range(start, stop)),
            steps=steps,
            start=start,
            pause_at=lambda done: True,
            set_rate=lambda progress: 1e-2,
            seed=seed,
            **options,
        )
        for logged in pauses:
            seen.append(logged.floats())
            if look is not None:
                look(step)
        return seen, optimiser

    return run


@pytest.fixture
def task_files(tmp_path):
    """A labelled source and target as ``.npz``; the labels of the target can be mixed up."""

    def write(mixed=False):
        random = np.random.default_rng(0)
        paths = []
        for name, shift in (("source", 0.0), ("target", 0.7)):
            labels = np.arange(90) % 3
            inputs = random.normal(shift, 1, (90, FEATURES)).astype(np.float32)
            inputs[:, :3] += 3 * np.eye(3, dtype=np.float32)[labels]
            if mixed and name == "target":
                labels = np.roll(labels, 1)
            path = tmp_path / ("mixed" if mixed else "true") / f"{name}.npz"
            path.parent.mkdir(exist_ok=True)
            np.savez(path, x=inputs, y=labels)
            paths.append(path)
        return paths

    return write
