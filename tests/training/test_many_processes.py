"""A process that ends takes the others along, with its reason; a run goes on with any number of them."""

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from own_process import LAUNCHED, call
from safetensors.torch import load_file

from acclimate.cli.processes import started_together
from acclimate.core.errors import ConfigurationError
from acclimate.core.records import read_record
from acclimate.data.batches import BalancedOrder, Order, WeightedOrder, make_batches
from acclimate.data.domain import Domain, ResidentStore
from acclimate.training.checkpoint import latest_checkpoint
from acclimate.training.devices import make_fabric

SCRIPT = Path(__file__).with_name("many_processes.py")


@pytest.fixture(scope="module")
def scenes(task_files, tmp_path_factory):
    """The folder of all runs, and by name what came of each: codes, seconds, said."""
    folder = tmp_path_factory.mktemp("scenes")
    done = call(SCRIPT, folder, *task_files)
    assert done.returncode == 0, done.stderr
    return folder, json.loads((folder / "found.json").read_text())


def errors(scene):
    return [
        line for said in scene["said"] for line in said.splitlines() if line.startswith("error: ")
    ]


@pytest.mark.parametrize(
    ("name", "codes", "said"),
    [
        ("three", [2, -9, 2], "process 2 of 3 has gone without a word"),
        ("two", [2, 2], "process 2 of 2 failed: photos/cat.jpg: not a picture; take it away"),
        ("first", [-9, 2], "process 1 of 2 has gone without a word"),
        ("stuck", [-9, 2], "process 1 of 2 has gone without a word"),
        ("odd", [2, 2], "a batch of 7 cannot be shared evenly by 2 processes"),
    ],
)
def test_the_others_stop_and_one_says_why(scenes, name, codes, said):
    scene = scenes[1][name]
    assert scene["codes"] == codes
    assert [line.partition(";")[0] for line in errors(scene)] == [
        f"error: {said}".partition(";")[0]
    ]
    assert said in errors(scene)[0]
    assert not any("Traceback" in text for text in scene["said"])
    # gloo by itself waits for half an hour
    assert max(scene["seconds"]) < 60


def test_an_unexpected_error_is_told_too(scenes):
    scene = scenes[1]["bug"]
    assert scene["codes"] == [2, 1]
    ours, theirs = errors(scene)
    assert "process 2 of 2 failed: ValueError: two lines; of a bug" in ours
    assert "unexpected ValueError: two lines; of a bug" in theirs


def test_an_interruption_of_the_first_ends_all(scenes):
    scene = scenes[1]["interrupted"]
    assert scene["codes"] == [130, 2]
    assert not errors(scene)
    assert "interrupted; to go on: acclimate fit" in scene["said"][0]


@pytest.mark.parametrize(
    ("name", "status"),
    [("bug", "failed"), ("interrupted", "interrupted"), ("first", "running"), ("odd", None)],
)
def test_nothing_is_half_written(scenes, name, status):
    folder = scenes[0] / name
    assert not list(folder.rglob("*.part"))
    if status is None:
        assert not (folder / "record.json").exists()
        return
    assert read_record(folder).status == status
    checkpoint = latest_checkpoint(folder)
    assert checkpoint is not None
    assert checkpoint.step == 3


@pytest.mark.parametrize("name", ["three", "two", "one"])
def test_a_run_goes_on_with_another_number_of_processes(scenes, name):
    """From 3 to 2, from 2 to 1, from 1 to 3: the losses, weights and scores of one that never stopped."""
    folder, found = scenes
    assert set(found[f"{name} again"]["codes"]) == {0}
    whole, again = read_record(folder / "whole"), read_record(folder / name)
    assert again.status == "finished"
    for ours, theirs in zip(again.evaluations, whole.evaluations, strict=True):
        assert ours.scores == pytest.approx(theirs.scores, abs=1e-4)
    expected = load_file(folder / "whole" / "model.safetensors")
    weights = load_file(folder / name / "model.safetensors")
    for key, value in expected.items():
        torch.testing.assert_close(weights[key], value, atol=1e-5, rtol=1e-3)
    rows = [(folder / run / "metrics.csv").read_text().splitlines() for run in ("whole", name)]
    assert len(rows[0]) == len(rows[1])


@pytest.mark.parametrize("name", ["torchrun", "srun"])
def test_processes_that_are_there_need_no_options(scenes, name):
    """They share one run, and the first one alone writes and speaks."""
    folder, found = scenes
    scene = found[name]
    assert scene["codes"] == [0, 0]
    record = read_record(folder / name)
    assert (record.environment.world_size, record.settings["devices"]) == (2, 2)
    assert json.loads(scene["said"][0][scene["said"][0].index("{\n") :])["run"] == str(
        folder / name
    )
    assert scene["said"][1] == ""
    expected = load_file(folder / "whole" / "model.safetensors")
    for key, value in load_file(folder / name / "model.safetensors").items():
        torch.testing.assert_close(value, expected[key], atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("name", ["pictures", "table"])
def test_shared_predictions_are_those_of_one_process(scenes, name):
    """The same table, byte for byte, in the same order, and the same pictures skipped."""
    folder, found = scenes
    assert set(found[name]["codes"]) == {0}
    assert not any(found[name]["said"])
    for ending in ("csv", "skipped"):
        many, one = (folder / f"{name}-{who}.{ending}" for who in ("many", "one"))
        assert many.read_bytes() == one.read_bytes()
    lines = (folder / f"{name}-many.csv").read_text().splitlines()
    assert len(lines) == 1 + {"pictures": 9, "table": 120}[name]


def test_shared_predictions_of_nothing_readable(scenes):
    folder, found = scenes
    assert found["nothing"]["codes"] == [2, 2]
    (said,) = errors(found["nothing"])
    assert "none of 2 pictures can be read" in said
    assert not (folder / "nothing-many.csv").exists()


def test_a_killed_process_of_our_own_launcher(task_files, tmp_path):
    """It is named with the signal, and nobody is left behind."""
    source, target = task_files
    options = [
        "--source",
        source,
        "--target",
        target,
        "--output",
        tmp_path / "run",
        "--no-baseline",
    ]
    options += ["--steps", 12, "--batch-size", 8, "--evaluations", 4, "--device", "cpu"]
    done = call(SCRIPT, "killed", "fit", *options, "--devices", 2, "--no-report")
    assert done.returncode == 2, done.stderr
    (said,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "process 2 of 2 was killed (SIGKILL, perhaps for want of memory)" in said
    assert "Traceback" not in done.stderr
    assert read_record(tmp_path / "run").status == "failed"
    assert not list((tmp_path / "run").rglob("*.part"))
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not any(str(tmp_path / "run").encode() in command for command in commands)


# -- what needs no processes ----------------------------------------------------------------------


@given(
    count=st.integers(12, 60),
    ranks=st.integers(1, 4),
    each=st.integers(1, 3),
    step=st.integers(0, 40),
    seed=st.integers(0, 99),
    kind=st.sampled_from(["plain", "balanced", "weighted"]),
)
def test_parts_of_all_ranks_are_the_joint_batch(count, ranks, each, step, seed, kind):
    """Without repeats, in the order of the joint batch: item i is on rank i mod W."""
    size = ranks * each
    places = torch.arange(count) % 3 if kind == "balanced" else None
    weights = torch.arange(1.0, count + 1) if kind == "weighted" else None
    items = torch.arange(count, dtype=torch.float32)[:, None]
    domain = Domain(
        "numbers", ResidentStore(items), None, ("a", "b"), places=places, weights=weights
    )
    parts = []
    for rank in range(ranks):
        batches = make_batches(
            domain,
            size,
            seed=seed,
            purpose="source",
            device=torch.device("cpu"),
            rank=rank,
            ranks=ranks,
        )
        (part,) = batches.between(step, step + 1)
        parts.append(part.items[:, 0].long())
    order = {
        "plain": lambda: Order(count, size, seed, "source"),
        "balanced": lambda: BalancedOrder(places, size, seed, "source"),
        "weighted": lambda: WeightedOrder(weights, size, seed, "source"),
    }[kind]()
    joint = torch.stack(parts, 1).flatten()
    assert torch.equal(joint, order.at(step))
    within_epoch = (step * size) // count == ((step + 1) * size - 1) // count
    if kind == "plain" and within_epoch:
        assert len(set(joint.tolist())) == size


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({}, None),
        ({"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4"}, (4, 2)),
        ({"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1"}, None),
        ({"SLURM_STEP_NUM_TASKS": "6", "SLURM_STEP_NUM_NODES": "3"}, (2, 3)),
        # a batch script that has not called srun: one process
        ({"SLURM_NTASKS": "6", "SLURM_NNODES": "3"}, None),
        # started by our own launcher, which was told the number
        ({"WORLD_SIZE": "2", "LOCAL_RANK": "1"}, None),
    ],
)
def test_processes_that_are_there_already(variables, found, monkeypatch):
    for name in (*LAUNCHED, "LOCAL_WORLD_SIZE", "TORCHELASTIC_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert started_together() == found


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"strategy": "fsdp"}, "give --strategy ddp"),
        ({"devices": 2, "precision": "16"}, "precision 16 needs a GPU"),
    ],
)
def test_what_does_not_work_is_said_in_one_line(chosen, said, settings_of):
    with pytest.raises(ConfigurationError, match=said):
        make_fabric(settings_of(**chosen))
