"""A tiny model in a run folder, and pictures."""

import numpy as np
import pytest
import torch
from PIL import Image

from acclimate.core.records import DomainSummary, Environment, RunRecord
from acclimate.core.types import Spec
from acclimate.models.files import ModelDescription, save_model
from acclimate.models.network import build_network
from acclimate.training.evaluate import store_evidence
from acclimate.validators import Evidence

CLASSES = ("cat", "dog", "owl")


@pytest.fixture
def run_folder(tmp_path):
    """A finished run: an untrained network for 28×28 colour pictures of three classes."""
    folder = tmp_path / "run"
    torch.manual_seed(0)
    spec = Spec((3, 28, 28), CLASSES)
    options = {"normalisation": "none"}
    description = ModelDescription(
        network="mnist-cnn",
        options=options,
        input_shape=spec.input_shape,
        class_names=CLASSES,
        preprocessing={"kind": "per-image"},
    )
    save_model(folder, build_network("mnist-cnn", options, spec), description)
    domain = DomainSummary(name="pets", shape=(3, 28, 28), class_names=list(CLASSES), items={})
    RunRecord(
        status="finished",
        created="2026-01-01T00:00:00+00:00",
        command="acclimate fit",
        algorithm="source-only",
        settings={"seed": 0},
        environment=Environment(
            acclimate="0",
            python="3",
            torch="2",
            platform="test",
            processor="test",
            device="cpu",
            precision="32",
            threads=1,
        ),
        source=domain,
        target=domain,
    ).write(folder)
    outputs, labels = torch.randn(2, 12, 3), torch.arange(12) % 3
    evidence = Evidence(outputs[0], outputs[0], labels, outputs[1], outputs[1])
    (folder / "evaluations").mkdir()
    store_evidence(folder / "evaluations" / "step-00000010.npz", evidence)
    return folder


@pytest.fixture
def pictures(tmp_path):
    """A folder with a folder for each class, of ten pictures each."""
    folder = tmp_path / "pictures"
    draws = np.random.default_rng(0)
    for name in CLASSES:
        (folder / name).mkdir(parents=True)
        for number in range(10):
            pixels = draws.integers(0, 256, (20, 30, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder
