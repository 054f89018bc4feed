"""Sharpness-aware minimisation against the same written by hand, and where it is refused."""

import json

import pytest
import torch

from acclimate.algorithms import combination
from acclimate.core.errors import ConfigurationError, RunError
from acclimate.core.types import Batch, LabelledBatch, Spec
from acclimate.models.network import build_network
from acclimate.objectives.classification import classification_loss
from acclimate.training.fit import fit
from acclimate.training.loop import train
from acclimate.training.step import Step

SPEC = Spec((4,), ("a", "b", "c"))


def make_step(name="dann", options=None, seed=0, **network):
    torch.manual_seed(seed)
    built = build_network("mlp", {"widths": [6, 5], **network}, SPEC)
    return Step(built, combination.make(name, options or {}), averaging=0.9).double()


def batch(number, labelled=False):
    random = torch.Generator().manual_seed(number)
    inputs = torch.randn(12, 4, generator=random, dtype=torch.float64)
    few = LabelledBatch(inputs[:3] + 1, torch.arange(3)) if labelled else None
    return Batch(inputs, torch.arange(12) % 3, 2 * inputs.flip(0) + 1, inputs.flip(0) + 1, few)


def trained(step, steps=5, **options):
    optimiser = torch.optim.SGD([p for p in step.parameters() if p.requires_grad], 0.3, 0.9)
    pauses = train(
        step, optimiser, map(batch, range(steps)), steps=steps, pause_at=lambda done: True,
        set_rate=lambda progress: 0.3, **options,
    )  # fmt: skip
    return [logged.floats() for logged in pauses]


def by_hand(step, radius, steps=5):
    """SAM for the classification and plain SGD with momentum for the domain loss, spelt out."""
    network, classifier = step.network, step.modules_of_algorithm["domain_classifier"]
    parameters = [*network.parameters(), *classifier.parameters()]
    momentum = [torch.zeros_like(p) for p in parameters]
    for number in range(steps):
        given = batch(number)

        def classified(given=given):
            joint = network(torch.cat([given.source, given.target]))
            return torch.nn.functional.cross_entropy(joint.logits[:12], given.source_labels)

        def told(given=given, progress=number / steps):
            layers = network(torch.cat([given.source, given.target])).layers["backbone"]
            strength = 2 / (1 + torch.exp(torch.tensor(-10.0 * progress))) - 1
            # a reversal without a layer: forwards the features, backwards minus the strength
            reversed_ = (1 + strength) * layers.detach() - strength * layers
            truth = torch.cat([torch.zeros(12), torch.ones(12)]).double()
            logits = classifier(reversed_).squeeze(1)
            return torch.nn.functional.binary_cross_entropy_with_logits(logits, truth)

        others = torch.autograd.grad(told(), parameters, allow_unused=True)
        first = torch.autograd.grad(classified(), list(network.parameters()))
        norm = sum(float((g**2).sum()) for g in first) ** 0.5
        before = [p.detach().clone() for p in network.parameters()]
        with torch.no_grad():
            for p, g in zip(network.parameters(), first, strict=True):
                p += radius * g / norm
        sharp = torch.autograd.grad(classified(), list(network.parameters()))
        with torch.no_grad():
            for p, old in zip(network.parameters(), before, strict=True):
                p.copy_(old)
            for i, p in enumerate(parameters):
                gradient = torch.zeros_like(p)
                if i < len(sharp):
                    gradient += sharp[i]
                if others[i] is not None:
                    gradient += others[i]
                momentum[i] = 0.9 * momentum[i] + gradient
                p -= 0.3 * momentum[i]


@pytest.mark.parametrize("radius", [0.05, 1.0])
def test_against_sam_by_hand(radius):
    ours, theirs = make_step(), make_step()
    trained(ours, sharpness=radius)
    by_hand(theirs, radius)
    for part in ("network", "modules_of_algorithm"):
        expected = getattr(theirs, part).state_dict()
        for name, value in getattr(ours, part).state_dict().items():
            torch.testing.assert_close(value, expected[name], rtol=1e-5, atol=1e-7)


def test_the_radius_matters():
    weights = []
    for radius in (0.0, 0.05, 1.0):
        step = make_step()
        trained(step, sharpness=radius)
        weights.append(step.network.head.weight.detach())
    assert not torch.equal(weights[0], weights[1])
    assert (weights[0] - weights[2]).abs().max() > 2 * (weights[0] - weights[1]).abs().max()


@pytest.mark.parametrize("name", ["source-only", "dann", "dann+mi"])
def test_the_step_without_a_radius_and_with_a_vanishing_one(name):
    """Bit for bit the plain loop without; with a tiny one all but that, with the same values logged."""
    plain, none, tiny = make_step(name), make_step(name), make_step(name)
    rows = [trained(plain), trained(none, sharpness=0.0), trained(tiny, sharpness=1e-9)]
    assert rows[0] == rows[1]
    for ours, zero, small in zip(*(s.parameters() for s in (plain, none, tiny)), strict=True):
        assert torch.equal(ours, zero)
        torch.testing.assert_close(ours, small, rtol=1e-6, atol=1e-7)
    assert [list(row) for row in rows[0]] == [list(row) for row in rows[2]]
    for row, other in zip(rows[0], rows[2], strict=True):
        assert row == pytest.approx(other, rel=1e-5, abs=1e-6)


def test_the_second_look_leaves_no_trace():
    """Running statistics, memories and frozen copies see the first look alone."""
    options = {"start": 0.9}
    looked, plain = (make_step("adda", options, normalisation="batch") for _ in range(2))
    trained(looked, steps=1, sharpness=0.5)
    plain.train()
    plain(batch(0), 0.0, "all")
    for name, value in plain.state_dict().items():
        kept = "running" in name or "batches" in name or "source_encoder" in name
        if kept and not name.startswith("average"):
            assert torch.equal(value, looked.state_dict()[name]), name


def test_what_is_apart_is_the_classification_with_its_graph():
    step = make_step()
    plain = step(batch(0, labelled=True), 0.5)
    values = step(batch(0, labelled=True), 0.5, "all", True)
    both = values["loss/classification"] + values["loss/labelled_target"]
    torch.testing.assert_close(values["classification"].detach(), both)
    assert values["classification"].requires_grad
    assert "classification" not in plain
    few = batch(0, labelled=True).labelled_target
    expected = 0.5 * classification_loss(step.network(few.inputs).logits, few.labels)
    torch.testing.assert_close(values["loss/labelled_target"], expected.detach())


@pytest.mark.parametrize(
    ("chosen", "why"),
    [
        ({"algorithm": "mcd"}, "mcd, which takes several optimiser steps"),
        ({"devices": 2}, "several --devices"),
        ({"precision": "16"}, "--precision 16"),
    ],
)
def test_where_it_is_refused(chosen, why, settings_of):
    from acclimate.training.parts import make_algorithm
    from acclimate.training.sharpness import check_sharpness

    settings = settings_of(sharpness=0.02, **chosen)
    with pytest.raises(ConfigurationError, match=f"--sharpness does not work with {why}") as caught:
        check_sharpness(settings, make_algorithm(settings))
    assert "\n" not in str(caught.value)
    without = settings_of(**chosen)
    check_sharpness(without, make_algorithm(without))
    with pytest.raises(ConfigurationError, match="settings: sharpness"):
        settings_of(sharpness=-0.1)


def test_a_run_of_it_is_refused_and_of_dann_is_not(settings_of, tmp_path, tensors_of):
    with pytest.raises(ConfigurationError, match="--sharpness does not work with mcd"):
        fit(settings_of(algorithm="mcd", sharpness=0.1), tmp_path / "mcd", baseline=False)
    models = []
    for radius in (0.0, 0.5):
        folder = tmp_path / f"run{radius}"
        settings = settings_of(algorithm="dann", sharpness=radius, steps=4, precision="bf16")
        assert fit(settings, folder, baseline=False).status == "finished"
        models.append(tensors_of(folder / "model.safetensors"))
    assert models[0] != models[1]


def test_a_run_begun_before_there_was_such_a_setting_can_be_continued(settings_of, tmp_path):
    settings = settings_of(algorithm="dann", steps=4)
    fit(settings, tmp_path / "run", baseline=False)
    path = tmp_path / "run" / "record.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    del record["settings"]["sharpness"]
    path.write_text(json.dumps(record), encoding="utf-8")
    fit(settings, tmp_path / "run", baseline=False, resume=True)
    with pytest.raises(RunError, match=r"sharpness was 0\.0 and is now 0\.1"):
        fit(settings_of(algorithm="dann", steps=4, sharpness=0.1), tmp_path / "run", resume=True)
