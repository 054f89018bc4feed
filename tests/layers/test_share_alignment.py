"""Distribution alignment against what its papers write down."""

import numpy as np
import pytest
import torch

from acclimate.layers.share_alignment import RATE, ShareAlignment


def draw(rows, classes=3, seed=0):
    random = torch.Generator().manual_seed(seed)
    return torch.randn(rows, classes, generator=random).softmax(1)


def test_against_numpy():
    alignment = ShareAlignment(3)
    source, target = np.full(3, 1 / 3), np.full(3, 1 / 3)
    for seed in range(5):
        labels, probabilities = torch.tensor([0, 0, 1, 2, 0]), draw(7, seed=seed)
        found = alignment(labels, probabilities, 0.5)
        source = (1 - RATE) * source + RATE * np.array([0.6, 0.2, 0.2])
        target = (1 - RATE) * target + RATE * probabilities.numpy().mean(0)
        expected = probabilities.numpy() * (source / target) ** 0.5
        expected /= expected.sum(1, keepdims=True)
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4)


def test_in_the_long_run_the_mean_prediction_is_the_source_share():
    alignment = ShareAlignment(3)
    labels = torch.tensor([0] * 5 + [1] * 3 + [2] * 2)
    probabilities = torch.tensor(
        [[0.9, 0.05, 0.05]] * 8 + [[0.1, 0.8, 0.1]] * 1 + [[0.1, 0.1, 0.8]]
    )
    for _ in range(500):
        aligned = alignment(labels, probabilities)
    before = (probabilities.mean(0) - torch.tensor([0.5, 0.3, 0.2])).abs().sum()
    after = (aligned.mean(0) - torch.tensor([0.5, 0.3, 0.2])).abs().sum()
    assert after < 0.5 * before


def test_equal_shares_and_strength_zero_change_nothing():
    probabilities = draw(6)
    alignment = ShareAlignment(3).eval()
    torch.testing.assert_close(alignment(torch.tensor([0, 1]), probabilities), probabilities)
    skewed = ShareAlignment(3)
    found = skewed(torch.tensor([0, 0, 0]), probabilities, 0.0)
    torch.testing.assert_close(found, probabilities)


@pytest.mark.parametrize("training", [True, False])
def test_shares_move_in_training_only_and_are_kept(training):
    alignment = ShareAlignment(3).train(training)
    before = {key: value.clone() for key, value in alignment.state_dict().items()}
    alignment(torch.tensor([0, 0]), draw(4))
    moved = [not torch.equal(before[key], value) for key, value in alignment.state_dict().items()]
    assert moved == [training, training]


def test_a_class_that_is_never_predicted_does_not_explode():
    alignment = ShareAlignment(3)
    with torch.no_grad():
        alignment.target_shares.copy_(torch.tensor([1.0, 0.0, 0.0]))
    found = alignment.eval()(torch.tensor([1]), draw(4))
    assert torch.isfinite(found).all()
    torch.testing.assert_close(found.sum(1), torch.ones(4))
