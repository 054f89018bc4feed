"""Training that begins with a finished model, and what such a model may not be."""

import json
import shutil

import numpy as np
import pytest
import torch

from acclimate.algorithms import DEFAULT
from acclimate.core.errors import AcclimateError, ConfigurationError, ModelFileError
from acclimate.core.records import read_record
from acclimate.models.files import read_model
from acclimate.training.fit import fit
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
