"""Weights files of backbones: what is checked, what is refused, and in one line."""

import pickle

import pytest
import timm
import torch
import torchvision
from safetensors.torch import load_file, save_file

from acclimate.core.errors import ModelFileError
from acclimate.core.types import Spec
from acclimate.models.backbone import Backbone
from acclimate.models.backbone_weights import weights_sha256
from acclimate.models.files import host_tensors

NAME = "test_resnet"
SPEC = Spec((3, 32, 32), ("a", "b"))


@pytest.fixture
def whole():
    torch.manual_seed(0)
    return timm.create_model(NAME)


@pytest.fixture
def path(whole, tmp_path):
    place = tmp_path / "weights.safetensors"
    save_file(host_tensors(whole), place)
    return place


def rewrite(path, change):
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)


def make(path, **options):
    return Backbone(weights=str(path), **{"name": NAME, **options}).make(SPEC)


def refused(path, **options):
    with pytest.raises(ModelFileError) as caught:
        make(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def test_every_tensor_is_taken_over(path, whole):
    network = make(path)
    expected = whole.state_dict()
    found = network.backbone.model.state_dict()
    assert expected.keys() - found.keys() == {"fc.weight", "fc.bias"}
    assert all(torch.equal(found[key], expected[key]) for key in found)


def test_the_rest_is_drawn_as_without_a_file(path):
    """The head begins alike whether weights are read or not: they do not disturb the draws."""
    networks = []
    for weights in (path, "none"):
        torch.manual_seed(3)
        networks.append(make(weights))
    assert torch.equal(networks[0].head.weight, networks[1].head.weight)
    assert not torch.equal(
        networks[0].backbone.model.conv1[0].weight, networks[1].backbone.model.conv1[0].weight
    )


def test_half_precision_files_become_single(path, whole):
    rewrite(path, lambda t: t.update({k: v.half() for k, v in t.items() if v.is_floating_point()}))
    found = make(path).backbone.model.state_dict()
    for key, value in found.items():
        if value.is_floating_point():
            assert value.dtype == torch.float32
            assert torch.equal(value, whole.state_dict()[key].half().float())


def test_counters_of_batches_may_be_missing(path):
    rewrite(path, lambda t: [t.pop(k) for k in [*t] if k.endswith("num_batches_tracked")])
    make(path)


def test_a_relative_path(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    make(path.name)


def test_differences_are_counted_and_the_first_named(path):
    def change(tensors):
        for key in ("conv1.0.weight", "bn1.weight"):
            tensors[f"module.{key}"] = tensors.pop(key)
        tensors["layer1.0.conv1.weight"] = torch.zeros(1, 2, 3, 3)

    rewrite(path, change)
    message = refused(path)
    assert f"does not hold the weights of {NAME}" in message
    assert "2 missing (" in message
    assert "2 unexpected (" in message
    assert "bn1.weight" in message
    assert "1 of other shape (layer1.0.conv1.weight (1, 2, 3, 3) instead of (" in message
    assert "look for a file of exactly this model" in message


def test_only_three_of_many_are_named(path):
    rewrite(path, lambda tensors: [tensors.pop(key) for key in [*tensors] if "layer1" in key])
    message = refused(path)
    assert message.count("layer1") == 3
    assert ", …)" in message


def test_weights_of_another_architecture(path):
    message = refused(path, name="test_vit")
    assert "they are of another architecture: give its name with --backbone" in message


def test_weights_of_the_same_architecture_in_another_size(path):
    assert "does not hold the weights of resnet18" in refused(path, name="resnet18")


class Malice:
    """Unpickling it leaves a mark."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('unpickled')",))


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".bin", ".ckpt", ".PTH"])
def test_pickles_are_refused_with_how_to_convert(tmp_path, suffix):
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(pickle.dumps(Malice()))
    message = refused(path)
    assert "never read" in message
    assert "safetensors.torch.save_file(torch.load(" in message


@pytest.mark.parametrize("content", ["pickle", "torch", "text", "empty", "cut"])
def test_files_that_are_none(path, content):
    if content == "torch":
        torch.save({"weight": torch.zeros(2)}, path)
    else:
        path.write_bytes(
            {
                "pickle": pickle.dumps(Malice()),
                "text": b"not a model at all, and long enough for a header",
                "empty": b"",
                "cut": path.read_bytes()[:-8],
            }[content]
        )
    assert "is not a safetensors file" in refused(path)


def test_nothing_there_and_a_folder(path):
    assert "are not there" in refused(path.parent / "gone.safetensors")
    assert "is a folder" in refused(path.parent)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite(path, value):
    rewrite(path, lambda tensors: tensors["layer2.0.conv1.weight"].view(-1)[3:4].fill_(value))
    assert "layer2.0.conv1.weight holds NaN or infinite values" in refused(path)


def test_position_embeddings_of_another_size(tmp_path):
    """As timm itself brings them to this one's: 160 pixels were trained at, 96 are asked for."""
    torch.manual_seed(0)
    whole = timm.create_model("test_vit")
    path = tmp_path / "vit.safetensors"
    save_file(host_tensors(whole), path)
    expected = timm.create_model(
        "test_vit", pretrained=True, img_size=96, num_classes=0,
        pretrained_cfg_overlay={"file": str(path), "num_classes": 1000},
    )  # fmt: skip
    network = Backbone(name="test_vit", weights=str(path)).make(Spec((3, 96, 96), ("a", "b")))
    found = network.backbone.model.state_dict()
    assert found["pos_embed"].shape != whole.pos_embed.shape
    for key, value in expected.state_dict().items():
        torch.testing.assert_close(found[key], value)


def test_torchvision_files(tmp_path):
    torch.manual_seed(0)
    whole = torchvision.models.squeezenet1_1(weights=None)
    path = tmp_path / "squeezenet.safetensors"
    save_file(host_tensors(whole), path)
    model = make(path, name="squeezenet1_1").backbone.model
    assert all(torch.equal(v, whole.state_dict()[k]) for k, v in model.state_dict().items())
    assert "another architecture" in refused(path, name="alexnet")


@pytest.mark.parametrize("name", [NAME, "squeezenet1_1"])
def test_a_hub_out_of_reach(name, monkeypatch, tmp_path):
    def unreachable(*arguments, **options):
        raise OSError("no route to host\nand a traceback")

    for place in (
        "timm.models._hub.hf_hub_download",
        "torchvision.models._api.load_state_dict_from_url",
    ):
        monkeypatch.setattr(place, unreachable)
    with pytest.raises(ModelFileError) as caught:
        Backbone(name=name).make(SPEC)
    assert str(caught.value) == (
        f"the weights of {name} cannot be fetched (OSError: no route to host); "
        "give --weights FILE.safetensors, or --weights none for random ones"
    )


@pytest.mark.parametrize("name", [NAME, "torchvision/resnet18"])
def test_a_hub_that_answers(name, monkeypatch):
    """What the libraries get from it ends up in the network, without the classifier."""
    torch.manual_seed(0)
    plain = name.rpartition("/")[2]
    whole = torchvision.models.resnet18() if "/" in name else timm.create_model(NAME)
    state = whole.state_dict()
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", lambda *a, **k: dict(state))
    monkeypatch.setattr(
        "torchvision.models._api.load_state_dict_from_url", lambda *a, **k: dict(state)
    )
    torch.manual_seed(1)
    model = Backbone(name=name).make(SPEC).backbone.model
    assert plain in ("resnet18", NAME)
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())


def test_the_hash_tells_weights_apart(path, whole):
    same = weights_sha256(whole)
    assert same == weights_sha256(whole.to(memory_format=torch.channels_last))
    with torch.no_grad():
        whole.bn1.bias[0] += 1e-6
    assert weights_sha256(whole) != same
