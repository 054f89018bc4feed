"""Three kinds of phases: what each descends, and what it moves, against the paper's steps."""

import numpy as np
import pytest
import torch
from scipy.special import softmax

from acclimate.algorithms import combination
from acclimate.algorithms.mcd import MaximumClassifierDiscrepancy as Mcd
from acclimate.core.errors import ConfigurationError
from acclimate.core.types import Batch, Spec
from acclimate.losses.classifier_discrepancy import classifier_discrepancy
from acclimate.models.network import build_network
from acclimate.training.loop import train
from acclimate.training.step import Step


def test_the_discrepancy_entry_by_entry():
    first, second = torch.randn(5, 4), torch.randn(5, 4)
    differences = [
        abs(p - q)
        for a, b in zip(first.numpy(), second.numpy(), strict=True)
        for p, q in zip(softmax(a), softmax(b), strict=True)
    ]
    assert float(classifier_discrepancy(first, second)) == pytest.approx(
        np.mean(differences), rel=1e-5
    )
    assert float(classifier_discrepancy(first, first)) == 0


@pytest.mark.parametrize("count", [1, 3])
def test_the_phases(count):
    names = [phase.name for phase in Mcd(generator_steps=count).phases]
    assert names == ["classifiers", *["generator"] * count, "source"]
    with pytest.raises(ConfigurationError, match="several optimiser steps"):
        combination.make("mcd+dann", {})
    with pytest.raises(ConfigurationError, match="algorithm mcd: generator_steps"):
        Mcd.build("algorithm mcd", {"generator_steps": 0})


def by_hand(step, batch):
    """A training step of plain SGD in the order B, C, C, A, each spelt out."""
    network, second = step.network, step.modules_of_algorithm["second_head"]
    heads = [*network.head.parameters(), *second.parameters()]
    generator = [*network.backbone.parameters(), *network.hidden.parameters()]

    def losses():
        output = network(torch.cat([batch.source, batch.target]))
        features = output.layers[network.feature_layer]
        count = len(batch.source)
        pair = output.logits, second(features)
        labelled = sum(
            torch.nn.functional.cross_entropy(z[:count], batch.source_labels) for z in pair
        )
        return labelled, (pair[0][count:].softmax(1) - pair[1][count:].softmax(1)).abs().mean()

    def descend(loss, parameters):
        with torch.no_grad():
            for parameter, gradient in zip(
                parameters, torch.autograd.grad(loss, parameters), strict=True
            ):
                parameter -= 0.2 * gradient

    labelled, discrepancy = losses()
    descend(labelled - discrepancy, heads)
    for _ in range(2):
        descend(losses()[1], generator)
    descend(losses()[0], heads + generator)


def test_against_the_steps_by_hand():
    """On a network with hidden layers, which belong to the generator."""

    def make():
        torch.manual_seed(0)
        network = build_network("mnist-cnn", {}, Spec((1, 20, 20), ("a", "b", "c")))
        return Step(network, Mcd(generator_steps=2)).double()

    random = torch.Generator().manual_seed(0)
    pictures = torch.rand(10, 1, 20, 20, generator=random).double()
    batch = Batch(pictures[:4], torch.arange(4) % 3, pictures[4:], None)
    ours, theirs = make(), make()
    optimiser = torch.optim.SGD(ours.parameters(), 0.2)
    for _ in train(
        ours, optimiser, [batch, batch], steps=2, pause_at=lambda done: False,
        set_rate=lambda progress: 0.2,
    ):  # fmt: skip
        pass
    by_hand(theirs, batch)
    by_hand(theirs, batch)
    for (name, value), expected in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-6, atol=1e-7, msg=name)


def test_classifiers_part_and_the_generator_brings_them_together(make_step, make_batch):
    """The direction of each phase, seen in the discrepancy it leaves behind."""
    batch, step = make_batch(target=32), make_step(Mcd())
    for name, larger in (("classifiers", True), ("generator", False)):
        (phase,) = {phase for phase in step.algorithm.phases if phase.name == name}
        moved = [p for n, p in step.trainable() if phase.moves(n)]
        seen = []
        for _ in range(40):
            values = step(batch, 0.5, name)
            seen.append(float(values["classifier_discrepancy"]))
            for parameter, gradient in zip(
                moved, torch.autograd.grad(values["loss"], moved), strict=True
            ):
                parameter.data -= 0.3 * gradient
        assert (seen[-1] > seen[0]) == larger
        assert abs(seen[-1] - seen[0]) > 0.02


def test_the_networks_own_head_is_what_is_deployed(make_step, make_batch):
    step = make_step(Mcd(), averaging=0.9)
    values = step(make_batch(), 0.5, "source")
    assert values.keys() >= {"loss/classification", "loss/second_classification"}
    logits = step.network(make_batch().source).logits
    expected = torch.nn.functional.cross_entropy(logits, make_batch().source_labels)
    torch.testing.assert_close(values["loss/classification"], expected.detach())
    assert "second_head" not in " ".join(step.deployed.state_dict())
    assert step.modules_of_algorithm["second_head"].weight.shape == step.network.head.weight.shape
