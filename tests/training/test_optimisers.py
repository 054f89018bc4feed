"""A group of parameters for each share of the rate, against a loop written by hand."""

import pytest
import torch
from torch import nn

from acclimate.algorithms import combination
from acclimate.core.schedules import LEARNING_RATE_SCHEDULES
from acclimate.core.types import Batch, Spec
from acclimate.models.backbone import BackboneNetwork
from acclimate.models.network import Network, build_network
from acclimate.training.checkpoint import latest_checkpoint, restore, save_checkpoint
from acclimate.training.optimisers import make_optimiser, set_learning_rate
from acclimate.training.settings import make_settings
from acclimate.training.step import Step

SPEC = Spec((4,), ("a", "b"))
KINDS = ["sgd", "adam", "adamw"]


def settings_of(kind, **chosen):
    return make_settings(
        source="-", target="-", optimiser=kind, learning_rate=0.05, schedule="paper", **chosen
    )


def make_network(share=0.1, seed=0):
    """A network whose backbone learns at a share of the rate."""
    torch.manual_seed(seed)
    backbone = nn.Sequential(nn.Linear(4, 6), nn.ReLU())
    network = BackboneNetwork(backbone, 6, [], SPEC, (), (5,))
    network.rate_share = share
    return network


def batch(number):
    random = torch.Generator().manual_seed(number)
    inputs = torch.randn(6, 4, generator=random)
    return Batch(inputs, torch.arange(6) % 2, inputs + 1, None)


def train(step, optimiser, settings, start=0, stop=5):
    for number in range(start, stop):
        set_learning_rate(optimiser, settings, number / 5)
        step(batch(number), number / 5)["loss"].backward()
        optimiser.step()
        optimiser.zero_grad()


@pytest.mark.parametrize("kind", KINDS)
def test_networks_without_shares_have_one_group_in_the_old_order(kind):
    torch.manual_seed(0)
    step = Step(build_network("mlp", {}, SPEC), combination.make("dann", {}), 0.9)
    optimiser = make_optimiser(step, settings_of(kind))
    (group,) = optimiser.param_groups
    expected = [parameter for parameter in step.parameters() if parameter.requires_grad]
    assert [id(p) for p in group["params"]] == [id(p) for p in expected]
    for progress in (0.0, 0.3, 1.0):
        rate = set_learning_rate(optimiser, settings_of(kind), progress)
        assert group["lr"] == rate == 0.05 * LEARNING_RATE_SCHEDULES["paper"](progress)


@pytest.mark.parametrize("kind", KINDS)
def test_shares_against_two_optimisers(kind):
    settings = settings_of(kind, weight_decay=0.01)
    step = Step(make_network(), combination.make("source-only", {}))
    optimiser = make_optimiser(step, settings)
    train(step, optimiser, settings)
    network = make_network()
    classes = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    options = {"weight_decay": 0.01, **({"momentum": 0.9} if kind == "sgd" else {})}
    others = {
        share: classes[kind](part.parameters(), lr=1.0, **options)
        for part, share in ((network.backbone, 0.1), (network.head, 1.0))
    }
    for number in range(5):
        given = batch(number)
        nn.functional.cross_entropy(network(given.source).logits, given.source_labels).backward()
        for share, other in others.items():
            rate = 0.05 * LEARNING_RATE_SCHEDULES["paper"](number / 5)
            other.param_groups[0]["lr"] = share * rate
            other.step()
            other.zero_grad()
    for ours, theirs in zip(step.network.parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=2e-6, rtol=1e-4)


def test_the_ratio_holds_at_every_progress():
    step = Step(make_network(0.25), combination.make("dann", {}), 0.9)
    optimiser = make_optimiser(step, settings_of("sgd"))
    whole, part = optimiser.param_groups
    names = {id(parameter): name for name, parameter in step.named_parameters()}
    assert {names[id(p)] for p in part["params"]} == {
        "network.backbone.0.weight", "network.backbone.0.bias"
    }  # fmt: skip
    assert {names[id(p)].split(".")[0] for p in whole["params"]} == {
        "network", "modules_of_algorithm"
    }  # fmt: skip
    for progress in (0.0, 0.5, 1.0):
        assert set_learning_rate(optimiser, settings_of("sgd"), progress) == whole["lr"]
        assert part["lr"] == pytest.approx(0.25 * whole["lr"])


def test_frozen_parameters_are_left_out():
    network = make_network()
    network.backbone.requires_grad_(False)
    (group,) = make_optimiser(
        Step(network, combination.make("dann", {})), settings_of("adam")
    ).param_groups
    assert group["lr"] == 0.05
    assert not {id(p) for p in group["params"]} & {id(p) for p in network.backbone.parameters()}


@pytest.mark.parametrize("kind", KINDS)
def test_a_checkpoint_goes_on_where_it_was(kind, tmp_path):
    settings = settings_of(kind)
    steps = [Step(make_network(), combination.make("source-only", {}), 0.9) for _ in range(2)]
    whole = make_optimiser(steps[0], settings)
    train(steps[0], whole, settings, 0, 3)
    save_checkpoint(tmp_path, 3, steps[0], whole, {})
    train(steps[0], whole, settings, 3)
    again = make_optimiser(steps[1], settings)
    restore(latest_checkpoint(tmp_path), steps[1], again)
    train(steps[1], again, settings, 3)
    for ours, theirs in zip(steps[0].parameters(), steps[1].parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_every_network_learns_at_the_whole_rate_by_default():
    network = Network(nn.Linear(4, 3), 3, [], SPEC, (), (5,))
    assert {network.rate_share_of(name) for name, _ in network.named_parameters()} == {1.0}


@pytest.mark.parametrize("kind", KINDS)
def test_a_checkpoint_of_convolutions_goes_on_where_it_was(kind, tmp_path):
    """They lie channels last, and their state in a file does not: fused kernels do not look."""
    settings = settings_of(kind)

    def images(number):
        random = torch.Generator().manual_seed(number)
        inputs = torch.randn(6, 3, 16, 16, generator=random)
        return Batch(inputs, torch.arange(6) % 2, None, None)

    def go_on(step, optimiser, start, stop):
        for number in range(start, stop):
            step(images(number), 0.0)["loss"].backward()
            optimiser.step()
            optimiser.zero_grad()

    steps = []
    for _ in range(2):
        torch.manual_seed(0)
        network = build_network("compact-cnn", {"hidden": 8}, Spec((3, 16, 16), ("a", "b")))
        steps.append(Step(network, combination.make("source-only", {})).train())
    whole = make_optimiser(steps[0], settings)
    go_on(steps[0], whole, 0, 2)
    save_checkpoint(tmp_path, 2, steps[0], whole, {})
    go_on(steps[0], whole, 2, 4)
    again = make_optimiser(steps[1], settings)
    restore(latest_checkpoint(tmp_path), steps[1], again)
    for parameter, entries in again.state.items():
        for value in entries.values():
            assert value.shape != parameter.shape or value.stride() == parameter.stride()
    go_on(steps[1], again, 2, 4)
    for ours, theirs in zip(steps[0].parameters(), steps[1].parameters(), strict=True):
        assert torch.equal(ours, theirs)
