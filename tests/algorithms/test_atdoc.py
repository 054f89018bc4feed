"""ATDOC against the paper's neighbourhoods, found one item at a time."""

import numpy as np
import pytest
import torch

from acclimate.algorithms.atdoc import Atdoc, sharpened
from acclimate.core.errors import ConfigurationError


def chances(logits):
    return logits.detach().double().softmax(1).numpy()


def seen(step, batch):
    output = step.network(batch.target)
    features = output.layers["backbone"].detach().double().numpy()
    return features / np.linalg.norm(features, axis=1, keepdims=True), chances(output.logits)


def test_the_loss_item_by_item(make_step, make_batch):
    step = make_step(Atdoc(weight=0.7, neighbours=3, memory=20, ramp=0.5))
    known, said = [], []
    for number in range(4):
        batch = make_batch(number, target=8)
        features, predictions = seen(step, batch)
        found = step(batch, 1.0)
        total = weights = agreeing = 0.0
        for x, p in zip(features, predictions, strict=True):
            nearest = np.argsort([-x @ other for other in known], kind="stable")[:3]
            votes = sum((said[j] for j in nearest), np.zeros(3)) / 3
            label = int(votes.argmax())
            weights += votes[label]
            total -= votes[label] * np.log(p[label])
            agreeing += label == p.argmax()
        expected = 0.7 * total / weights if weights else 0.0
        assert float(found["loss/neighbours"]) == pytest.approx(expected, rel=1e-4)
        assert float(found["neighbours_confidence"]) == pytest.approx(weights / 8, rel=1e-4)
        assert float(found["neighbours_agreement"]) == pytest.approx(agreeing / 8)
        known.extend(features)
        said.extend(predictions**2 / (predictions**2).sum(0))
        known, said = known[-20:], said[-20:]


def test_sharpening():
    logits = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    squares = chances(logits) ** 2
    expected = [[row[k] / sum(squares[:, k]) for k in range(3)] for row in squares]
    np.testing.assert_allclose(sharpened(logits).numpy(), expected, rtol=1e-5)
    # a class without any probability
    assert torch.isfinite(sharpened(torch.tensor([[1e4, 0.0]] * 2))).all()


def test_wrong_options():
    for wrong in ({"neighbours": 0}, {"memory": 0}, {"weight": -1.0}):
        (key,) = wrong
        with pytest.raises(ConfigurationError, match=f"algorithm atdoc: {key}"):
            Atdoc.build("algorithm atdoc", wrong)


def test_half_precision_ends_before_the_squares():
    logits = torch.tensor([[0.1, 0.3, 2.0], [0.2, 0.1, 0.0]], dtype=torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        found = sharpened(logits)
    torch.testing.assert_close(found, sharpened(logits.float()))
