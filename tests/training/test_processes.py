"""Two processes on the CPU compute what one computes, and leave one run folder."""

import importlib
import json
from pathlib import Path

import pytest
import torch
from own_process import call
from safetensors.torch import load_file

from acclimate.algorithms import algorithms, names_for
from acclimate.core.records import read_record
from acclimate.training.fit import fit
from acclimate.training.inference import load_model
from acclimate.training.step import gains_from_joining

SCRIPT = Path(__file__).with_name("two_processes.py")
# sums of twelve float32 numbers, taken in another order
ROUNDING = {"atol": 2e-6, "rtol": 1e-4}
# after ten steps
DRIFT = {"atol": 1e-5, "rtol": 1e-3}
# each process draws for its own items where losses are not taken of all of them
NAMES = names_for("classification")
alike = [n for n in NAMES if gains_from_joining(algorithms.get(n)()) or not algorithms.get(n).draws]


@pytest.fixture(scope="module")
def script():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPT.parent)
        return importlib.import_module("two_processes")


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """What every rank of two and of three processes ended with, by case."""
    folder = tmp_path_factory.mktemp("ranks")
    done = call(SCRIPT, folder)
    assert done.returncode == 0, done.stderr
    found = {}
    for path in folder.glob("*/*.safetensors"):
        name, _, rank = path.stem.rpartition("-")
        found[int(path.parent.name), name, int(rank)] = load_file(path)
    return found


def alone(script, case):
    """What one process with the joint batch ends with."""
    step = script.make_step(case)
    optimiser = script.make_optimiser(step, script.SETTINGS)
    step.train()
    # as on the ranks: a step may remember what it has looked at
    found = script.gradients(step, step, torch.Tensor.backward)
    return found | script.trained(step, optimiser, None, torch.Tensor.backward)


def check_same(found, expected):
    assert found.keys() == expected.keys()
    assert sum(key.startswith("gradient.") for key in found) >= 3
    for key, value in expected.items():
        tolerance = ROUNDING if key.startswith("gradient.") else DRIFT
        torch.testing.assert_close(found[key], value, **tolerance, msg=lambda m, k=key: f"{k}: {m}")


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_equal_on_all_ranks(name, ended):
    first, second = ended[2, name, 0], ended[2, name, 1]
    assert first.keys() == second.keys()
    for key, value in first.items():
        if key != "losses":
            assert torch.isfinite(value).all(), key
            assert torch.equal(value, second[key]), key


@pytest.mark.parametrize("name", alike)
def test_two_processes_compute_what_one_computes(name, ended, script):
    """Gradients, losses of every step, weights and statistics are those of the joint batch."""
    found = [ended[2, name, rank] for rank in (0, 1)]
    losses = torch.stack([each["losses"] for each in found]).mean(0)
    check_same({**found[0], "losses": losses}, alone(script, script.DEFAULTS[name]))


@pytest.mark.parametrize("count", [2, 3])
def test_joint_losses_are_those_of_one_process(count, ended, script):
    for name, case in script.JOINED.items():
        expected = alone(script, case)
        for rank in range(count):
            check_same(ended[count, f"{name} joined", rank], expected)


def test_losses_of_each_part_are_others(ended, script):
    """Without joining, a discrepancy of six items is not that of twelve."""
    apart, whole = ended[2, "dan apart", 0], ended[2, "dan joined", 0]
    key = "gradient.network.backbone.1.weight"
    assert not torch.allclose(apart[key], whole[key], rtol=0.05)


@pytest.mark.parametrize("name", ["plain", "volumes", "timm", "unscaled", "rows", "source"])
@pytest.mark.parametrize("count", [2, 3])
def test_synchronised_batch_norm_is_that_of_the_joint_batch(count, name, ended, script):
    """Torch's own layer on the joint batch is the reference: outputs, gradients, running statistics."""
    norm, shape = script.norms()[name]
    if shape[0] % count:
        pytest.skip("as many items on every rank")
    found = [ended[count, f"norm {name}", rank] for rank in range(count)]
    expected = script.normalised(norm, shape)
    for key, value in expected.items():
        ranks = [each[key] for each in found]
        if key in ("output", "inputs"):
            ranks = [torch.stack(ranks, 1).flatten(0, 1)]
        elif key.startswith("gradient."):
            ranks = [torch.stack(ranks).sum(0)]
        # the layer of source statistics takes them in float32, whatever the inputs are
        close = {"atol": 1e-4, "rtol": 1e-5} if name == "source" else {}
        for each in ranks:
            torch.testing.assert_close(each, value, **close)


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
