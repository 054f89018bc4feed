"""A task that trains in a second, and readers of what a run leaves behind."""

import csv

import numpy as np
import pytest
from safetensors import safe_open

from acclimate.training.settings import make_settings

FEATURES = 6


@pytest.fixture(scope="session")
def task_files(tmp_path_factory):
    """Source and target as ``.npz``: three classes of vectors, the target shifted."""
    folder = tmp_path_factory.mktemp("task")
    random = np.random.default_rng(0)
    for name, shift in (("source", 0.0), ("target", 0.7)):
        labels = np.arange(120) % 3
        inputs = random.normal(shift, 1, (120, FEATURES)).astype(np.float32)
        inputs[:, :3] += 3 * np.eye(3, dtype=np.float32)[labels]
        np.savez(folder / f"{name}.npz", x=inputs, y=labels)
    return folder / "source.npz", folder / "target.npz"


@pytest.fixture
def settings_of(task_files):
    """Settings of a short run on the tiny task."""

    def make(**chosen):
        source, target = task_files
        values = {
            "source": str(source),
            "target": str(target),
            "steps": 12,
            "batch_size": 8,
            "evaluations": 4,
            "log_every": 2,
            "device": "cpu",
            **chosen,
        }
        return make_settings(**values)

    return make


@pytest.fixture
def rows_of():
    """``metrics.csv`` without the column that may differ between equal runs."""

    def read(folder):
        with open(folder / "metrics.csv", newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            del row["seconds"]
        return rows

    return read


@pytest.fixture
def tensors_of():
    """Names and bytes of all tensors in a safetensors file; the notes beside them hold seconds."""

    def read(path):
        with safe_open(path, framework="np") as file:
            return {name: file.get_tensor(name).tobytes() for name in file.keys()}  # noqa: SIM118

    return read


@pytest.fixture
def outcome_of():
    """What two equal runs have in common: the record without times and places."""

    def read(record):
        kept = record.model_dump(mode="json")
        for key in (
            "created",
            "finished",
            "command",
            "environment",
            "training_seconds",
            "images_per_second",
            "peak_memory_mib",
        ):
            del kept[key]
        for evaluation in kept["evaluations"]:
            del evaluation["seconds"]
        return kept

    return read
