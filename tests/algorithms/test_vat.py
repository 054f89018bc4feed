"""Virtual adversarial training against the paper's algorithm in NumPy, on a linear network."""

import math

import numpy as np
import pytest
import scipy.stats
import torch
from torch import nn

from acclimate.algorithms.dirt_t import DirtT
from acclimate.algorithms.mcc import MinimumClassConfusion
from acclimate.algorithms.vada import Vada
from acclimate.algorithms.vat import VirtualAdversarial
from acclimate.core.types import Batch, NetworkOutput, Views
from acclimate.losses.divergence import divergences


class Linear(nn.Module):
    """Logits W x, for which everything about the divergence is known."""

    def __init__(self, classes, width=6):
        super().__init__()
        random = torch.Generator().manual_seed(0)
        weight = torch.randn(classes, width, generator=random, dtype=torch.float64)
        self.weight = nn.Parameter(weight)

    def forward(self, inputs):
        return NetworkOutput({}, inputs.flatten(1) @ self.weight.T)


def views_of(network, batch):
    output = network(batch.source)
    return Views(output, batch.source_labels, None, None, batch, 1.0, network)


def chances(logits):
    exponentials = np.exp(logits - logits.max())
    return exponentials / exponentials.sum()


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("shape", [(6,), (1, 2, 3)])
def test_one_power_iteration_item_by_item(absolute, shape, make_batch):
    """Miyato et al., equations 12 to 14: with H = Wᵀ(diag p − p pᵀ)W, the worst change is along H d."""
    network, batch = Linear(3), make_batch(source=5, target=7, dtype=torch.float64)
    batch = Batch(
        batch.source.view(5, *shape), batch.source_labels, batch.target.view(7, *shape), None
    )
    algorithm = VirtualAdversarial(radius=0.3, xi=1e-4, absolute=absolute)
    torch.manual_seed(3)
    source, target = algorithm.roughness(views_of(network, batch))
    torch.manual_seed(3)
    inputs = torch.cat([batch.source, batch.target])
    draws = torch.randn_like(inputs).flatten(1).numpy()
    weight, length = network.weight.detach().numpy(), 0.3 * (1 if absolute else math.sqrt(6))
    each = []
    for x, d in zip(inputs.flatten(1).numpy(), draws, strict=True):
        p = chances(weight @ x)
        direction = weight.T @ (np.diag(p) - np.outer(p, p)) @ weight @ d
        worst = length * direction / np.linalg.norm(direction)
        each.append(scipy.stats.entropy(p, chances(weight @ (x + worst))))
    assert source.item() == pytest.approx(np.mean(each[:5]), rel=1e-2)
    assert target.item() == pytest.approx(np.mean(each[5:]), rel=1e-2)


def test_the_change_is_worse_than_a_random_one(make_step, make_batch):
    step, batch = make_step(VirtualAdversarial(radius=0.2)), make_batch(target=64)
    with torch.no_grad():
        step.network.head.weight *= 5
    torch.manual_seed(0)
    found = float(step(batch, 1.0)["target_roughness"])
    change = torch.randn_like(batch.target)
    change *= 0.2 * math.sqrt(6) / change.norm(dim=1, keepdim=True)
    logits = [step.network(inputs).logits for inputs in (batch.target, batch.target + change)]
    assert found > 1.5 * divergences(*logits).mean().item()


def test_only_the_changed_prediction_is_learnt(make_batch):
    """The gradient against that of KL with the worst change and the first prediction held."""
    network, batch = Linear(2), make_batch(dtype=torch.float64)
    algorithm = VirtualAdversarial(radius=0.2, xi=1e-4)
    torch.manual_seed(0)
    sum(algorithm.roughness(views_of(network, batch))).backward()
    found, weight = network.weight.grad, network.weight.detach()
    # with two classes all changes are along the difference of their rows; the draw gives the sign
    torch.manual_seed(0)
    inputs = torch.cat([batch.source, batch.target])
    across = weight[0] - weight[1]
    sign = (torch.randn_like(inputs) @ across).sign()[:, None]
    changed = inputs + 0.2 * math.sqrt(6) * sign * across / across.norm()
    twin = weight.clone().requires_grad_()
    each = divergences(inputs @ weight.T, changed @ twin.T)
    (each[:8].mean() + each[8:].mean()).backward()
    torch.testing.assert_close(found, twin.grad, atol=1e-6, rtol=1e-4)


def test_a_network_that_is_certain_still_has_a_worst_direction(make_batch):
    """Slopes near the smallest number, whose squares are 0, and slopes of exactly 0."""
    for scale in (30.0, 1e4):
        network, batch = Linear(2).float(), make_batch()
        with torch.no_grad():
            network.weight *= scale
        source, target = VirtualAdversarial().roughness(views_of(network, batch))
        (source + target).backward()
        assert torch.isfinite(network.weight.grad).all()


@pytest.mark.parametrize("normalisation", ["batch", "domain"])
def test_running_statistics_are_those_of_the_joint_pass(normalisation, make_step, make_batch):
    """BatchNorm notes one pass in a step, whatever the algorithm looks at besides."""
    found = []
    for algorithm in (MinimumClassConfusion(), VirtualAdversarial(), Vada(), DirtT()):
        step = make_step(algorithm, normalisation=normalisation, dropout=0.0)
        step(make_batch(), 0.5)["loss"].backward()
        found.append(dict(step.network.named_buffers()))
    assert found[0]
    for other in found[1:]:
        assert all(torch.equal(value, other[name]) for name, value in found[0].items())


def test_what_is_dropped_does_not_look_like_roughness(make_step, make_batch):
    """Before and after a change of nearly nothing the network says the same, dropout or not."""
    step = make_step(VirtualAdversarial(radius=1e-4), dropout=0.5)
    assert float(step(make_batch(), 1.0)["source_roughness"]) < 1e-5


def test_vada_is_the_sum_of_its_parts(make_step, make_batch):
    algorithm = Vada(source_smoothness=0.5, target_smoothness=0.2, entropy=0.3, ramp=0.5)
    step, batch = make_step(algorithm), make_batch()
    predictions = step.network(batch.target).logits.detach().softmax(1).numpy()
    uncertain = scipy.stats.entropy(predictions, axis=1).mean()
    values = {key: torch.as_tensor(value).item() for key, value in step(batch, 0.25).items()}
    rough = 0.5 * values["source_roughness"] + 0.5 * 0.2 * values["target_roughness"]
    assert values["loss/roughness"] == pytest.approx(rough)
    assert values["loss/entropy"] == pytest.approx(0.5 * 0.3 * uncertain)
    assert values["loss/domain"] == pytest.approx(0.7, abs=0.1)


def test_dirt_t_is_the_sum_of_its_parts(make_step, make_batch):
    step = make_step(DirtT(teacher=0.5, smoothness=0.3, entropy=0.2, radius=0.1))
    batch = make_batch()
    with torch.no_grad():
        step.average.head.weight *= 3
    student, teacher = (
        network(inputs).logits.detach().softmax(1).numpy()
        for network, inputs in ((step.network, batch.target), (step.average, batch.target_weak))
    )
    torch.manual_seed(0)
    values = {key: value.item() for key, value in step(batch, 0.0).items()}
    torch.manual_seed(0)
    views = views_of(step.network, batch)
    _, rough = step.algorithm.roughness(views)
    divergence = scipy.stats.entropy(teacher, student, axis=1).mean()
    assert values["loss/classification"] == 0
    assert values["loss/teacher"] == pytest.approx(0.5 * divergence, rel=1e-4)
    assert values["loss/roughness"] == pytest.approx(0.3 * rough.item(), rel=1e-4)
    entropy = scipy.stats.entropy(student, axis=1).mean()
    assert values["loss/entropy"] == pytest.approx(0.2 * entropy, rel=1e-4)
    assert values["source_cross_entropy"] > 0


def test_dirt_t_learns_nothing_from_source_labels(make_step, make_batch):
    found = []
    for turned in (0, 1):
        step, batch = make_step(DirtT()), make_batch()
        torch.manual_seed(0)
        step(batch._replace(source_labels=batch.source_labels.roll(turned)), 0.5)["loss"].backward()
        found.append([parameter.grad for parameter in step.network.parameters()])
    assert all(torch.equal(*pair) for pair in zip(*found, strict=True))
