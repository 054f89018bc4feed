"""The main command as its user meets it: defaults, what is left behind, going on."""

import csv
import json
import os
import re
from pathlib import Path
from typing import Literal, get_args, get_origin

import pytest
import torch
from typer.main import get_command

from acclimate.cli import processes
from acclimate.cli.fit_settings import default_folder, new_settings
from acclimate.cli.main import build_app
from acclimate.core.records import read_record
from acclimate.core.schedules import LEARNING_RATE_SCHEDULES
from acclimate.data.augmentation import PRESETS
from acclimate.training.protocols import PROTOCOLS
from acclimate.training.settings import FitSettings, make_settings

QUICK = ("--steps", "2", "--batch-size", "2", "--evaluations", "1", "--no-report")


def options_of_fit():
    return get_command(build_app()).commands["fit"].params


def test_defaults_in_the_help_are_the_settings_own():
    shown = {
        option.name: option.show_default
        for option in options_of_fit()
        if isinstance(option.show_default, str) and option.name in FitSettings.model_fields
    }
    computed = {"steps": "5000", **{name: shown[name] for name in ("size", "channels", "id")}}
    computed |= {name: shown[name] for name in ("resize", "width", "joint_losses")}
    own = {name: str(FitSettings.model_fields[name].default) for name in shown}
    own["sync_batch_norm"] = "sync-batch-norm"  # as its flag is written
    # a frozen backbone, and any backbone, may have defaults of their own
    before = {name: text.partition(", ")[0] for name, text in shown.items() if name not in computed}
    assert {**before, **{name: shown[name] for name in computed}} == {**own, **computed}
    assert make_settings(source="a", target="b").step_count(100) == int(computed["steps"])


def choices_of(annotation):
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return tuple(choice for part in get_args(annotation) for choice in choices_of(part))


def test_the_help_names_every_choice():
    choices = {name: choices_of(f.annotation) for name, f in FitSettings.model_fields.items()}
    choices |= {"schedule": LEARNING_RATE_SCHEDULES, "augmentation": PRESETS, "protocol": PROTOCOLS}
    help_of = {option.name: option.help for option in options_of_fit()}
    assert {len(choices[name]) for name in ("optimiser", "preprocessing")} == {3, 5}
    left_out = {
        name: [each for each in known if str(each) not in help_of[name]]
        for name, known in choices.items()
        if name in help_of
    }
    assert not any(left_out.values()), left_out


def test_every_setting_has_an_option():
    names = {option.name for option in options_of_fit()}
    own = {name for name in FitSettings.model_fields if not name.endswith("_options")}
    assert own - names <= {"split_seed", "loggers"}
    assert "logger" in names


def test_as_many_threads_as_asked_for(acclimate, pictures, monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", str(before))
    try:
        done = acclimate(
            *("fit", "--source", "pictures", "--target", "pictures", "--output", "out", *QUICK),
            *("--no-baseline", "--no-predictions", "--threads", before + 1),
        )
        assert done.code == 0, done.err
        assert read_record(Path("out")).environment.threads == before + 1
        # for processes that it starts
        assert os.environ["OMP_NUM_THREADS"] == str(before + 1)
        # a run that goes on sums in the order in which it began, and options may be said again
        torch.set_num_threads(before)
        assert acclimate("fit", "--output", "out", "--resume").code == 0
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)


def test_predictions_of_the_whole_target_are_those_of_predict(acclimate, pictures):
    done = acclimate(
        *("fit", "--source", "pictures", "--target", "pictures", "--output", "out", *QUICK),
        *("--no-baseline", "--unlabelled-target", "--json"),
    )
    assert done.code == 0, done.err
    assert json.loads(done.out)["predictions"] == "out/predictions.csv"
    acclimate("predict", "out", "pictures", "--output", "again.csv")
    written = (pictures.parent / "out" / "predictions.csv").read_text()
    assert written == (pictures.parent / "again.csv").read_text()
    assert len(written.splitlines()) == 31


def test_a_registered_target_is_predicted_with_both_splits(acclimate, tmp_path):
    done = acclimate(
        *("fit", "--source", "digits", "--target", "digits-m", "--output", "out", "--no-baseline"),
        *QUICK,
    )
    assert done.code == 0, done.err
    with open(tmp_path / "out" / "predictions.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    items = read_record(tmp_path / "out").target.items
    assert len(rows) == sum(items.values())
    assert len({row["file"] for row in rows}) == len(rows)
    assert {re.sub(r"\d+$", "", row["file"]).rsplit("/", 2)[1] for row in rows} == {"train", "test"}


def test_no_predictions_where_none_are_wanted(acclimate, pictures, tmp_path):
    done = acclimate(
        *("fit", "--source", pictures, "--target", pictures, "--output", "out", *QUICK),
        *("--no-baseline", "--no-predictions", "--json"),
    )
    assert json.loads(done.out)["predictions"] is None
    assert not (tmp_path / "out" / "predictions.csv").exists()


def test_going_on_with_the_same_command_or_with_the_folder_alone(
    acclimate, pictures, tmp_path, monkeypatch
):
    line = ("fit", "--source", pictures, "--target", pictures, "--no-baseline", *QUICK)
    monkeypatch.setattr("sys.argv", ["acclimate", *map(str, line)])  # what the record keeps
    assert acclimate(*line).code == 0
    assert acclimate(*line).code == 2  # taken
    done = acclimate(*line, "--resume", "--json")
    assert done.code == 0, done.err
    folder = json.loads(done.out)["run"]
    assert folder == "acclimate-runs/pictures-to-pictures-dann-self-training-seed0"
    done = acclimate("fit", "--output", folder, "--resume", "--json", "--no-report")
    assert done.code == 0, done.err
    # begun without a baseline, so none is trained now
    assert not (tmp_path / folder / "baseline").exists()
    for options, said in (
        (["--steps", "3"], "steps was 2 and is now 3"),
        (["--set", "algorithm.weight=0.5"], "algorithm_options"),
        (["--protocol", "paper"], "--protocol"),
        (["--lr", "0"], "--lr 0.0: should be"),
    ):
        done = acclimate("fit", "--output", folder, "--resume", *options)
        assert (done.code, done.out) == (2, "")
        assert said in done.err
        assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("mnist", "mnist"),
        ("dataset:mnist", "mnist"),
        ("a/b c.d/", "b_c.d"),
        ("x/y.npz", "y"),
        (".", "work"),
    ],
)
def test_default_folder_has_a_plain_name(tmp_path, monkeypatch, source, name):
    (tmp_path / "work" / "a" / "b c.d").mkdir(parents=True)
    (tmp_path / "work" / "x").mkdir()
    (tmp_path / "work" / "x" / "y.npz").touch()
    monkeypatch.chdir(tmp_path / "work")
    folder = default_folder(make_settings(source=source, target="svhn", seed=3))
    assert folder.as_posix() == f"acclimate-runs/{name}-to-svhn-dann-self-training-seed3"


def test_helpers_are_silent_only_where_the_main_process_speaks(monkeypatch):
    for name in ("RANK", "LOCAL_RANK", "NODE_RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert not processes.is_helper()
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert not processes.is_helper()  # left over from something else: it trains alone
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert processes.is_helper()
    monkeypatch.setattr(processes, "_PATIENCE", 0.01)
    assert not processes.said_by_main_process()  # the main process is still there
    parents = iter([7, 1, 1, 1])
    monkeypatch.setattr("os.getppid", lambda: next(parents))
    assert processes.said_by_main_process()
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert not processes.is_helper()


@pytest.mark.parametrize("name", ["shot", "dirt-t"])
def test_a_second_stage_without_a_first_is_refused(acclimate, name):
    done = acclimate(
        "fit", "--source", "blobs", "--target", "blobs-imbalanced", "--algorithm", name
    )
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert "--start-from" in done.err


def test_a_second_stage_that_learns_from_labels_needs_no_first():
    given = {"source": ["blobs"], "target": "blobs-imbalanced", "algorithm": "dirt-t"}
    settings = new_settings(None, given, ["algorithm.source=1"])
    assert settings.start_from is None
