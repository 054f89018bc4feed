"""A model file that is not one is said in one line, and never unpickled."""

import json
import pickle

import pytest
import torch
from safetensors.torch import save_file

from acclimate.core.errors import ModelFileError
from acclimate.core.types import Spec
from acclimate.models import build_network
from acclimate.models.files import (
    FORMAT_VERSION,
    ModelDescription,
    parameter_count,
    read_model,
    save_model,
)


@pytest.fixture
def folder(tmp_path):
    """A valid model of 3 → 4 → 2."""
    network = build_network("mlp", {"widths": [4]}, Spec((3,), ("a", "b")))
    description = ModelDescription(
        network="mlp",
        options={"widths": [4]},
        input_shape=(3,),
        class_names=("a", "b"),
        preprocessing={"kind": "none"},
    )
    save_model(tmp_path, network, description)
    return tmp_path


def refused(folder):
    with pytest.raises(ModelFileError) as caught:
        read_model(folder)
    message = str(caught.value)
    assert "\n" not in message
    return message


def change(folder, **values):
    path = folder / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_the_valid_one_is_read(folder):
    assert parameter_count(read_model(folder).network) == 3 * 4 + 4 + 4 * 2 + 2


def test_a_file_instead_of_a_folder(folder):
    assert "give the run folder" in refused(folder / "model.safetensors")


def test_nothing_there(tmp_path):
    assert "holds no model" in refused(tmp_path / "nowhere")


def test_weights_missing(folder):
    (folder / "model.safetensors").unlink()
    assert "model.safetensors is missing" in refused(folder)


class Malice:
    """Unpickling it leaves a mark."""

    ran = False

    def __reduce__(self):
        return (exec, ("from pathlib import Path; raise SystemExit('unpickled')",))


@pytest.mark.parametrize("kind", ["pickle", "torch", "text", "empty", "cut"])
def test_weights_that_are_none(folder, kind):
    path = folder / "model.safetensors"
    if kind == "torch":
        torch.save({"weight": torch.zeros(2)}, path)
    else:
        content = {
            "pickle": pickle.dumps(Malice()),
            "text": b"not a model at all, and long enough for a header",
            "empty": b"",
            "cut": path.read_bytes()[:-8],
        }[kind]
        path.write_bytes(content)
    assert "not a safetensors file" in refused(folder)


def test_weights_of_another_architecture(folder):
    change(folder, options={"widths": [5]})
    assert "backbone.1.bias is (4,) and should be (5,)" in refused(folder)
    change(folder, options={"widths": [4, 4]})
    assert "backbone.3.bias is missing" in refused(folder)
    save_file({"stray": torch.zeros(1)}, folder / "model.safetensors")
    assert "is missing" in refused(folder)


def test_a_newer_version(folder):
    change(folder, version=FORMAT_VERSION + 1)
    assert "newer" in refused(folder)
    assert "update acclimate" in refused(folder)


@pytest.mark.parametrize(
    "content", ["", "{", "[1, 2]", "null", '"text"', "{}", '{"format": "other"}', "\x00\x01"]
)
def test_garbage_instead_of_a_description(folder, content):
    (folder / "model.json").write_text(content)
    assert "model.json is not a model description" in refused(folder)


def test_bytes_that_are_no_text(folder):
    (folder / "model.json").write_bytes(b"\xff\xfe\x80")
    assert "model.json is not a model description" in refused(folder)


@pytest.mark.parametrize(
    "values",
    [
        {"network": "resnet-1000"},
        {"options": {"widths": [0]}},
        {"options": {"depth": 3}},
        {"options": 3},
        {"input_shape": [-3]},
        {"input_shape": []},
        {"input_shape": ["x"]},
        {"class_names": []},
        {"class_names": "ab"},
        {"network": "mnist-cnn", "options": {}},
        {"network": "mnist-cnn", "options": {}, "input_shape": [3, 4, 4]},
        {"network": "mnist-cnn", "options": {}, "input_shape": [0, 28, 28]},
        {"surprise": 1},
        {"version": "one"},
    ],
)
def test_descriptions_that_do_not_fit(folder, values):
    change(folder, **values)
    assert "model.json" in refused(folder)


def test_a_failure_while_saving_leaves_the_old_model(folder, monkeypatch):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    network = build_network("mlp", {"widths": [4]}, Spec((3,), ("a", "b")))

    def broken(tensors, path):
        path.write_bytes(b"half")
        raise RuntimeError("power cut")

    monkeypatch.setattr("acclimate.models.files.save_file", broken)
    with pytest.raises(RuntimeError, match="power cut"):
        save_model(folder, network, read_model(folder).description)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
