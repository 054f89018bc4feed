"""The mutual-information term against the same computed in NumPy, pair by pair."""

import math

import numpy as np
import pytest
import torch

from acclimate.algorithms import algorithms
from acclimate.algorithms.mi import MutualInformation
from acclimate.core.errors import ConfigurationError
from acclimate.core.types import Batch, Spec
from acclimate.models.network import build_network
from acclimate.training.step import Step

NAME = "loss/mutual_information"


def opinionated(step, batch):
    """The same step; its teacher sees several classes in the batch, each with some confidence."""
    with torch.no_grad():
        step.average.head.weight *= 40
        step.average.head.bias -= step.average(batch.target_weak).logits.mean(0)
    return step


def layers_of(module):
    return [
        (each.weight.detach().numpy(), each.bias.detach().numpy())
        for each in module
        if isinstance(each, torch.nn.Linear)
    ]


def by_hand(step, batch):
    """The loss in NumPy, one pair at a time, as the authors' code loops over classes."""
    step = step.double()
    with torch.no_grad():
        features = [
            step.network(side).layers[step.network.feature_layer].numpy()
            for side in (batch.source, batch.target)
        ]
        logits = step.average(batch.target_weak).logits.numpy()
    ((weight, bias),) = layers_of(step.modules_of_algorithm["projection"])
    source, target = (np.maximum(each @ weight.T + bias, 0) for each in features)

    def critic(anchor, other):
        value = np.concatenate([anchor, other])
        *hidden, (last, shift) = layers_of(step.modules_of_algorithm["critic"])
        for weight, bias in hidden:
            value = np.maximum(weight @ value + bias, 0)
        return (last @ value + shift).item()

    labels = batch.source_labels.tolist()
    chances = np.exp(logits - logits.max(1, keepdims=True))
    chances /= chances.sum(1, keepdims=True)
    guesses = chances.argmax(1)
    sure = [j for j in range(len(target)) if chances[j].max() > step.algorithm.threshold]
    of_same, of_other = ([], []), ([], [])
    for label in {int(guesses[j]) for j in sure}:
        ours = [i for i, each in enumerate(labels) if each == label]
        others = [i for i, each in enumerate(labels) if each != label]
        theirs = [j for j in sure if guesses[j] == label]
        strangers = [j for j in sure if guesses[j] != label]
        for i, j, k, m in zip(ours, theirs, others, strangers, strict=False):
            of_same[0].append(np.logaddexp(0, -critic(target[j], source[i])))
            of_other[0].append(np.logaddexp(0, critic(target[j], source[k])))
            of_same[1].append(np.logaddexp(0, -critic(source[i], target[j])))
            of_other[1].append(np.logaddexp(0, critic(source[i], target[m])))
    loss = sum(np.mean(column) for column in (*of_same, *of_other)) if of_same[0] else 0.0
    return loss, len(of_same[0]), len(sure)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("threshold", [0.0, 0.9])
def test_the_loss_pair_by_pair(seed, threshold, make_step, make_batch):
    batch = make_batch(seed, source=23, target=30, dtype=torch.float64)
    algorithm = MutualInformation(threshold=threshold, start=0, weight=0.7, projection=5)
    step = opinionated(make_step(algorithm, seed).double(), batch)
    values = step(batch, 0.0)
    expected, pairs, sure = by_hand(step, batch)
    assert pairs > 0
    assert (sure == 30) == (threshold == 0)
    assert float(values[NAME]) == pytest.approx(0.7 * expected, rel=1e-6)
    assert float(values["mi_pairs"]) == pytest.approx(pairs / 23)
    assert float(values["confident_share"]) == pytest.approx(sure / 30)
    bound = math.log(2) - expected / 4
    assert float(values["mutual_information"]) == pytest.approx(bound, abs=1e-6)


def test_nobody_sure_is_zero_with_finite_gradients(make_step, make_batch):
    """The authors' code ends with an error here."""
    step = make_step(MutualInformation(threshold=0.999, start=0))
    values = step(make_batch(), 1.0)
    values["loss"].backward()
    for name in (NAME, "confident_share", "mi_pairs", "mutual_information"):
        assert float(values[name]) == 0
    for parameter in step.modules_of_algorithm.parameters():
        assert torch.equal(parameter.grad, torch.zeros_like(parameter))
    bare = make_step(algorithms.get("source-only")())
    bare(make_batch()._replace(target=None, target_weak=None), 1.0)["loss"].backward()
    for ours, expected in zip(step.network.parameters(), bare.network.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, expected.grad)


def test_the_threshold_is_strict(make_step, make_batch):
    """The logits 0, 0, … of three classes give a confidence of one third exactly, in float32."""
    confidence = torch.zeros(3).softmax(0)[0].item()
    for threshold, share in ((confidence, 0.0), (confidence - 1e-6, 1.0)):
        step = make_step(MutualInformation(threshold=threshold))
        with torch.no_grad():
            step.average.head.weight.zero_()
            step.average.head.bias.zero_()
        assert float(step(make_batch(), 0.0)["confident_share"]) == share


def test_it_begins_at_its_start(make_step, make_batch):
    batch = make_batch()
    step = opinionated(make_step(MutualInformation(threshold=0, start=0.25)), batch)
    values = {progress: step(batch, progress) for progress in (0.0, 0.2499, 0.25, 1.0)}
    losses = [float(each[NAME]) for each in values.values()]
    assert losses[:2] == [0, 0]
    assert losses[2] == losses[3]
    assert losses[2] > 1
    # what is only logged does not wait
    assert len({float(each["mutual_information"]) for each in values.values()}) == 1


def test_the_teacher_labels_and_takes_no_gradient(make_step, make_batch):
    batch = make_batch()
    step = opinionated(make_step(MutualInformation(threshold=0, start=0)), batch)
    values = step(batch, 1.0)
    values["loss"].backward()
    assert all(parameter.grad is None for parameter in step.average.parameters())
    with torch.no_grad():
        step.average.head.weight.neg_()
    assert step(batch, 1.0)[NAME] != values[NAME]


def test_the_network_helps_the_critic(make_step, make_batch):
    """Descent on the one loss raises the bound: nothing is adversarial here."""
    batch = make_batch(source=32, target=32)
    step = opinionated(make_step(MutualInformation(threshold=0, start=0)), batch)
    optimiser = torch.optim.Adam([p for p in step.parameters() if p.requires_grad], 1e-3)
    bounds = []
    for _ in range(150):
        values = step(batch, 1.0)
        optimiser.zero_grad()
        values["loss"].backward()
        optimiser.step()
        bounds.append(float(values["mutual_information"]))
    assert bounds[0] == pytest.approx(0, abs=0.02)
    assert math.log(2) > bounds[-1] > 0.5


def test_sizes_and_place(make_step, make_batch):
    step = make_step(MutualInformation())
    shapes = {n: tuple(p.shape) for n, p in step.modules_of_algorithm.named_parameters()}
    assert shapes["projection.0.weight"] == (64, 10)
    widths = [
        shape for name, shape in shapes.items() if name.startswith("critic") and len(shape) > 1
    ]
    assert widths == [(512, 128), (512, 512), (1, 512)]
    bare = make_step(MutualInformation(projection=3, critic=(), layer="backbone"))
    shapes = [tuple(p.shape) for p in bare.modules_of_algorithm.parameters()]
    assert shapes == [(3, 10), (3,), (1, 6), (1,)]
    with pytest.raises(ConfigurationError, match="no layer 'hidden9'"):
        make_step(MutualInformation(layer="hidden9"))
    for wrong in ({"critic": [3, 0]}, {"projection": 0}, {"threshold": 1.0}, {"start": 1.1}):
        (key,) = wrong
        with pytest.raises(ConfigurationError, match=f"algorithm mi: {key}"):
            MutualInformation.build("algorithm mi", wrong)


@pytest.mark.parametrize("layer", ["backbone", "hidden1", None])
def test_the_layer_that_is_projected_is_the_layer_it_was_made_for(layer):
    torch.manual_seed(0)
    network = build_network("mnist-cnn", {}, Spec((1, 28, 28), ("a", "b", "c")))
    step = Step(network, MutualInformation(layer=layer))
    seen = []
    projection = step.modules_of_algorithm["projection"]
    projection.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    pictures = torch.rand(4, 1, 28, 28)
    step(Batch(pictures[:2], torch.tensor([0, 1]), pictures[2:], pictures[2:]), 0.0)
    layers = network(pictures).layers
    assert len(layers) == 3
    expected = layers[layer or "hidden2"]
    torch.testing.assert_close(torch.cat(seen), expected)


def test_bf16_computes_the_bound_exactly_enough(make_step, make_batch):
    batch = make_batch(source=32, target=32)
    step = opinionated(make_step(MutualInformation(threshold=0, start=0)), batch)
    exact = step(batch, 1.0)
    with torch.autocast("cpu", torch.bfloat16):
        values = step(batch, 1.0)
    values["loss"].backward()
    assert values[NAME].dtype == torch.float32
    assert float(exact["mi_pairs"]) > 0
    assert float(values[NAME]) == pytest.approx(float(exact[NAME]), rel=0.05)
    assert all(torch.isfinite(p.grad).all() for p in step.modules_of_algorithm.parameters())
