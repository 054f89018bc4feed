"""Criteria of target predictions against SciPy and plain loops over the papers' formulas."""

import math

import numpy as np
import pytest
import scipy.linalg
import scipy.stats
import torch

from acclimate.losses.charbonnier_entropy import charbonnier_entropy
from acclimate.losses.class_confusion import class_confusion
from acclimate.losses.confident_squared_difference import confident_squared_difference
from acclimate.losses.divergence import divergences
from acclimate.losses.feature_norm import mean_norm, norm_growth
from acclimate.losses.mixed_cross_entropy import mixed_cross_entropy
from acclimate.losses.nuclear_norm import mean_nuclear_norm
from acclimate.losses.weighted_cross_entropy import weighted_cross_entropy

seeds = pytest.mark.parametrize("seed", range(4))


def draw(items=7, classes=4, scale=3.0, seed=0):
    random = torch.Generator().manual_seed(seed)
    return scale * torch.randn(items, classes, generator=random, dtype=torch.float64)


def chances(logits):
    exponentials = np.exp(logits.detach().numpy() - logits.detach().numpy().max(1, keepdims=True))
    return exponentials / exponentials.sum(1, keepdims=True)


def confusion_by_hand(logits, temperature):
    """Jin et al., 2020, one product at a time."""
    predictions = chances(logits / temperature)
    items, classes = predictions.shape
    certainty = [1 + math.exp(-scipy.stats.entropy(row)) for row in predictions]
    weights = [items * each / sum(certainty) for each in certainty]
    correlation = np.zeros((classes, classes))
    for i in range(items):
        for j in range(classes):
            for k in range(classes):
                correlation[j, k] += weights[i] * predictions[i, j] * predictions[i, k]
    total = 0.0
    for j in range(classes):
        for k in range(classes):
            if j != k:
                total += abs(correlation[j, k]) / correlation[j].sum()
    return total / classes


@seeds
@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_class_confusion(seed, temperature):
    logits = draw(seed=seed)
    expected = confusion_by_hand(logits, temperature)
    assert float(class_confusion(logits, temperature)) == pytest.approx(expected, rel=1e-9)


def test_the_certainty_of_an_item_takes_no_gradient():
    """Against a difference quotient of the loss whose weights stay where they are."""
    logits = draw(items=5, classes=3).requires_grad_()
    class_confusion(logits, 2.0).backward()
    entropies = scipy.stats.entropy(chances(logits / 2.0), axis=1)
    weights = torch.tensor(1 + np.exp(-entropies))
    weights = 5 * weights / weights.sum()

    def with_these_weights(values):
        predictions = (values / 2.0).softmax(1)
        correlation = torch.einsum("n,nj,nk->jk", weights, predictions, predictions)
        rows = correlation / correlation.sum(1, keepdim=True)
        return (rows.sum() - rows.trace()) / 3

    fixed = logits.detach().clone().requires_grad_()
    with_these_weights(fixed).backward()
    torch.testing.assert_close(logits.grad, fixed.grad)


@seeds
@pytest.mark.parametrize("shape", [(7, 4), (2, 5), (1, 3)])
def test_nuclear_norm(seed, shape):
    logits = draw(*shape, seed=seed)
    expected = scipy.linalg.svdvals(chances(logits)).sum() / shape[0]
    found = float(mean_nuclear_norm(logits))
    assert found == pytest.approx(expected, rel=1e-9)
    assert found <= math.sqrt(min(shape) / shape[0]) + 1e-9


def test_nuclear_norm_of_what_is_not_a_number_does_not_raise():
    logits = torch.full((4, 3), float("nan"), requires_grad=True)
    mean_nuclear_norm(logits).backward()


@pytest.mark.parametrize("criterion", [class_confusion, mean_nuclear_norm])
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
def test_saturated_predictions_have_finite_gradients(criterion, scale):
    logits = draw(scale=scale).float().requires_grad_()
    criterion(logits).backward()
    assert torch.isfinite(logits.grad).all()
    # also where a class has no probability at all
    certain = torch.tensor([[1e4, 0.0, 0.0]] * 3, requires_grad=True)
    criterion(certain).backward()
    assert torch.isfinite(certain.grad).all()


@seeds
@pytest.mark.parametrize("growth", [1.0, 0.3])
def test_norm_growth_has_the_papers_gradient(seed, growth):
    ours, theirs = (draw(6, 5, seed=seed).requires_grad_() for _ in range(2))
    norm_growth(ours, growth).backward()
    norms = theirs.square().sum(1).sqrt()
    (norms.detach() + growth - norms).square().mean().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)
    expected = np.linalg.norm(ours.detach().numpy(), axis=1).mean()
    assert float(mean_norm(ours.detach())) == pytest.approx(expected)


def test_features_of_length_zero_have_finite_gradients():
    features = torch.zeros(3, 4, requires_grad=True)
    norm_growth(features).backward()
    assert torch.isfinite(features.grad).all()


@seeds
@pytest.mark.parametrize("threshold", [0.0, 0.7, 0.999999])
def test_confident_squared_difference(seed, threshold):
    student, teacher = draw(seed=seed), draw(seed=seed + 10).requires_grad_()
    total, sure = 0.0, 0
    for ours, theirs in zip(chances(student), chances(teacher), strict=True):
        if theirs.max() > threshold:
            sure += 1
            total += sum((a - b) ** 2 for a, b in zip(ours, theirs, strict=True))
    loss, share = confident_squared_difference(student.requires_grad_(), teacher, threshold)
    assert loss.item() == pytest.approx(total / 7, rel=1e-5)
    assert float(share) == pytest.approx(sure / 7)
    loss.backward()
    assert teacher.grad is None
    assert (student.grad.abs().sum() > 0) == (sure > 0)


@seeds
def test_divergences(seed):
    reference, logits = draw(seed=seed).requires_grad_(), draw(seed=seed + 10).requires_grad_()
    expected = scipy.stats.entropy(chances(reference), chances(logits), axis=1)
    found = divergences(reference, logits)
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-9)
    found.sum().backward()
    assert reference.grad is None
    assert divergences(logits, logits).abs().max().item() < 1e-12


@seeds
@pytest.mark.parametrize("power", [2.0, 0.5])
def test_charbonnier_entropy(seed, power):
    logits = draw(seed=seed)
    entropies = scipy.stats.entropy(
        chances(logits), axis=1, base=4
    )  # of the four classes: in [0, 1]
    expected = np.mean([(each**2 + 0.001**2) ** power for each in entropies])
    assert float(charbonnier_entropy(logits, power)) == pytest.approx(expected, rel=1e-5)


@seeds
def test_mixed_cross_entropy(seed):
    logits, teacher = draw(seed=seed), draw(seed=seed + 10).softmax(1).requires_grad_()
    share = torch.linspace(0, 1, 7, dtype=torch.float64)
    labels = torch.arange(7) % 4
    total = 0.0
    for q, p, y, part in zip(np.log(chances(logits)), teacher, labels, share, strict=True):
        guess = p.detach().numpy()
        total -= float(part) * q[y] + (1 - float(part)) * guess.max() * (guess * q).sum()
    loss = mixed_cross_entropy(logits.requires_grad_(), labels, teacher, share)
    assert loss.item() == pytest.approx(total / 7, rel=1e-9)
    loss.backward()
    assert teacher.grad is None


@seeds
def test_weighted_cross_entropy(seed):
    logits, labels = draw(seed=seed), torch.arange(7) % 4
    weights = draw(7, 1, seed=seed).abs().flatten().requires_grad_()
    each = [-math.log(chances(logits)[i, y]) for i, y in enumerate(labels)]
    expected = np.average(each, weights=weights.detach().numpy())
    assert float(weighted_cross_entropy(logits, labels, weights)) == pytest.approx(expected)
    nothing = weighted_cross_entropy(logits.requires_grad_(), labels, torch.zeros(7))
    nothing.backward()
    assert nothing.item() == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))
