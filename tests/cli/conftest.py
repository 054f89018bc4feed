"""A tiny model in a run folder, pictures, and a way to run the command line in this process."""

from typing import NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image

from acclimate.cli.main import run
from acclimate.core.records import DomainSummary, Environment, RunRecord
from acclimate.core.types import Spec
from acclimate.models.files import ModelDescription, save_model
from acclimate.models.network import build_network

CLASSES = ("cat", "dog", "owl")


class Done(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def acclimate(capsys, monkeypatch, tmp_path):
    """Run one command line in an empty folder; data and cache of the machine are out of sight."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ACCLIMATE_DATA", raising=False)
    monkeypatch.delenv("ACCLIMATE_DEBUG", raising=False)
    monkeypatch.setenv("ACCLIMATE_CACHE", str(tmp_path / "cache"))

    def call(*arguments):
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return call


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
