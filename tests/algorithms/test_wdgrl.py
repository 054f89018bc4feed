"""The critic's phases and the network's, against closed forms and against SciPy."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import wasserstein_distance

from acclimate.algorithms import algorithms
from acclimate.algorithms.wdgrl import Wdgrl
from acclimate.core.errors import ConfigurationError
from acclimate.core.types import Batch, Spec
from acclimate.models.network import build_network
from acclimate.training.loop import train
from acclimate.training.step import Step


def run(step, batches, steps=6, optimiser=None):
    """The package's own loop; network and critic after each step."""
    optimiser = optimiser or torch.optim.Adam(step.parameters(), 1e-2)
    pauses = train(
        step,
        optimiser,
        (batches(number) for number in range(steps)),
        steps=steps,
        pause_at=lambda done: True,
        set_rate=lambda progress: 1e-2,
    )
    for logged in pauses:
        yield logged.floats(), {name: value.clone() for name, value in step.state_dict().items()}


def moved(before, after):
    return {name for name, value in before.items() if not torch.equal(value, after[name])}


@pytest.mark.parametrize("critic_steps", [1, 3])
def test_phases_move_one_side_each(critic_steps, make_step, make_batch):
    step = make_step(Wdgrl(critic_steps=critic_steps))
    names = [phase.name for phase in step.algorithm.phases]
    assert names == [*["critic"] * critic_steps, "network"]
    moves = [
        {name.partition(".")[0] for name, _ in step.trainable() if phase.moves(name)}
        for phase in step.algorithm.phases
    ]
    assert moves == [*[{"critic"}] * critic_steps, {"network"}]
    counted = []
    for module in (step.network, step.modules_of_algorithm["critic"]):
        module.register_forward_hook(lambda *_: counted.append(torch.is_grad_enabled()))
    list(run(step, make_batch, steps=1))
    # network, critic; then network, and the critic on each side
    assert counted == [*[False, True] * critic_steps, True, True, True]


def test_the_critic_takes_as_many_steps_as_it_is_told(make_step, make_batch):
    step = make_step(Wdgrl(critic_steps=4))
    optimiser = torch.optim.Adam(step.parameters(), 1e-2)
    list(run(step, make_batch, steps=3, optimiser=optimiser))
    taken = {name: int(optimiser.state[p]["step"]) for name, p in step.trainable()}
    for name, count in taken.items():
        assert count == (12 if name.startswith("critic") else 3)


def test_both_losses_of_a_critic_that_is_a_plane(make_step, make_batch):
    """f(x) = w·x: the distance is w·(mean difference), the penalty (‖w‖ − 1)² wherever it is taken."""
    batch = make_batch(source=9, target=5)
    step = make_step(Wdgrl(critic=(), penalty=7.0, weight=0.4))
    (weight,) = step.modules_of_algorithm["critic"].parameters()
    with torch.no_grad():
        sides = [
            step.network(each).layers["backbone"].numpy() for each in (batch.source, batch.target)
        ]
    plane = weight.detach().numpy()[0]
    distance = plane @ (sides[0].mean(0) - sides[1].mean(0))
    values = step(batch, 0.1, "critic")
    assert float(values["loss/critic"]) == pytest.approx(-distance, rel=1e-4)
    penalty = 7 * (np.linalg.norm(plane) - 1) ** 2
    assert float(values["loss/penalty"]) == pytest.approx(penalty, rel=1e-4)
    values = step(batch, 0.1, "network")
    assert float(values["wasserstein_distance"]) == pytest.approx(distance, rel=1e-4)
    share = 0.4 * (2 / (1 + math.exp(-1)) - 1)
    assert float(values["loss/wasserstein"]) == pytest.approx(share * distance, rel=1e-4)


def test_the_penalty_looks_at_both_domains_and_between(make_step, make_batch):
    step = make_step(Wdgrl())
    seen = []
    step.modules_of_algorithm["critic"].register_forward_pre_hook(
        lambda _, given: seen.append(given[0])
    )
    batch = make_batch(source=4, target=6)
    step(batch, 0.5, "critic")
    with torch.no_grad():
        source, target = (
            step.network(each).layers["backbone"] for each in (batch.source, batch.target)
        )
    ((points,),) = (seen,)
    torch.testing.assert_close(points[:10], torch.cat([source, target]))
    starts = torch.cat([source, source[:2]])
    places = (points[10:] - starts).norm(dim=1) / (target - starts).norm(dim=1)
    torch.testing.assert_close(points[10:], starts + places[:, None] * (target - starts))
    assert ((places > 0) & (places < 1)).all()


def test_a_trained_critic_finds_the_distance():
    """Two sets on a line, seen as they are: the Wasserstein distance of SciPy's."""
    torch.manual_seed(0)
    network = build_network("mlp", {"widths": [2]}, Spec((2,), ("a", "b")))
    with torch.no_grad():
        for parameter, value in zip(
            network.backbone[1].parameters(), (torch.eye(2), 0), strict=True
        ):
            parameter.copy_(torch.as_tensor(value))
    source, target = torch.rand(2, 64, 2) * torch.tensor([1.0, 0.0])
    target[:, 0] += 2
    batch = Batch(source, torch.zeros(64, dtype=torch.int64), target, None)
    step = Step(network, Wdgrl(critic=(20,)))
    optimiser = torch.optim.Adam(step.modules_of_algorithm.parameters(), 1e-2)
    for _ in range(100):
        optimiser.zero_grad()
        step(batch, 0.0, "critic")["loss"].backward()
        optimiser.step()
    found = float(step(batch, 0.0, "network")["wasserstein_distance"])
    expected = wasserstein_distance(source[:, 0].numpy(), target[:, 0].numpy())
    assert expected == pytest.approx(2, abs=0.2)
    assert found == pytest.approx(expected, rel=0.15)


def test_the_network_brings_the_domains_together(make_step, make_batch):
    """The best plane of slope 1 sees the distance of the means; the network makes it smaller."""
    batch = make_batch(source=32, target=32)
    step = make_step(Wdgrl(critic=()))
    (plane,) = step.modules_of_algorithm["critic"].parameters()
    optimiser = torch.optim.Adam(step.network.backbone.parameters(), 1e-2)
    found = []
    for _ in range(15):
        with torch.no_grad():
            sides = [step.network(each).layers["backbone"] for each in batch[:3:2]]
            difference = sides[0].mean(0) - sides[1].mean(0)
            plane.copy_(difference / difference.norm())
        found.append(float(difference.norm()))
        views, _ = step._views(batch, 1.0)
        losses, _ = step.algorithm.losses(views, step.modules_of_algorithm, "network")
        optimiser.zero_grad()
        losses["wasserstein"].backward()
        optimiser.step()
    assert found[-1] < 0.5 * found[0]


def test_weight_zero_is_source_only_step_for_step(make_step, make_batch):
    bare = list(run(make_step(algorithms.get("source-only")()), make_batch))
    without = list(run(make_step(Wdgrl(weight=0)), make_batch))
    (*_, (_, pulled)) = run(make_step(Wdgrl()), make_batch)
    for (_, expected), (_, found) in zip(bare, without, strict=True):
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, atol=1e-6, rtol=1e-5)
    assert any(
        not torch.allclose(pulled[name], value, atol=1e-4) for name, value in bare[-1][1].items()
    )


def test_bf16_in_both_phases(make_step, make_batch):
    step, batch = make_step(Wdgrl()), make_batch(source=32, target=32)
    for phase in ("critic", "network"):
        values = {}
        for enabled in (False, True):
            torch.manual_seed(0)
            with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
                values[enabled] = step(batch, 0.5, phase)
        values[True]["loss"].backward()
        assert values[True]["loss"].item() == pytest.approx(values[False]["loss"].item(), rel=0.05)
    assert all(torch.isfinite(p.grad).all() for p in step.parameters())


def test_sizes_and_wrong_options(make_step):
    shapes = [
        tuple(p.shape) for p in make_step(Wdgrl(critic=(7, 5))).modules_of_algorithm.parameters()
    ]
    # a constant cancels in the difference: the last layer has none
    assert shapes == [(7, 10), (7,), (5, 7), (5,), (1, 5)]
    with pytest.raises(ConfigurationError, match="no layer 'hidden9'"):
        make_step(Wdgrl(layer="hidden9"))
    for wrong in ({"critic": [0]}, {"critic_steps": 0}, {"penalty": -1}):
        (key,) = wrong
        with pytest.raises(ConfigurationError, match=f"algorithm wdgrl: {key}"):
            Wdgrl.build("algorithm wdgrl", wrong)
