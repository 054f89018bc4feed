"""Methods that descend a distance of features: dan, jan, deep-coral, cmd."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist
from scipy.special import softmax
from scipy.stats import moment
from sklearn.metrics.pairwise import rbf_kernel

from acclimate.algorithms import algorithms
from acclimate.core.errors import ConfigurationError
from acclimate.core.types import Spec
from acclimate.models.network import build_network
from acclimate.training.step import Step

NAMES = ("dan", "jan", "deep-coral", "cmd")
every_one = pytest.mark.parametrize("name", NAMES)
LAYERS = ["backbone", "logits"]


def layers_of(step, batch):
    """NumPy activations by layer, source and target."""
    found = {}
    with torch.no_grad():
        for side in (batch.source, batch.target):
            output = step.network(side)
            for layer, values in {**output.layers, "logits": output.logits}.items():
                found.setdefault(layer, []).append(values.double().numpy())
    return found


def mean_discrepancy(kernel, source, unbiased):
    sides = [kernel[:source, :source], kernel[source:, source:]]
    if unbiased:
        within = [(k.sum() - len(k)) / (len(k) * (len(k) - 1)) for k in sides]
    else:
        within = [k.mean() for k in sides]
    return sum(within) - 2 * kernel[:source, source:].mean()


def kernel_of(pair, kernels):
    items = np.concatenate(pair)
    middle = pdist(items, "sqeuclidean").mean()
    powers = np.arange(kernels) - kernels // 2
    return np.mean([rbf_kernel(items, gamma=1 / (middle * 2.0**p)) for p in powers], axis=0)


def dan_by_hand(layers, names, options):
    kernels = [kernel_of(layers[name], options["kernels"]) for name in names]
    return sum(mean_discrepancy(k, len(layers["logits"][0]), options["unbiased"]) for k in kernels)


def jan_by_hand(layers, names, options):
    kernel = rbf_kernel(softmax(np.concatenate(layers["logits"]), axis=1), gamma=1 / 1.5)
    for name in names:
        kernel = kernel * kernel_of(layers[name], options["kernels"])
    return mean_discrepancy(kernel, len(layers["logits"][0]), options["unbiased"])


def coral_by_hand(layers, names, options):
    total = 0.0
    for source, target in (layers[name] for name in names):
        difference = np.cov(source.T) - np.cov(target.T)
        total += np.linalg.norm(difference) ** 2 / (4 * source.shape[1] ** 2)
    return total


def cmd_by_hand(layers, names, options):
    total = 0.0
    for pair in (layers[name] for name in names):
        size = np.sqrt((np.concatenate(pair) ** 2).mean())
        source, target = (np.tanh(side / size) if options["squash"] else side for side in pair)
        low, high = options["bounds"]
        total += np.linalg.norm(source.mean(0) - target.mean(0)) / (high - low)
        for k in range(2, options["moments"] + 1):
            total += np.linalg.norm(moment(source, k) - moment(target, k)) / (high - low) ** k
    return total


CASES = [
    ("dan", dan_by_hand, {"kernels": 5, "unbiased": True}),
    ("dan", dan_by_hand, {"kernels": 1, "unbiased": False}),
    ("jan", jan_by_hand, {"kernels": 5, "unbiased": True, "prediction_bandwidth": 1.5}),
    ("jan", jan_by_hand, {"kernels": 3, "unbiased": False, "prediction_bandwidth": 1.5}),
    ("deep-coral", coral_by_hand, {}),
    ("cmd", cmd_by_hand, {"moments": 5, "bounds": [-1.0, 1.0], "squash": True}),
    ("cmd", cmd_by_hand, {"moments": 3, "bounds": [0.0, 4.0], "squash": False}),
]


@pytest.mark.parametrize(("name", "by_hand", "options"), CASES)
@pytest.mark.parametrize("layers", [["backbone"], LAYERS])
def test_the_discrepancy_by_hand(name, by_hand, options, layers, make_step, make_batch):
    batch = make_batch(1, source=9, target=12)
    algorithm = algorithms.get(name)(weight=0.7, layers=layers, **options)
    step = make_step(algorithm)
    values = step(batch, 0.1)
    expected = by_hand(layers_of(step, batch), layers, options)
    assert float(values["discrepancy"]) == pytest.approx(expected, rel=1e-4, abs=1e-6)
    weight = 0.7 * (2 / (1 + math.exp(-1)) - 1)
    assert values["discrepancy_weight"] == pytest.approx(weight)
    assert float(values["loss/discrepancy"]) == pytest.approx(weight * expected, rel=1e-4)


@every_one
def test_the_default_layers(name, make_batch):
    """The last hidden layer; of deep-coral, as in its paper, the logits."""
    torch.manual_seed(0)
    network = build_network("mnist-cnn", {}, Spec((1, 28, 28), ("a", "b", "c")))
    pictures = torch.rand(12, 1, 28, 28)
    batch = make_batch(weak=False)._replace(
        source=pictures[:6], target=pictures[6:].square(), source_labels=torch.arange(6) % 3
    )
    kind = algorithms.get(name)
    layer = "logits" if name == "deep-coral" else "hidden2"
    found = [
        float(Step(network, algorithm)(batch, 0.5)["discrepancy"])
        for algorithm in (kind(), kind(layers=[layer]), kind(layers=["hidden1"]))
    ]
    assert found[0] == found[1] != found[2]


def trained(step, batches, steps=8):
    """Plain SGD with momentum; the network's weights after each step."""
    optimiser = torch.optim.SGD(step.parameters(), 0.1, momentum=0.9)
    for number in range(steps):
        optimiser.zero_grad()
        step(batches(number, weak=False), number / steps)["loss"].backward()
        optimiser.step()
        yield {name: value.clone() for name, value in step.network.state_dict().items()}


@every_one
def test_weight_zero_is_source_only_step_for_step(name, make_step, make_batch):
    bare = list(trained(make_step(algorithms.get("source-only")()), make_batch))
    without = trained(make_step(algorithms.get(name)(weight=0)), make_batch)
    for expected, found in zip(bare, without, strict=True):
        for key, value in expected.items():
            torch.testing.assert_close(found[key], value, atol=1e-6, rtol=1e-5)
    # covariances of logits that are still small differ by little
    *_, pulled = trained(make_step(algorithms.get(name)(weight=100)), make_batch)
    assert any((bare[-1][key] - value).abs().max() > 1e-4 for key, value in pulled.items())


@every_one
def test_equal_domains_have_no_discrepancy(name, make_step, make_batch):
    batch = make_batch()
    batch = batch._replace(target=batch.source.flip(0))
    kind = algorithms.get(name)
    options = {"unbiased": False} if "unbiased" in kind.model_fields else {}
    step = make_step(kind(layers=LAYERS, **options))
    assert float(step(batch, 1.0)["discrepancy"]) == pytest.approx(0, abs=1e-6)
    apart = batch._replace(target=batch.source * 20 + 1)
    assert float(step(apart, 1.0)["discrepancy"]) > 1e-3


@every_one
def test_descent_brings_the_domains_together(name, make_step, make_batch):
    """The discrepancy alone, of a target that is shifted and stretched."""
    batch = make_batch(source=32, target=32)
    batch = batch._replace(target=5 * batch.target)
    step = make_step(algorithms.get(name)())
    optimiser = torch.optim.Adam(step.parameters(), 3e-3)
    found = []
    for _ in range(30):
        views, _ = step._views(batch, 1.0)
        losses, values = step.algorithm.losses(views, step.modules_of_algorithm, "all")
        optimiser.zero_grad()
        losses["discrepancy"].backward()
        optimiser.step()
        found.append(float(values["discrepancy"]))
    assert found[-1] < 0.6 * found[0]


@every_one
def test_bf16_computes_the_distance_exactly_enough(name, make_step, make_batch):
    batch = make_batch(source=32, target=32)
    step = make_step(algorithms.get(name)(layers=LAYERS))
    exact = step(batch, 1.0)["discrepancy"]
    with torch.autocast("cpu", torch.bfloat16):
        values = step(batch, 1.0)
    assert values["discrepancy"].dtype == torch.float32
    assert float(values["discrepancy"]) == pytest.approx(float(exact), rel=0.05)


def test_the_size_of_the_features_does_not_matter_to_cmd(make_step, make_batch):
    """A tanh of large ReLUs would be 1 everywhere."""
    step, found = make_step(algorithms.get("cmd")()), []
    for factor in (1, 100):
        with torch.no_grad():
            for parameter in step.network.backbone[-2].parameters():
                parameter *= factor
        found.append(float(step(make_batch(), 1.0)["discrepancy"]))
    assert found[0] == pytest.approx(found[1], rel=1e-4)
    assert found[0] > 0.05


@every_one
def test_wrong_options(name, make_step):
    kind = algorithms.get(name)
    with pytest.raises(ConfigurationError, match="no layer 'hidden9'"):
        make_step(kind(layers=["hidden9"]))
    with pytest.raises(ConfigurationError, match=f"algorithm {name}: layers"):
        kind.build(f"algorithm {name}", {"layers": []})


def test_bounds_in_order():
    kind = algorithms.get("cmd")
    with pytest.raises(ConfigurationError, match="bounds: the first bound must be below"):
        kind.build("algorithm cmd", {"bounds": [1.0, 1.0]})
