"""SHOT: what moves, and what it is taught."""

import pytest
import scipy.stats
import torch
import torch.nn.functional as F

from acclimate.algorithms.shot import Shot
from acclimate.layers.class_centroids import ClassCentroids
from acclimate.training.loop import train


def test_the_terms(make_step, make_batch):
    step = make_step(Shot(weight=0.7, diversity=0.6, pseudo_labels=0.4))
    batch = make_batch(target=20)
    output = step.network(batch.target)
    logits = output.logits.detach()
    labels = ClassCentroids(3, 10)(output.layers["backbone"].detach(), logits.softmax(1))
    predictions = logits.double().softmax(1).numpy()
    certain = scipy.stats.entropy(predictions, axis=1).mean()
    varied = scipy.stats.entropy(predictions.mean(0))
    values = {key: value.item() for key, value in step(batch, 0.0).items()}
    assert values["loss/information"] == pytest.approx(0.7 * (certain - 0.6 * varied), rel=1e-4)
    cross_entropy = float(F.cross_entropy(logits, labels))
    assert values["loss/pseudo_labels"] == pytest.approx(0.4 * cross_entropy, rel=1e-4)
    assert values["loss/classification"] == 0
    assert values["source_cross_entropy"] > 0
    relabelled = float((labels != logits.argmax(1)).float().mean())
    assert values["relabelled_share"] == pytest.approx(relabelled)


@pytest.mark.parametrize("source", [0.0, 1.0])
def test_the_head_stays_and_the_features_move(source, make_step, make_batch):
    step = make_step(Shot(source=source), averaging=0.9)
    before = {name: value.clone() for name, value in step.network.named_parameters()}
    # weight decay would move what has a gradient of 0
    optimiser = torch.optim.AdamW(step.network.parameters(), 1e-2, weight_decay=0.1)
    for _ in train(
        step,
        optimiser,
        (make_batch(number) for number in range(3)),
        steps=3,
        pause_at=lambda done: False,
        set_rate=lambda progress: 1e-2,
    ):
        pass
    for name, value in step.network.named_parameters():
        assert torch.equal(value, before[name]) == name.startswith("head")


def test_source_labels_are_not_needed(make_step, make_batch):
    found = []
    for turned in (0, 1):
        step, batch = make_step(Shot()), make_batch()
        step(batch._replace(source_labels=batch.source_labels.roll(turned)), 0.5)["loss"].backward()
        found.append([parameter.grad for parameter in step.network.parameters()])
    assert all(torch.equal(*pair) for pair in zip(*found, strict=True))
