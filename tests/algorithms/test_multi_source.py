"""Several sources: which domain an item is from reaches the losses."""

import pytest
import torch

from acclimate.algorithms import combination
from acclimate.core.types import Batch, Spec
from acclimate.models.network import build_network
from acclimate.training.step import Step


def make_step(name, sources, **options):
    torch.manual_seed(0)
    spec = Spec((4,), ("a", "b"), sources)
    network = build_network("mlp", {"widths": [6]}, spec)
    return Step(network, combination.make(name, options))


@pytest.fixture
def batch():
    random = torch.Generator().manual_seed(0)
    source, target = torch.randn(6, 4, generator=random), torch.randn(3, 4, generator=random) + 1
    places = torch.tensor([0, 1, 2, 2, 1, 0])
    return Batch(source, torch.arange(6) % 2, target, None, source_places=places)


@pytest.mark.parametrize("name", ["multi-source-dann", "m3sda"])
def test_the_place_of_an_item_matters(name, batch):
    step = make_step(name, 3)
    other = batch._replace(source_places=batch.source_places.flip(0).roll(1))
    assert step(batch, 0.5)["loss"] != step(other, 0.5)["loss"]


@pytest.mark.parametrize("name", ["multi-source-dann", "m3sda"])
def test_without_weight_it_is_source_only(name, batch):
    step, plain = make_step(name, 3, weight=0), make_step("source-only", 3)
    for each in (step, plain):
        each(batch, 0.5)["loss"].backward()
    for ours, theirs in zip(step.network.parameters(), plain.network.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad)


def test_the_reversed_gradient_mixes_the_domains(batch):
    """Descending the loss makes the domain classifier better and the features worse for it."""
    step = make_step("multi-source-dann", 3)
    values = step(batch, 1.0)
    loss = values["loss"] - torch.zeros(())
    loss.backward()
    classifier = step.modules_of_algorithm["domain_classifier"]
    before = values["loss/domain"].item()
    rate = 0.05
    with torch.no_grad():
        for parameter in classifier.parameters():
            parameter -= rate * parameter.grad
    assert step(batch, 1.0)["loss/domain"].item() < before


def test_one_source_is_a_place_of_its_own(batch):
    bare, zeros = batch._replace(source_places=None), torch.zeros(6, dtype=torch.int64)
    for name in ("multi-source-dann", "m3sda"):
        step = make_step(name, 1)
        assert step(bare, 0.5)["loss"] == step(batch._replace(source_places=zeros), 0.5)["loss"]
