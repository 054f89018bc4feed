"""The conditional adversary against the same in NumPy, item by item."""

import math

import numpy as np
import pytest
import torch

from acclimate.algorithms import algorithms, combination
from acclimate.algorithms.cdan import Cdan
from acclimate.core.errors import ConfigurationError
from acclimate.core.schedules import domain_ramp
from acclimate.layers.multilinear import MultilinearMap
from acclimate.losses.certainty_weighted import certainty_weights, weighted_domain_classification
from acclimate.losses.domain_classification import domain_classification

NAME = "loss/domain"


def by_hand(step, batch, entropy):
    """CDAN's domain loss, one item at a time, from the paper's formulas."""
    classifier = step.modules_of_algorithm["domain_classifier"]
    ((first, second),) = [[m for m in classifier if isinstance(m, torch.nn.Linear)]]
    total = 0.0
    for inputs, target in ((batch.source, False), (batch.target, True)):
        with torch.no_grad():
            output = step.network(inputs)
        losses, weights = [], []
        features, logits = output.layers[step.network.feature_layer].numpy(), output.logits.numpy()
        for f, z in zip(features, logits, strict=True):
            g = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
            product = np.outer(g, f).reshape(-1)
            with torch.no_grad():
                hidden = np.maximum(first.weight.numpy() @ product + first.bias.numpy(), 0)
                said = (second.weight.numpy() @ hidden + second.bias.numpy()).item()
            chance = 1 / (1 + math.exp(-said))
            losses.append(-math.log(chance if target else 1 - chance))
            weights.append(1 + math.exp((g * np.log(g)).sum()) if entropy else 1.0)
        total += 0.5 * np.average(losses, weights=weights)
    return total


@pytest.mark.parametrize("entropy", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_the_loss_item_by_item(entropy, seed, make_step, make_batch):
    step = make_step(Cdan(entropy=entropy, hidden=(7,)), seed)
    with torch.no_grad():
        step.network.head.weight *= 6  # predictions of all kinds of certainty
        for parameter in step.modules_of_algorithm.parameters():
            parameter *= 5
    step, batch = step.double(), make_batch(seed, source=9, target=5, dtype=torch.float64)
    found = step(batch, 0.5)[NAME]
    assert float(found) == pytest.approx(by_hand(step, batch, entropy), rel=1e-5)
    other = by_hand(step, batch, not entropy)
    assert abs(float(found) - other) > 1e-4


def test_the_weights_are_one_plus_exp_of_minus_the_entropy():
    uniform, sure = torch.zeros(1, 4), torch.tensor([[99.0, 0, 0, 0]])
    assert certainty_weights(uniform).item() == pytest.approx(1.25)
    assert certainty_weights(sure).item() == pytest.approx(2.0)
    logits = torch.randn(5, 4, requires_grad=True)
    chances = torch.distributions.Categorical(logits=logits.detach())
    torch.testing.assert_close(certainty_weights(logits), 1 + (-chances.entropy()).exp())
    assert not certainty_weights(logits).requires_grad


def test_equal_weights_are_the_plain_domain_loss():
    source, target = torch.randn(6, 1), torch.randn(4, 1)
    found = weighted_domain_classification(source, torch.ones(6), target, torch.ones(4))
    torch.testing.assert_close(found, domain_classification(source, target))


def test_the_outer_product_is_that_of_numpy():
    made = MultilinearMap(5, 3)
    features, chances = torch.randn(4, 5), torch.rand(4, 3)
    assert (made.width, made.randomised, list(made.buffers())) == (15, False, [])
    rows = [
        np.outer(g, f).reshape(-1) for f, g in zip(features.numpy(), chances.numpy(), strict=True)
    ]
    torch.testing.assert_close(made(features, chances), torch.from_numpy(np.stack(rows)))


def test_the_randomised_product_keeps_inner_products():
    """E⟨T(f, g), T(f', g')⟩ = ⟨f, f'⟩⟨g, g'⟩: the theorem the map is there for."""
    torch.manual_seed(0)
    features, chances = torch.randn(2, 6), torch.rand(2, 3)
    exact = float((features[0] @ features[1]) * (chances[0] @ chances[1]))
    made = MultilinearMap(6, 3, widest=17, random_width=400_000)
    assert made.randomised
    mapped = made(features, chances)
    assert mapped.shape == (2, 400_000)
    assert float(mapped[0] @ mapped[1]) == pytest.approx(exact, abs=0.1)
    assert abs(exact) > 0.3


@pytest.mark.parametrize(("widest", "randomised"), [(30, False), (29, True)])
def test_a_wide_product_is_randomised_and_stored(widest, randomised, make_step, make_batch):
    """10 features and 3 classes make 30 products."""
    step = make_step(Cdan(widest=widest, random_width=8, hidden=(4,)))
    first = step.modules_of_algorithm["domain_classifier"][0]
    assert first.in_features == (8 if randomised else 30)
    stored = {name: v for name, v in step.state_dict().items() if "product" in name}
    shapes = sorted(tuple(value.shape) for value in stored.values())
    assert shapes == ([(3, 8), (10, 8)] if randomised else [])
    assert not any("product" in name for name, _ in step.named_parameters())
    step(make_batch(), 0.5)["loss"].backward()
    assert all(torch.equal(value, step.state_dict()[name]) for name, value in stored.items())


def domain_gradient(step, batch, progress):
    views, _ = step._views(batch, progress)
    loss = step.algorithm.losses(views, step.modules_of_algorithm, "all").losses["domain"]
    parameters = dict(step.named_parameters())
    found = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
    return {n: g for n, g in zip(parameters, found, strict=True) if g is not None}


def test_the_features_alone_get_the_reversed_gradient(make_step, make_batch):
    """Minus weight · λ times the plain gradient; the head, whose predictions are detached, gets none."""
    batch = make_batch(dtype=torch.float64)
    step = make_step(Cdan(weight=0.7, entropy=False)).double()
    found = domain_gradient(step, batch, 0.2)
    assert not any(name.startswith("network.head") for name in found)
    logits = []
    for inputs in (batch.source, batch.target):
        output = step.network(inputs)
        chances = output.logits.detach().softmax(1)
        product = torch.einsum("nk,nd->nkd", chances, output.layers["backbone"]).flatten(1)
        logits.append(step.modules_of_algorithm["domain_classifier"](product).squeeze(1))
    truth = torch.cat([torch.zeros(8), torch.ones(8)]).double()
    plain = torch.nn.functional.binary_cross_entropy_with_logits(torch.cat(logits), truth)
    named = dict(step.network.backbone.named_parameters())
    expected = torch.autograd.grad(plain, list(named.values()))
    for name, gradient in zip(named, expected, strict=True):
        ours = found[f"network.backbone.{name}"]
        torch.testing.assert_close(ours, -0.7 * domain_ramp(0.2) * gradient, rtol=1e-5, atol=1e-8)


def test_weight_zero_is_source_only(make_step, make_batch):
    bare = make_step(algorithms.get("source-only")())
    bare(make_batch()._replace(target=None, target_weak=None), 0.5)["loss"].backward()
    step = make_step(Cdan(weight=0.0))
    step(make_batch(), 0.5)["loss"].backward()
    for ours, expected in zip(step.network.parameters(), bare.network.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, expected.grad)


def test_it_is_made_with_bsp_and_names_what_does_not_fit(make_step, make_batch):
    step = make_step(combination.make("cdan+bsp", {}))
    values = step(make_batch(), 0.5)
    assert {"loss/classification", NAME, "loss/spectral"} < values.keys()
    with pytest.raises(ConfigurationError, match="no layer 'hidden9'"):
        make_step(Cdan(attach="hidden9"))
    for wrong in ({"widest": 0}, {"random_width": 0}, {"entropy": "perhaps"}, {"weight": -1}):
        (key,) = wrong
        with pytest.raises(ConfigurationError, match=f"algorithm cdan: {key}"):
            Cdan.build("algorithm cdan", wrong)
