"""Two processes on the CPU compute what one computes, and leave one run folder."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from acclimate.algorithms import algorithms
from acclimate.core.records import read_record
from acclimate.training.fit import fit
from acclimate.training.inference import load_model

SCRIPT = Path(__file__).with_name("two_processes.py")
# sums of eight float32 numbers, taken in another order
ROUNDING = {"atol": 2e-6, "rtol": 1e-4}
# the others' losses, and what they draw, are of the part that a process sees
item_by_item = [n for n, kind in algorithms.items() if not (kind.compares_items or kind.draws)]


def call(*arguments):
    """Run Python in a process of its own that cannot see how this one was started."""
    launched = ("LOCAL_RANK", "RANK", "WORLD_SIZE", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT")
    environment = {k: v for k, v in os.environ.items() if k not in launched}
    environment["OMP_NUM_THREADS"] = "1"
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=240,
        check=False,
    )


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("two_processes", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    """What both ranks ended with, by algorithm."""
    folder = tmp_path_factory.mktemp("ranks")
    done = call(SCRIPT, folder)
    assert done.returncode == 0, done.stderr
    return {
        name: [load_file(folder / f"{name}-{rank}.safetensors") for rank in (0, 1)]
        for name in algorithms.names()
    }


@pytest.mark.parametrize("name", algorithms.names())
def test_parameters_are_equal_on_all_ranks(name, ranks):
    first, second = ranks[name]
    assert first.keys() == second.keys()
    for key, value in first.items():
        # of BatchNorm, rank 0's statistics are those of the model
        if not key.endswith(("running_mean", "running_var")):
            assert torch.isfinite(value).all(), key
            assert torch.equal(value, second[key]), key


@pytest.mark.parametrize("name", item_by_item)
def test_mean_gradient_is_that_of_the_joint_batch(name, ranks, script):
    step = script.make_step(name)
    step.train()
    expected = script.gradients(step, step, torch.Tensor.backward)
    assert len(expected) >= 6
    for key, value in expected.items():
        torch.testing.assert_close(ranks[name][0][f"gradient.{key}"], value, **ROUNDING)


@pytest.mark.parametrize("name", item_by_item)
def test_weights_are_those_of_one_process(name, ranks, script):
    step = script.make_step(name)
    optimiser = script.make_optimiser(step, script.SETTINGS)
    # as on the ranks: a step may remember what it has looked at
    script.gradients(step, step, torch.Tensor.backward)
    expected = script.weights_after_training(step, optimiser, None, torch.Tensor.backward)
    for key, value in expected.items():
        torch.testing.assert_close(ranks[name][0][key], value, atol=1e-5, rtol=1e-3)


def test_the_command_with_two_processes(task_files, settings_of, tensors_of, tmp_path):
    """One readable folder, one voice, and nearly the weights of one process."""
    chosen = {"algorithm": "dann", "augmentation": "none", "optimiser": "sgd"}
    source, target = task_files
    options = ["--source", source, "--target", target, "--output", tmp_path / "two"]
    options += ["--steps", 12, "--batch-size", 8, "--evaluations", 4, "--log-every", 2]
    options += ["--algorithm", "dann", "--augmentation", "none", "--optimiser", "sgd"]
    options += ["--devices", 2, "--device", "cpu", "--no-report", "--json"]
    done = call("-m", "acclimate", "fit", *options)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    said = json.loads(done.stdout)
    assert said["run"] == str(tmp_path / "two")

    record = read_record(tmp_path / "two")
    assert record.status == "finished"
    assert record.environment.world_size == 2
    assert record.verdict is not None
    assert [each.step for each in record.evaluations] == [3, 6, 9, 12]
    assert read_record(tmp_path / "two" / "baseline").status == "finished"
    load_model(tmp_path / "two")
    rows = (tmp_path / "two" / "metrics.csv").read_text().splitlines()
    assert len(rows) == 1 + len({2, 3, 4, 6, 8, 9, 10, 12})

    alone = fit(settings_of(**chosen), tmp_path / "one")
    for ours, theirs in zip(alone.evaluations, record.evaluations, strict=True):
        assert ours.scores == pytest.approx(theirs.scores, abs=1e-4)
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    for key, value in one.items():
        torch.testing.assert_close(two[key], value, atol=1e-5, rtol=1e-3)


def test_a_mistake_is_said_once(task_files, tmp_path):
    source, target = task_files
    options = ["--source", source, "--target", target, "--devices", 2, "--device", "cpu"]
    (tmp_path / "photo.txt").write_text("dear")
    done = call("-m", "acclimate", "fit", *options, "--output", tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("not empty and holds no run") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["photo.txt"]
