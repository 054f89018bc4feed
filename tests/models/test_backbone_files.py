"""A frozen backbone on disk, and a run folder that needs neither hub nor weights file."""

import json

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from acclimate.core.errors import ModelFileError
from acclimate.core.types import Spec
from acclimate.models.backbone import Backbone
from acclimate.models.backbone_files import read_backbone, save_backbone, weights_sha256
from acclimate.models.files import ModelDescription, host_tensors, read_model, save_model
from acclimate.models.network import build_network


@pytest.fixture
def weights(tmp_path):
    """A file of a whole model, and what it is of; it can be taken away."""
    torch.manual_seed(0)
    path = tmp_path / "weights.safetensors"
    save_file(host_tensors(timm.create_model("test_resnet")), path)
    return path


@pytest.fixture
def saved(weights, tmp_path):
    options = Backbone(name="test_resnet", weights=str(weights), bottleneck=5)
    module, _ = options.extractor(48)
    folder = tmp_path / "run"
    digest = save_backbone(folder, options, module)
    weights.unlink()
    return folder, options, module, digest


def refused(folder, side=48):
    with pytest.raises(ModelFileError) as caught:
        read_backbone(folder, side)
    message = str(caught.value)
    assert "\n" not in message
    return message


def change(folder, **values):
    path = folder / "backbone.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_round_trip_without_the_weights_file(saved):
    folder, options, module, digest = saved
    assert sorted(p.name for p in folder.iterdir()) == ["backbone.json", "backbone.safetensors"]
    read_options, read, width = read_backbone(folder, 48)
    assert read_options == options
    assert width == 96
    assert weights_sha256(read) == weights_sha256(module) == digest
    assert not read.training
    assert not any(p.requires_grad for p in read.parameters())
    images = torch.randn(2, 3, 48, 48)
    assert torch.equal(read(images), module(images))


def test_another_size_of_picture_where_the_model_takes_any(saved):
    assert read_backbone(saved[0], 64)[2] == 96


def test_nothing_there(tmp_path):
    assert "holds no frozen backbone" in refused(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[1]", "null", "{}", '{"format": "acclimate-model"}'])
def test_garbage_instead_of_a_description(saved, content):
    (saved[0] / "backbone.json").write_text(content)
    assert "is not a backbone description" in refused(saved[0])


def test_other_descriptions(saved):
    folder = saved[0]
    change(folder, version=2)
    assert "newer" in refused(folder)
    change(folder, version=1, options={"name": "test_resnt"})
    assert "backbone.json: unknown backbone" in refused(folder)
    change(folder, options={"name": "test_vit"})
    assert "does not hold the weights" in refused(folder)


def test_other_weights(saved):
    folder = saved[0]
    path = folder / "backbone.safetensors"
    tensors = load_file(path)
    key = next(key for key in tensors if key.endswith("layer2.0.conv1.weight"))
    tensors[key][0] += 1
    save_file(tensors, path)
    assert "is not the file that was saved here" in refused(folder)
    del tensors[key]
    save_file(tensors, path)
    assert f"{key} is missing" in refused(folder)
    path.write_bytes(path.read_bytes()[:-9])
    assert "not a safetensors file" in refused(folder)
    path.unlink()
    assert "is missing" in refused(folder)


@pytest.mark.parametrize("batch_norm", ["frozen", "batch", "source", "domain", "re-estimated"])
def test_a_model_is_read_without_the_weights_file(weights, tmp_path, batch_norm):
    options = {"name": "test_resnet", "weights": str(weights), "batch_norm": batch_norm}
    spec = Spec((3, 32, 32), ("a", "b"))
    network = build_network("backbone", options, spec).eval()
    description = ModelDescription(
        network="backbone", options=options, input_shape=spec.input_shape,
        class_names=spec.class_names, preprocessing={"kind": "none"},
    )  # fmt: skip
    folder = tmp_path / "run"
    save_model(folder, network, description)
    weights.unlink()
    read = read_model(folder)
    assert read.description.options == options
    images = torch.randn(3, 3, 32, 32)
    assert torch.equal(read.network(images).logits, network(images).logits)


def test_parts_that_are_used_twice_are_written_twice(tmp_path):
    """CoaT shares position encodings between its blocks; a safetensors file may share nothing."""
    options = {"name": "coat_tiny", "weights": "none", "bottleneck": 0}
    spec = Spec((3, 64, 64), ("a", "b"))
    network = build_network("backbone", options, spec).eval()
    description = ModelDescription(
        network="backbone", options=options, input_shape=spec.input_shape,
        class_names=spec.class_names, preprocessing={"kind": "none"},
    )  # fmt: skip
    save_model(tmp_path, network, description)
    images = torch.randn(1, 3, 64, 64)
    read = read_model(tmp_path).network
    assert torch.equal(read(images).logits, network(images).logits)
