"""What every loss of pairs has to keep, and what they share."""

import functools

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from scipy.spatial.distance import pdist, squareform
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from acclimate.losses.binomial_deviance import binomial_deviance
from acclimate.losses.circle import circle
from acclimate.losses.pairs import cosine_similarities, mean_where, pairs_of, unit
from acclimate.losses.triplet import batch_hard_triplet

LOSSES = {
    "binomial": binomial_deviance,
    "triplet": batch_hard_triplet,
    "soft triplet": functools.partial(batch_hard_triplet, margin=None),
    "circle": circle,
}
every_loss = pytest.mark.parametrize("name", LOSSES)


def draw(items, width=4, seed=0, dtype=torch.float64):
    random = torch.Generator().manual_seed(seed)
    return torch.randn(items, width, generator=random, dtype=dtype)


def labels_of(items, identities=3, seed=0):
    return torch.randint(identities, (items,), generator=torch.Generator().manual_seed(seed))


@given(labels=st.lists(st.integers(-1, 3), min_size=1, max_size=8))
def test_pairs_one_by_one(labels):
    pairs = pairs_of(torch.tensor(labels))
    for i, ours in enumerate(labels):
        for j, theirs in enumerate(labels):
            known = -1 not in (ours, theirs)
            assert bool(pairs.positive[i, j]) == (known and i != j and ours == theirs)
            assert bool(pairs.negative[i, j]) == (known and ours != theirs)


def test_similarities_against_scipy():
    descriptors = draw(7) * 10 ** torch.arange(-3.0, 4.0)[:, None]
    expected = 1 - squareform(pdist(descriptors.numpy(), "cosine"))
    np.testing.assert_allclose(cosine_similarities(descriptors), expected, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(unit(descriptors).numpy(), axis=1), 1.0)


def test_mean_of_nothing_is_0_with_a_gradient_of_0():
    values = draw(3).requires_grad_()
    mean = mean_where(values, torch.zeros(3, 4, dtype=torch.bool))
    mean.backward()
    assert mean.item() == 0.0
    assert torch.equal(values.grad, torch.zeros(3, 4, dtype=torch.float64))


@every_loss
@settings(deadline=None, max_examples=30)
@given(
    labels=st.lists(st.integers(-1, 3), min_size=1, max_size=8),
    kind=st.sampled_from(["drawn", "zero", "one zero", "equal", "opposite", "nearly equal"]),
    scale=st.sampled_from([1e-20, 1e-6, 1.0, 1e6]),
    half=st.booleans(),
)
def test_always_finite(name, labels, kind, scale, half):
    """Whatever the descriptors and labels are; with nothing to compare loss and gradient are 0."""
    descriptors = scale * draw(len(labels), dtype=torch.float32)
    if kind == "zero":
        descriptors.zero_()
    elif kind == "one zero":
        descriptors[0] = 0
    elif kind in ("equal", "nearly equal", "opposite"):
        descriptors[:] = descriptors[0].clone()
        descriptors[0] *= {"equal": 1.0, "opposite": -1.0}.get(kind, 1 + 1e-6)
    descriptors = descriptors.to(torch.bfloat16 if half else torch.float32).requires_grad_()
    loss = LOSSES[name](descriptors, torch.tensor(labels))
    loss.backward()
    assert (loss.ndim, loss.dtype) == (0, torch.float32)
    assert torch.isfinite(loss)
    assert loss >= 0
    assert torch.isfinite(descriptors.grad).all()
    if kind in ("zero", "one zero"):  # no direction, so nothing that a huge step would improve
        assert descriptors.grad[0].abs().max() < 1e4
    known = [label for label in labels if label >= 0]
    if len(known) < 2:
        assert loss.item() == 0.0
        assert not descriptors.grad.any()


@every_loss
@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_items_and_names_of_identities_do_not_matter(name, seed):
    descriptors, labels = draw(9, seed=seed), labels_of(9, seed=seed)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(seed))
    expected = LOSSES[name](descriptors, labels)
    torch.testing.assert_close(LOSSES[name](descriptors[order], labels[order]), expected)
    torch.testing.assert_close(LOSSES[name](descriptors, torch.tensor([7, 2, 5])[labels]), expected)
    assert (LOSSES[name](descriptors[order], labels) - expected).abs() > 1e-6


@every_loss
def test_lengths_and_rotations_do_not_matter(name):
    descriptors, labels = draw(8, seed=1), labels_of(8, seed=1)
    expected = LOSSES[name](descriptors, labels)
    lengths = torch.linspace(0.1, 5.0, 8, dtype=torch.float64)[:, None]
    rotation = torch.linalg.qr(draw(4, seed=2))[0]
    torch.testing.assert_close(LOSSES[name](lengths * descriptors @ rotation, labels), expected)


@every_loss
def test_items_without_identity_are_as_good_as_absent(name):
    descriptors, labels = draw(9, seed=3).requires_grad_(), labels_of(9, seed=3)
    labels[[1, 4, 8]] = -1
    loss = LOSSES[name](descriptors, labels)
    loss.backward()
    kept = labels >= 0
    assert loss > 0
    torch.testing.assert_close(loss, LOSSES[name](descriptors[kept], labels[kept]))
    assert not descriptors.grad[~kept].any()
    assert descriptors.grad[kept].any()


@every_loss
@pytest.mark.parametrize("labels", [[0, 1, 2, 3], [0, 0, 0, 0], [-1, -1, 0, 0]])
def test_batches_with_pairs_of_one_kind(name, labels):
    """Binomial deviance keeps the part that there is; the others need both kinds."""
    descriptors = draw(4).requires_grad_()
    loss = LOSSES[name](descriptors, torch.tensor(labels))
    loss.backward()
    assert (loss.item() > 0) == (name == "binomial")
    assert bool(descriptors.grad.any()) == (name == "binomial")


@every_loss
def test_autocast_changes_nothing(name):
    descriptors, labels = draw(9, dtype=torch.float32), labels_of(9)
    expected = LOSSES[name](descriptors, labels)
    with torch.autocast("cpu", torch.bfloat16):
        found = LOSSES[name](descriptors, labels)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


@every_loss
def test_never_waits_for_the_device(name):
    """A fake tensor has no values: whoever asks for one, or for a mask's length, is refused."""
    with FakeTensorMode() as mode:
        descriptors = mode.from_tensor(draw(6)).requires_grad_()
        loss = LOSSES[name](descriptors, mode.from_tensor(labels_of(6)))
        loss.backward()
        with pytest.raises(DataDependentOutputException):
            loss.item()


@every_loss
def test_descending_it_brings_identities_together(name):
    """After some steps an item's nearest neighbour is of its identity, which before few are."""
    labels = torch.arange(12) % 4
    descriptors = draw(12, 6, dtype=torch.float32).requires_grad_()
    optimiser = torch.optim.Adam([descriptors], 0.05)

    def nearest():
        similarities = cosine_similarities(descriptors.detach()).fill_diagonal_(-2)
        return float((labels[similarities.argmax(1)] == labels).float().mean())

    before = nearest()
    for _ in range(100):
        optimiser.zero_grad()
        LOSSES[name](descriptors, labels).backward()
        optimiser.step()
    assert before < 0.6
    assert nearest() == 1.0
