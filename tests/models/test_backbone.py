"""Backbones by name: features, what is frozen, and what is refused."""

import copy

import pytest
import timm
import torch
import torchvision
from backbones import CLASSES, SIDE, SPEC, build, draw, refused, trained, warm
from torch import nn

from acclimate.core.errors import AcclimateError, UnknownNameError
from acclimate.core.types import Spec
from acclimate.models.backbone import Backbone
from acclimate.models.backbone_library import locate
from acclimate.models.network import InputFacts

# -- names ----------------------------------------------------------------------------------------


def test_timm_comes_first_and_torchvision_is_found():
    assert locate("resnet18").library == "timm"
    assert locate("timm/resnet18").library == "timm"
    assert locate("torchvision/resnet18").library == "torchvision"
    for name in ("alexnet", "squeezenet1_0", "squeezenet1_1"):
        assert locate(name).library == "torchvision"
    assert locate("resnet50.a1_in1k").name == "resnet50.a1_in1k"


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("resnet5", "resnet50"),
        ("alexnt", "alexnet"),
        ("mobilenetv3_lage_100", "mobilenetv3_large_100"),
        ("torchvision/resnet19", "torchvision/resnet18"),
    ],
)
def test_an_unknown_name_has_near_misses(name, near):
    assert f"'{near}'" in refused("unknown backbone", UnknownNameError, name=name)


@pytest.mark.parametrize("name", ["xyzzyplugh", "timm/alexnet", "elsewhere/resnet18", "a/b/c", "/"])
def test_an_unknown_name_without_any(name):
    assert len(refused("unknown backbone", UnknownNameError, name=name)) < 200


def test_an_unknown_tag_names_those_there_are():
    assert "a1_in1k" in refused("has no weights 'nope'", UnknownNameError, name="resnet50.nope")


# -- torchvision's features -----------------------------------------------------------------------


def of_alexnet(model, images):
    hidden = model.avgpool(model.features(images)).flatten(1)
    _, fc6, _, _, fc7, _, _ = model.classifier
    return torch.relu(fc7(torch.relu(fc6(hidden))))


def of_resnet(model, images):
    for name in ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4"):
        images = getattr(model, name)(images)
    return images.mean((2, 3))


def of_squeezenet(model, images):
    return model.features(images).mean((2, 3))


@pytest.mark.parametrize(
    ("name", "width", "features"),
    [
        ("alexnet", 4096, of_alexnet),
        ("torchvision/resnet18", 512, of_resnet),
        ("squeezenet1_0", 512, of_squeezenet),
        ("squeezenet1_1", 512, of_squeezenet),
    ],
)
def test_features_of_torchvision(name, width, features):
    """AlexNet's are fc7, as the Office tables of DDC and DANN have it."""
    torch.manual_seed(0)
    extractor, found = Backbone(name=name, weights="none").extractor(64)
    torch.manual_seed(0)
    whole = torchvision.models.get_model(name.rpartition("/")[2], weights=None).eval()
    images = draw(2, 64)
    with torch.no_grad():
        ours, theirs = extractor(images), features(whole, images)
    assert ours.shape == (2, width)
    assert found == width
    torch.testing.assert_close(ours, theirs)


# -- the network ----------------------------------------------------------------------------------


def test_bottleneck_and_domain_classifier_are_the_papers():
    network = build()
    assert network.attach_layer == network.feature_layer == "hidden1"
    assert dict(network.layer_widths) == {"backbone": 96, "hidden1": 256}
    assert network.domain_hidden == (1024, 1024)
    output = network.eval()(draw())
    linear, relu = network.hidden[0]
    torch.testing.assert_close(output.layers["hidden1"], relu(linear(output.layers["backbone"])))
    assert output.layers["hidden1"].min() == 0
    torch.testing.assert_close(output.logits, network.head(output.layers["hidden1"]))


def test_without_a_bottleneck():
    network = build(bottleneck=0)
    assert network.attach_layer == network.feature_layer == "backbone"
    assert network.head.in_features == 96
    refused("dropout stands before the bottleneck", bottleneck=0, dropout=0.1)


def test_dropout_stands_before_the_bottleneck():
    network = build(dropout=0.5)
    assert [type(layer) for layer in network.hidden[0]] == [nn.Dropout, nn.Linear, nn.ReLU]


def test_grey_pictures_are_looked_at_as_coloured_ones():
    grey = draw(channels=1)
    network = build(spec=Spec((1, SIDE, SIDE), CLASSES)).eval()
    coloured = build().eval()
    torch.testing.assert_close(network(grey).logits, coloured(grey.repeat(1, 3, 1, 1)).logits)


def test_other_inputs_are_refused():
    refused("needs images", spec=Spec((5,), CLASSES))
    refused("not at 4 channels", spec=Spec((4, SIDE, SIDE), CLASSES))


@pytest.mark.parametrize(("name", "side"), [("test_vit", 48), ("resmlp_12_224", 48)])
def test_the_size_is_passed_on(name, side):
    """Both were trained at another size, and have a parameter for each patch."""
    network = build(name, Spec((3, side, side), CLASSES), bottleneck=0)
    assert network(draw(2, side)).logits.shape == (2, 3)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("crossvit_tiny_240", (3, 100, 100)),
        ("alexnet", (3, 32, 32)),
        ("torchvision/vit_b_32", (3, 64, 64)),
        ("test_vit", (3, 8, 8)),
    ],
)
def test_a_size_that_does_not_fit(name, shape):
    message = refused("cannot look at pictures", name=name, spec=Spec(shape, CLASSES))
    side = {"crossvit_tiny_240": 240, "test_vit": 160}.get(name, 224)
    assert f"give --size {side}" in message


def test_facts_are_timms():
    name = "tf_mobilenetv3_large_minimal_100"
    facts = Backbone(name=name).input_facts()
    data = timm.data.resolve_model_data_config(timm.create_model(name))
    assert facts == InputFacts(data["input_size"][-1], data["mean"], data["std"])
    assert facts.mean == (0.5, 0.5, 0.5)
    assert Backbone(name=name, weights="none").input_facts() is None
    weights = torchvision.models.AlexNet_Weights.DEFAULT.transforms()
    assert Backbone(name="alexnet").input_facts() == InputFacts(
        weights.crop_size[0], tuple(weights.mean), tuple(weights.std)
    )


def test_bare_options_make_the_same_architecture_without_reading_anything(tmp_path):
    options = Backbone(name="test_resnet", weights=str(tmp_path / "gone.safetensors"))
    with pytest.raises(AcclimateError):
        options.make(SPEC)
    assert options.bare() == Backbone(
        name="test_resnet", weights="none", batch_norm="frozen", rate_share=0.1
    )
    options.bare().make(SPEC)


@pytest.mark.parametrize("name", ["test_resnet", "alexnet", "test_vit"])
def test_rate_share(name, tmp_path):
    from safetensors.torch import save_file

    from acclimate.models.files import host_tensors

    side = 64
    spec = Spec((3, side, side), CLASSES)
    random = build(name, spec)
    assert {random.rate_share_of(key) for key, _ in random.named_parameters()} == {1.0}
    path = tmp_path / "weights.safetensors"
    save_file(host_tensors(random.backbone.model), path)
    options = Backbone(name=name, weights=str(path))
    for made in (options, options.bare()):  # a run that is continued is made of the second
        network = made.make(spec)
        assert network.rate_share_of("backbone.model.any") == 0.1
        assert network.rate_share_of("head.weight") == 1.0
    network = build(name, spec, weights=str(path), rate_share=0.25)
    shares = {key: network.rate_share_of(key) for key, _ in network.named_parameters()}
    assert {key for key, share in shares.items() if share == 1.0} == {
        "hidden.0.0.weight", "hidden.0.0.bias", "head.weight", "head.bias"
    }  # fmt: skip
    assert set(shares.values()) == {0.25, 1.0}


# -- freezing -------------------------------------------------------------------------------------


def test_a_frozen_backbone_is_still():
    network = build("alexnet", Spec((3, 64, 64), CLASSES), freeze="backbone").train()
    assert {name.partition(".")[0] for name in trained(network)} == {"hidden", "head"}
    images = draw(2, 64)
    first, second = (network(images).layers["backbone"] for _ in range(2))
    assert torch.equal(first, second)  # AlexNet has dropout before its last layers
    assert network.training
    assert network.head.training


@pytest.mark.parametrize(
    ("name", "stages", "stem"),
    [
        ("test_resnet", 5, "conv1"),
        ("torchvision/resnet18", 5, "conv1"),
        ("test_vit", 7, "patch_embed"),
        ("alexnet", 7, "features.0"),
        ("squeezenet1_1", 9, "features.0"),
    ],
)
def test_leading_stages(name, stages, stem):
    spec = Spec((3, 64, 64), CLASSES)
    before = trained(build(name, spec, batch_norm="batch"))
    for count in range(stages + 1):
        network = build(name, spec, freeze=str(count), batch_norm="batch")
        now = trained(network)
        assert now < before or count == 0
        if count == 1:
            gone = {key.removeprefix("backbone.model.") for key in before - now}
            assert any(key.startswith(stem) for key in gone)
        before = now
    assert not any(key.startswith("backbone") for key in before)
    refused(f"has {stages} stages", name=name, spec=spec, freeze=stages + 1)


def test_frozen_stages_learn_nothing_from_a_step():
    network = warm(build(freeze=2, batch_norm="batch")).train()
    before = copy.deepcopy(network.state_dict())
    optimiser = torch.optim.SGD(network.parameters(), 0.1)
    network(draw()).logits.square().sum().backward()
    optimiser.step()
    changed = {key for key, value in network.state_dict().items() if not value.equal(before[key])}
    parts = {key.split(".")[2] for key in changed if key.startswith("backbone")}
    assert parts == {"layer2", "layer3", "layer4"}
    assert "backbone.model.layer2.0.bn1.running_mean" in changed


@pytest.mark.parametrize("given", ["all", "-1", -1, True, 1.5, "", None])
def test_other_words_for_freezing_are_refused(given):
    refused("freeze: should be none, backbone, or a number", freeze=given)
