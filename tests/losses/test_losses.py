"""Criteria against torch, scipy and closed forms."""

import math

import hypothesis.strategies as st
import pytest
import scipy.stats
import torch
import torch.nn.functional as F
from hypothesis import given, settings

from acclimate.losses.confident_cross_entropy import confident_cross_entropy
from acclimate.losses.domain_classification import domain_accuracy, domain_classification
from acclimate.losses.domain_confusion import domain_confusion
from acclimate.losses.information import diversity, entropy, information_maximisation
from acclimate.objectives.classification import batch_accuracy, classification_loss

cases = given(
    items=st.integers(1, 20),
    classes=st.integers(2, 6),
    scale=st.sampled_from([0.0, 1.0, 30.0, 1e4]),
    seed=st.integers(0, 1000),
)


def draw(items, classes, scale, seed):
    random = torch.Generator().manual_seed(seed)
    return scale * torch.randn(items, classes, generator=random, dtype=torch.float64)


@settings(deadline=None, max_examples=40)
@cases
def test_entropy_and_diversity_against_scipy(items, classes, scale, seed):
    logits = draw(items, classes, scale, seed)
    probabilities = logits.softmax(1).numpy()
    each = scipy.stats.entropy(probabilities, axis=1)
    assert float(entropy(logits)) == pytest.approx(each.mean(), abs=1e-9)
    spread = scipy.stats.entropy(probabilities.mean(0))
    assert float(diversity(logits)) == pytest.approx(spread, abs=1e-9)
    information = float(information_maximisation(logits))
    assert information == pytest.approx(spread - each.mean(), abs=1e-9)
    assert -1e-9 <= information <= math.log(classes) + 1e-9


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_information_has_finite_gradients_when_saturated(scale):
    logits = draw(6, 4, scale, 0).float().requires_grad_()
    information_maximisation(logits).backward()
    assert torch.isfinite(logits.grad).all()
    # also where a class has no probability at all
    certain = torch.tensor([[1e4, 0.0, 0.0]] * 3, requires_grad=True)
    information_maximisation(certain).backward()
    assert torch.isfinite(certain.grad).all()


@settings(deadline=None, max_examples=40)
@given(
    source=st.integers(1, 9),
    target=st.integers(1, 9),
    column=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_domain_classification_against_torch(source, target, column, seed):
    logits = draw(source + target, 1, 3.0, seed)
    logits = logits if column else logits.squeeze(1)
    ours, theirs = logits[:source], logits[source:]
    expected = 0.5 * sum(
        F.binary_cross_entropy_with_logits(part, torch.full_like(part, float(label)))
        for label, part in enumerate((ours, theirs))
    )
    torch.testing.assert_close(domain_classification(ours, theirs), expected)
    hits = 0.5 * ((ours <= 0).double().mean() + (theirs > 0).double().mean())
    assert float(domain_accuracy(ours, theirs)) == pytest.approx(float(hits))


def test_equal_batches_give_the_papers_mean():
    logits = draw(10, 1, 2.0, 4)
    labels = torch.cat([torch.zeros(5, 1), torch.ones(5, 1)]).double()
    expected = F.binary_cross_entropy_with_logits(logits, labels)
    torch.testing.assert_close(domain_classification(logits[:5], logits[5:]), expected)


def test_the_domains_change_places():
    logits = draw(8, 1, 2.0, 1)
    ours, theirs = logits[:3], logits[3:]
    torch.testing.assert_close(
        domain_classification(ours, theirs), domain_classification(-theirs, -ours)
    )


def test_extreme_logits_stay_finite():
    far = torch.tensor([1e4, -1e4], requires_grad=True)
    loss = domain_classification(far, far)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(far.grad).all()


@settings(deadline=None, max_examples=40)
@given(threshold=st.floats(0, 0.99), seed=st.integers(0, 1000))
def test_confident_cross_entropy_item_by_item(threshold, seed):
    student, teacher = draw(9, 3, 1.0, seed), draw(9, 3, 2.0, seed + 1).softmax(1)
    total, sure = 0.0, 0
    for ours, theirs in zip(student, teacher, strict=True):
        probability, label = theirs.max(0)
        if probability > threshold:
            sure += 1
            total -= ours.log_softmax(0)[label].item()
    loss, share = confident_cross_entropy(student, teacher, threshold)
    assert float(loss) == pytest.approx(total / 9)
    assert float(share) == pytest.approx(sure / 9)


def test_no_gradient_reaches_the_teacher():
    student, teacher = (draw(5, 3, 3.0, seed).requires_grad_() for seed in (0, 1))
    confident_cross_entropy(student, teacher.softmax(1), 0.0)[0].backward()
    assert teacher.grad is None
    assert student.grad.abs().sum() > 0


def test_nobody_sure_is_exactly_zero():
    student = draw(5, 3, 1.0, 0).requires_grad_()
    loss, share = confident_cross_entropy(student, torch.full((5, 3), 1 / 3), 0.5)
    loss.backward()
    assert (loss.item(), share.item()) == (0.0, 0.0)
    assert torch.equal(student.grad, torch.zeros_like(student))


def test_classification():
    logits, labels = draw(7, 3, 1.0, 0), torch.tensor([0, 1, 2, 0, 1, 2, 0])
    expected = -logits.log_softmax(1)[torch.arange(7), labels].mean()
    torch.testing.assert_close(classification_loss(logits, labels), expected)
    hits = sum(int(row.argmax()) == int(label) for row, label in zip(logits, labels, strict=True))
    assert float(batch_accuracy(logits, labels)) == pytest.approx(hits / 7)


@pytest.mark.parametrize(
    ("criterion", "count"),
    [(domain_classification, 2), (domain_confusion, 2), (entropy, 1), (diversity, 1)],
)
def test_half_precision_ends_before_the_loss(criterion, count):
    """bfloat16 has steps of 1/256 below 1, also in a loss that should be able to fall by less."""
    random = torch.Generator().manual_seed(0)
    halves = [
        (3 * torch.randn(9, 4, generator=random)).bfloat16().requires_grad_() for _ in range(count)
    ]
    exact = [each.detach().double().requires_grad_() for each in halves]
    with torch.autocast("cpu", torch.bfloat16):
        found = criterion(*halves)
    expected = criterion(*exact)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected.float())
    found.backward()
    expected.backward()
    for half, double in zip(halves, exact, strict=True):
        torch.testing.assert_close(half.grad, double.grad.bfloat16())
