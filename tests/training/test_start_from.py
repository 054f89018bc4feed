"""Training that begins with a finished model, and what such a model may not be."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from acclimate.algorithms import DEFAULT
from acclimate.core.errors import AcclimateError, ConfigurationError, ModelFileError, RunError
from acclimate.core.records import read_record
from acclimate.models.files import read_model
from acclimate.training.behaviour import stability
from acclimate.training.fit import fit
from acclimate.training.observer import Observer
from acclimate.training.parts import make_step
from acclimate.training.settings import make_settings
from acclimate.training.task import choose_network, open_task


@pytest.fixture
def first(settings_of, tmp_path):
    """The folder of a first stage."""
    folder = tmp_path / "first"
    fit(settings_of(algorithm="dann", seed=5), folder, baseline=False)
    return folder


def built(settings):
    task = open_task(settings)
    return make_step(choose_network(settings, task.spec), task)


def test_network_and_teacher_begin_with_exactly_these_weights(first, settings_of):
    step = built(settings_of(algorithm="dann+mi", start_from=str(first)))
    expected = read_model(first).network.state_dict()
    for network in (step.network, step.average):
        found = network.state_dict()
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_modules_are_those_of_a_run_without(first, settings_of):
    """What the seed gives does not depend on where the network's weights come from."""
    ours, plain = (
        built(settings_of(algorithm="dann+mi", start_from=start)).modules_of_algorithm.state_dict()
        for start in (str(first), None)
    )
    assert all(torch.equal(ours[name], value) for name, value in plain.items())


def test_a_run_that_hardly_moves_ends_where_it_began(first, settings_of, tensors_of, tmp_path):
    settings = settings_of(algorithm="dann+mi", start_from=str(first), learning_rate=1e-30)
    fit(settings, tmp_path / "second", baseline=False)
    ours, theirs = (tensors_of(tmp_path / n / "model.safetensors") for n in ("second", "first"))
    assert ours == theirs


def test_the_baseline_begins_afresh(first, settings_of, tensors_of, tmp_path):
    fit(settings_of(algorithm="dann", start_from=str(first)), tmp_path / "second")
    fit(settings_of(algorithm="dann"), tmp_path / "plain")
    models = {
        name: tensors_of(tmp_path / name / "model.safetensors")
        for name in ("second", "plain", "second/baseline", "plain/baseline")
    }
    assert models["second/baseline"] == models["plain/baseline"]
    assert models["second"] != models["plain"]
    assert read_record(tmp_path / "second" / "baseline").settings["start_from"] is None
    assert read_record(tmp_path / "second").settings["start_from"] == str(first)


def other_task(folder, change):
    """The tiny task's files with another number of features, or another class."""
    random = np.random.default_rng(1)
    for name in ("source", "target"):
        labels = np.arange(60) % 3 + (10 if change == "classes" else 0)
        features = random.normal(size=(60, 5 if change == "features" else 6)).astype(np.float32)
        np.savez(folder / f"{name}.npz", x=features, y=labels)
    return {side: str(folder / f"{side}.npz") for side in ("source", "target")}


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"network_options": {"widths": [7]}}, "another network than this run's: give the same"),
        ({"preprocessing": "none"}, "prepared as 'standard'.* as 'none': give --preprocessing"),
        ("features", r"another task, of inputs \(6,\) instead of \(5,\)"),
        ("classes", "another task, of classes 0, 1, 2 instead of 10, 11, 12"),
    ],
)
def test_another_model_is_refused(chosen, said, first, settings_of, tmp_path):
    if isinstance(chosen, str):
        chosen = other_task(tmp_path, chosen)
    settings = settings_of(algorithm="dann", start_from=str(first), **chosen)
    with pytest.raises(ConfigurationError, match=said) as caught:
        fit(settings, tmp_path / "second")
    assert "\n" not in str(caught.value)
    assert str(first) in str(caught.value)
    assert not (tmp_path / "second").exists()


@pytest.mark.parametrize("harm", ["nowhere", "a file", "no model", "no weights", "not weights"])
def test_what_is_no_model_is_one_line(harm, first, settings_of, tmp_path):
    start = tmp_path / "start"
    if harm != "nowhere":
        shutil.copytree(first, start)
    if harm == "no model":
        (start / "model.json").unlink()
    elif harm == "no weights":
        (start / "model.safetensors").unlink()
    elif harm == "not weights":
        (start / "model.safetensors").write_bytes(b"\x80\x04K\x01.")
    elif harm == "a file":
        start = start / "model.safetensors"
    with pytest.raises(ModelFileError) as caught:
        fit(settings_of(algorithm="dann", start_from=str(start)), tmp_path / "second")
    assert "\n" not in str(caught.value)
    assert str(start) in str(caught.value)
    assert not (tmp_path / "second").exists()


def test_what_it_began_with_is_part_of_the_settings(first, settings_of, tmp_path):
    fit(settings_of(algorithm="dann", start_from=str(first)), tmp_path / "second", baseline=False)
    with pytest.raises(AcclimateError, match=r"start_from was .*first' and is now None"):
        fit(settings_of(algorithm="dann"), tmp_path / "second", baseline=False, resume=True)
    stored = json.loads((tmp_path / "second" / "record.json").read_text())["settings"]
    assert stored["start_from"] == str(first)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("best", DEFAULT),
        ("best+mi", f"{DEFAULT}+mi"),
        ("mi + best", f"mi+{DEFAULT}"),
        ("dann_self_training + mi", "dann-self-training+mi"),
        ("bester", "bester"),
    ],
)
def test_best_is_the_default_algorithm(written, meant):
    assert make_settings(source="a", target="b", algorithm=written).algorithm == meant


@pytest.fixture
def source_only(settings_of, tmp_path):
    """The folder of a source-only run whose checkpoints do not all agree."""
    folder = tmp_path / "bare"
    fit(settings_of(algorithm="source-only", learning_rate=0.003), folder)
    assert stability(folder) < 1
    return folder


def test_a_model_that_nothing_changed_is_not_said_to_have_helped(
    source_only, settings_of, tmp_path
):
    """It has one checkpoint, which agrees with itself; that is no steadiness of training."""
    settings = settings_of(algorithm="dann", steps=0, start_from=str(source_only))
    record = fit(settings, tmp_path / "same")
    assert record.verdict.expected_change == 0
    assert record.verdict.outcome == "cannot tell"
    assert record.verdict.after == record.verdict.before
    assert record.verdict.before.stability == stability(source_only)


def test_no_steps_take_the_stability_of_the_run_they_start_from(first, settings_of, tmp_path):
    settings = settings_of(algorithm="dann+linear-svm", steps=0, start_from=str(first), seed=5)
    fit(settings, tmp_path / "made")
    assert stability(tmp_path / "made") == stability(first) is not None
    for path in (first / "evaluations").iterdir():
        path.unlink()
    assert stability(tmp_path / "made") is None


def test_a_run_of_no_steps_is_held_against_what_is_there(first, source_only, settings_of, tmp_path):
    """Against source-only it starts from, or the baseline of what it starts from, or nothing."""
    told = Told()
    adapted = tmp_path / "adapted"
    fit(settings_of(algorithm="dann"), adapted)
    for start, baseline in (
        (source_only, "../bare"),
        (adapted, "../adapted/baseline"),
        (first, None),
    ):
        settings = settings_of(algorithm="subspace-alignment", steps=0, start_from=str(start))
        folder = tmp_path / f"aligned-{start.name}"
        record = fit(settings, folder, observer=told)
        assert record.baseline == baseline
        assert (record.verdict is None) == (baseline is None)
        assert not (folder / "baseline").exists()
    assert [each.kind for each in told.warnings if each.kind == "no baseline"] == ["no baseline"]


class Told(Observer):
    def __init__(self):
        self.warnings = []

    def warned(self, warning):
        self.warnings.append(warning)


def test_the_same_start_written_another_way(first, settings_of, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fit(settings_of(algorithm="dann", start_from="first"), Path("second"), baseline=False)
    for start in (str(first), "second/../first"):
        again = settings_of(algorithm="dann", start_from=start)
        assert fit(again, Path("second"), baseline=False, resume=True).status == "finished"
    (tmp_path / "moved").mkdir()
    first.rename(tmp_path / "moved" / "first")
    moved = settings_of(algorithm="dann", start_from="moved/first")
    assert fit(moved, Path("second"), baseline=False, resume=True).status == "finished"
    shutil.copytree("moved/first", "other")
    other = settings_of(algorithm="dann", start_from="other")
    with pytest.raises(AcclimateError, match="start_from was 'first' and is now 'other'"):
        fit(other, Path("second"), baseline=False, resume=True)


def with_fewer_items(settings):
    """The same files with half of the target's items."""
    with np.load(settings.target) as whole:
        kept = {"x": whole["x"][:60], "y": whole["y"][:60]}
    np.savez(settings.target, **kept)


@pytest.fixture
def own_files(settings_of, task_files, tmp_path):
    """Settings on files that a test may change."""
    for path in task_files:
        shutil.copy(path, tmp_path / path.name)
    paths = {path.stem: str(tmp_path / path.name) for path in task_files}
    return lambda **chosen: settings_of(**paths, **chosen)


def test_a_run_is_not_continued_on_other_data(own_files, tmp_path):
    settings = own_files(algorithm="source-only")
    fit(settings, tmp_path / "run")
    with_fewer_items(settings)
    with pytest.raises(
        RunError, match=r"items of its target target were adapt .* evaluate 12"
    ) as caught:
        fit(settings, tmp_path / "run", resume=True)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("change", [{"algorithm": "dann"}, {"status": "interrupted"}])
def test_what_is_no_baseline(change, settings_of, tmp_path):
    fit(settings_of(algorithm="source-only"), tmp_path / "bare", baseline=False)
    record = read_record(tmp_path / "bare")
    record.model_copy(update=change).write(tmp_path / "bare")
    with pytest.raises(RunError, match=r"bare is no baseline: a .* run of"):
        fit(settings_of(algorithm="dann"), tmp_path / "run", baseline=tmp_path / "bare")
    assert not (tmp_path / "run").exists()


def test_a_baseline_on_other_data_is_none(own_files, tmp_path):
    settings = own_files(algorithm="source-only")
    fit(settings, tmp_path / "bare")
    with_fewer_items(settings)
    with pytest.raises(RunError, match=r"bare is no baseline of this run, being on other data"):
        fit(own_files(algorithm="dann"), tmp_path / "run", baseline=tmp_path / "bare")
    assert not (tmp_path / "run").exists()
