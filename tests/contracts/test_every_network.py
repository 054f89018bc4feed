"""What every registered network has to keep."""

import pickle
import warnings

import pytest
import torch
from torch import nn

from acclimate.core.errors import ConfigurationError, UnknownNameError
from acclimate.core.types import Spec
from acclimate.layers.domain_norm import DomainBatchNorm
from acclimate.models import build_network, networks
from acclimate.models.files import ModelDescription, read_model, save_model

NAMES = ("a", "b", "c")
# the smallest inputs that each one is meant for
SHAPES = {
    "compact-cnn": (3, 16, 16),
    "mnist-cnn": (3, 28, 28),
    "svhn-cnn": (3, 32, 32),
    "gtsrb-cnn": (3, 40, 40),
    "strips-cnn": (3, 48, 48),
    "backbone": (3, 32, 32),
}
OTHERS = {"mlp": (5,)}
# what a network cannot do without
OPTIONS = {"backbone": {"name": "test_efficientnet", "weights": "none"}}
every_network = pytest.mark.parametrize("name", networks.names())
convolutional = pytest.mark.parametrize("name", sorted(SHAPES))


def spec_of(name):
    return Spec(SHAPES.get(name) or OTHERS[name], NAMES)


def build(network, seed=0, **options):
    torch.manual_seed(seed)
    return build_network(network, {**OPTIONS.get(network, {}), **options}, spec_of(network))


def normalised(name, kind):
    """The option of that network for a normalisation: none, batch, or domain (kept apart)."""
    if name == "backbone":  # it has that of its model; none is then not to be had
        return {"batch_norm": {"none": "frozen"}.get(kind, kind)}
    return {"normalisation": kind}


def draw(name, count=4):
    random = torch.Generator().manual_seed(0)
    return torch.randn(count, *spec_of(name).input_shape, generator=random)


def test_every_name_has_a_case_here():
    assert set(networks.names()) == SHAPES.keys() | OTHERS.keys()


@every_network
def test_widths_are_true(name):
    network = build(name)
    output = network(draw(name))
    assert {layer: value.shape[1] for layer, value in output.layers.items()} == dict(
        network.layer_widths
    )
    assert all(len(value) == 4 and value.ndim == 2 for value in output.layers.values())
    assert output.logits.shape == (4, len(NAMES))
    assert network.attach_layer in output.layers
    assert network.feature_layer in output.layers
    assert network.width_of(network.feature_layer) == network.head.in_features
    assert len(network.domain_hidden) >= 1
    with pytest.raises(ConfigurationError, match="no layer 'nowhere'"):
        network.width_of("nowhere")


@every_network
def test_every_parameter_gets_a_gradient(name):
    network = build(name)
    network(draw(name)).logits.square().sum().backward()
    learning = {key: p for key, p in network.named_parameters() if p.requires_grad}
    assert any(key.startswith("backbone.") for key in learning)
    for key, parameter in learning.items():
        assert parameter.grad.abs().max() > 0, key


@every_network
def test_same_seed_same_weights(name):
    first, second, third = build(name), build(name), build(name, seed=1)
    assert all(
        torch.equal(ours, theirs)
        for ours, theirs in zip(first.parameters(), second.parameters(), strict=True)
    )
    assert not torch.equal(next(first.parameters()), next(third.parameters()))


@convolutional
@pytest.mark.parametrize("normalisation", ["none", "batch", "domain"])
def test_the_layout_in_memory_does_not_matter(name, normalisation):
    network = build(name, **normalised(name, normalisation), dropout=0.0).double()
    images = draw(name).double()
    for mode in (True, False):
        network.train(mode)
        expected = network.to(memory_format=torch.contiguous_format)(images).logits
        found = network.to(memory_format=torch.channels_last)(
            images.contiguous(memory_format=torch.channels_last)
        ).logits
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("name", ["mnist-cnn", "gtsrb-cnn"])
def test_too_small_pictures_are_refused(name):
    """``svhn-cnn`` pads everywhere and takes any size."""
    with pytest.raises(ConfigurationError, match=f"{name}.*larger --size") as caught:
        build_network(name, {}, Spec((3, 8, 8), NAMES))
    assert "\n" not in str(caught.value)


@convolutional
def test_vectors_are_refused(name):
    with pytest.raises(ConfigurationError, match="choose --network mlp"):
        build_network(name, OPTIONS.get(name, {}), Spec((5,), NAMES))


@convolutional
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("larger", [0, 9])
def test_other_shapes(name, channels, larger):
    _, side, _ = SHAPES[name]
    if name == "svhn-cnn" and larger:
        pytest.skip("its hidden layers are 3072 wide: memory for nothing")
    spec = Spec((channels, side + larger, side), NAMES)
    network = build_network(name, OPTIONS.get(name, {}), spec)
    assert network(torch.zeros(2, *spec.input_shape)).logits.shape == (2, 3)


@every_network
def test_wrong_options_are_explained(name):
    kind = networks.get(name)
    with pytest.raises(ConfigurationError, match="no option 'xyzzy'"):
        kind.build(f"network {name}", {"xyzzy": 1})
    for option in kind.model_fields:
        with pytest.raises(ConfigurationError, match=f"Did you mean '{option}'"):
            kind.build(f"network {name}", {f"{option}x": 1})
        with pytest.raises(ConfigurationError, match=f"{option}: .*got <object"):
            kind.build(f"network {name}", {option: object()})
    assert kind.model_validate_json(kind().model_dump_json()) == kind()
    assert pickle.loads(pickle.dumps(kind())) == kind()


def test_an_unknown_name_is_explained():
    with pytest.raises(UnknownNameError, match=r"unknown network 'mnist-cn'.*'mnist-cnn'"):
        build_network("mnist-cn", {}, spec_of("mnist-cnn"))


@every_network
def test_model_file_round_trip(name, tmp_path):
    options = OPTIONS.get(name, {}) | ({} if name == "mlp" else normalised(name, "batch"))
    network = build(name, **options)
    network(draw(name))  # running statistics of their own
    network.eval()
    description = ModelDescription(
        network=name,
        options=options,
        input_shape=spec_of(name).input_shape,
        class_names=NAMES,
        preprocessing={"kind": "none"},
    )
    save_model(tmp_path, network, description)
    read = read_model(tmp_path)
    assert read.description == description
    assert not read.network.training
    state = read.network.state_dict()
    assert state.keys() == network.state_dict().keys()
    assert all(torch.equal(state[key], value) for key, value in network.state_dict().items())
    with torch.no_grad():
        assert torch.equal(read.network(draw(name)).logits, network(draw(name)).logits)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.json", "model.safetensors"]


@every_network
def test_keeping_domains_apart(name):
    """The options that ask for it make a network with two sets of statistics; what can, has them."""
    options = networks.get(name).keeping_domains_apart
    if name == "mlp":
        options = {**options, "widths": [4]}
    network = build(name, **options)
    kept = [m for m in network.modules() if isinstance(m, DomainBatchNorm)]
    assert kept
    plain = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    assert len(plain) == 2 * len(kept)


@every_network
def test_bare_options_make_the_same_architecture(name):
    options = networks.get(name).build(name, OPTIONS.get(name, {}))
    torch.manual_seed(0)
    bare = options.bare().make(spec_of(name)).state_dict()
    expected = build(name).state_dict()
    assert {k: v.shape for k, v in bare.items()} == {k: v.shape for k, v in expected.items()}
    assert options.bare().bare() == options.bare()
    assert options.bare().input_facts() is None


def test_max_norm_bounds_every_unit():
    network = build("svhn-cnn", max_norm=0.5, dropout=0.0)
    with torch.no_grad():
        network.head.weight.mul_(100)
    before = network.backbone[0].weight.clone()
    network.constrain()
    for module in network.modules():
        weight = getattr(module, "weight", None)
        if weight is not None:
            assert weight.flatten(1).norm(dim=1).max() <= 0.5 * (1 + 1e-5)
    # directions stay; only lengths change
    cosine = torch.nn.functional.cosine_similarity(
        before.flatten(1), network.backbone[0].weight.flatten(1)
    )
    assert cosine.min() > 1 - 1e-5


def test_building_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("mnist-cnn", "mlp", "gtsrb-cnn", "backbone"):
            build(name)
