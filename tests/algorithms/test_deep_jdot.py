"""Optimal transport of features and labels, with POT's plan and NumPy's sums."""

import math

import numpy as np
import ot
import pytest
import torch
from scipy.spatial.distance import cdist
from scipy.special import log_softmax

from acclimate.algorithms import algorithms
from acclimate.algorithms.deep_jdot import DeepJdot
from acclimate.core.errors import ConfigurationError

BOTH = ("loss/feature_transport", "loss/label_transport")


@pytest.mark.parametrize(("source", "target"), [(8, 8), (9, 5)])
def test_both_losses_with_the_plan_of_pot(source, target, make_step, make_batch):
    batch = make_batch(2, source=source, target=target)
    algorithm = DeepJdot(feature_weight=0.3, label_weight=0.7, regularisation=0.2, iterations=2000)
    step = make_step(algorithm)
    values = step(batch, 0.1)
    with torch.no_grad():
        ours, theirs = step.network(batch.source), step.network(batch.target)
    features = [side.layers["backbone"].double().numpy() for side in (ours, theirs)]
    distances = 0.3 * cdist(*features, "sqeuclidean")
    predicted = log_softmax(theirs.logits.double().numpy(), axis=1)
    surprises = np.zeros_like(distances)
    for i, label in enumerate(batch.source_labels.tolist()):
        for j in range(target):
            surprises[i, j] = -0.7 * predicted[j, label]
    cost = distances + surprises
    plan = ot.sinkhorn(
        ot.unif(source),
        ot.unif(target),
        cost,
        0.2 * cost.mean(),
        method="sinkhorn_log",
        stopThr=1e-12,
    )
    ramp = 2 / (1 + math.exp(-1)) - 1
    for name, part in zip(BOTH, (distances, surprises), strict=True):
        assert float(values[name]) == pytest.approx(ramp * (plan * part).sum(), rel=1e-4)
    assert float(values["transport_cost"]) == pytest.approx((plan * cost).sum(), rel=1e-4)
    assert float(values["transport_share"]) == pytest.approx(
        (plan * cost).sum() / cost.mean(), rel=1e-4
    )


def test_the_plan_takes_no_gradient(make_step, make_batch):
    """The gradient is that of Σ γ·cost with γ a constant: by hand, from a plan of POT's."""
    batch = make_batch()
    algorithm = DeepJdot(regularisation=0.2, iterations=2000, feature_weight=0.1)
    step, twin = make_step(algorithm), make_step(algorithm)
    step(batch, 1.0)["loss"].backward()
    ours, theirs = twin.network(batch.source), twin.network(batch.target)
    distances = 0.1 * torch.cdist(ours.layers["backbone"], theirs.layers["backbone"]).square()
    onehot = torch.nn.functional.one_hot(batch.source_labels, 3).float()
    cost = distances - onehot @ theirs.logits.log_softmax(1).T
    fixed = cost.detach().double().numpy()
    plan = ot.sinkhorn(ot.unif(8), ot.unif(8), fixed, 0.2 * fixed.mean(), stopThr=1e-12)
    classification = torch.nn.functional.cross_entropy(ours.logits, batch.source_labels)
    ramp = 2 / (1 + math.exp(-10)) - 1
    (classification + ramp * (torch.from_numpy(plan).float() * cost).sum()).backward()
    pairs = zip(step.network.parameters(), twin.network.parameters(), strict=True)
    for found, expected in pairs:
        torch.testing.assert_close(found.grad, expected.grad, atol=1e-5, rtol=1e-3)


def test_without_weights_it_is_source_only_step_for_step(make_step, make_batch):
    steps = [
        make_step(algorithm)
        for algorithm in (
            algorithms.get("source-only")(),
            DeepJdot(feature_weight=0, label_weight=0),
            DeepJdot(),
        )
    ]
    for step in steps:
        optimiser = torch.optim.SGD(step.parameters(), 0.1, momentum=0.9)
        for number in range(8):
            optimiser.zero_grad()
            step(make_batch(number), number / 8)["loss"].backward()
            optimiser.step()
    bare, without, whole = (torch.cat([p.flatten() for p in s.parameters()]) for s in steps)
    torch.testing.assert_close(without, bare, atol=1e-6, rtol=1e-5)
    assert (whole - bare).abs().max() > 1e-3


def test_target_items_learn_the_labels_of_source_items_like_them(make_step, make_batch):
    """Three clusters, moved a little: the plan finds them, and their labels are learnt."""
    batch = make_batch(source=24, target=24)
    labels = torch.arange(24) % 3
    centres = 6 * torch.eye(3, 6)[labels]
    random = torch.Generator().manual_seed(0)
    noise = torch.randn(2, 24, 6, generator=random)
    batch = batch._replace(
        source=centres + 0.3 * noise[0],
        source_labels=labels,
        target=(centres + 0.3 * noise[1]).roll(4, 0) + 1,
    )
    step = make_step(DeepJdot(feature_weight=1, label_weight=1))
    optimiser = torch.optim.Adam(step.parameters(), 1e-2)
    for _ in range(30):
        values = step(batch, 1.0)
        optimiser.zero_grad()
        values["loss"].backward()
        optimiser.step()
    found = step.network(batch.target).logits.argmax(1)
    assert torch.equal(found, labels.roll(4))
    assert float(values["loss/label_transport"]) < 0.1


def test_wrong_options(make_step):
    with pytest.raises(ConfigurationError, match="no layer 'hidden9'"):
        make_step(DeepJdot(layer="hidden9"))
    for wrong in ({"regularisation": 0}, {"iterations": 0}, {"label_weight": -1}):
        (key,) = wrong
        with pytest.raises(ConfigurationError, match=f"algorithm deep-jdot: {key}"):
            DeepJdot.build("algorithm deep-jdot", wrong)
