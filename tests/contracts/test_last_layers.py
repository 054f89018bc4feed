"""What every algorithm that makes a last layer has to keep."""

import pytest
import torch

from acclimate.algorithms import LastLayer, LastLayerMaterial, algorithms
from acclimate.algorithms.base import Algorithm

MAKERS = [n for n, kind in algorithms.items() if kind.last_layer is not Algorithm.last_layer]
every_maker = pytest.mark.parametrize("name", MAKERS)
WIDTH = 7


def material(class_count=3, missing=(), target=1.0, seed=0):
    """Clouds of classes; those ``missing`` have no items. The target is the source, changed."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.arange(60) % class_count
    labels = labels[~torch.isin(labels, torch.tensor(missing, dtype=torch.int64))]
    means = 3 * torch.eye(class_count, WIDTH)
    source, other = (
        means[labels] + torch.randn(len(labels), WIDTH, generator=random) for _ in range(2)
    )
    stretched = other * torch.linspace(1, target, WIDTH) + target
    return LastLayerMaterial(
        source, labels, stretched, class_count, lambda layer: -float(layer.weight.norm()), seed
    )


@every_maker
@pytest.mark.parametrize(
    ("class_count", "missing"), [(2, ()), (3, ()), (3, (1,)), (5, (0, 4)), (4, (0, 1, 2))]
)
def test_shape_dtype_and_note(name, class_count, missing):
    given = material(class_count, missing)
    layer = algorithms.get(name)().last_layer(given)
    assert isinstance(layer, LastLayer)
    assert layer.weight.shape == (class_count, WIDTH)
    assert layer.bias.shape == (class_count,)
    assert layer.weight.dtype == layer.bias.dtype == torch.float32
    assert torch.isfinite(layer.weight).all()
    assert torch.isfinite(layer.bias).all()
    assert layer.note
    assert "\n" not in layer.note


@every_maker
def test_it_tells_the_source_s_classes_apart(name):
    given = material(target=0.0)
    layer = algorithms.get(name)().last_layer(given)
    logits = torch.addmm(layer.bias, given.source_features, layer.weight.T)
    assert (logits.argmax(1) == given.source_labels).double().mean() > 0.9


@every_maker
def test_the_same_material_gives_the_same_layer_and_is_left_alone(name):
    given = material()
    before = [value.clone() for value in given[:3]]
    first, second = (algorithms.get(name)().last_layer(given) for _ in range(2))
    assert torch.equal(first.weight, second.weight)
    assert torch.equal(first.bias, second.bias)
    assert first.note == second.note
    assert all(torch.equal(old, new) for old, new in zip(before, given[:3], strict=True))


@every_maker
def test_the_target_matters_to_those_that_say_so(name):
    """Looked at after training alone, so no batch of it can show that it is not ignored."""
    first, second = (
        algorithms.get(name)().last_layer(material(target=change)) for change in (1.0, 2.0)
    )
    same = torch.equal(first.weight, second.weight) and torch.equal(first.bias, second.bias)
    assert same != algorithms.get(name).uses_target


def test_what_looks_at_the_target_only_afterwards_changes_what_is_left():
    for name, kind in algorithms.items():
        if kind.target_after_training:
            assert kind.uses_target
            assert name in MAKERS or kind.centres_cameras
