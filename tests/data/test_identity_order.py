"""Batches of P identities and K pictures of each: who is drawn, when, and by which cameras."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from acclimate.core.errors import ConfigurationError
from acclimate.data.batches import batches_in_order, make_batches
from acclimate.data.domain import Domain, ResidentStore
from acclimate.data.identity_order import IdentityOrder

CPU = torch.device("cpu")


@st.composite
def people(draw):
    """Labels from −1 on, cameras, K and a batch that fits."""
    labels = torch.tensor(draw(st.lists(st.integers(-1, 9), min_size=4, max_size=60)))
    cameras = torch.tensor(
        draw(st.lists(st.integers(0, 3), min_size=len(labels), max_size=len(labels)))
    )
    found = [k for k, n in Counter(labels.tolist()).items() if n > 1 and k >= 0]
    assume(found)
    images = draw(st.integers(2, 5))
    identities = draw(st.integers(1, len(found)))
    return labels, cameras, images, images * identities, draw(st.integers(0, 50))


@settings(deadline=None, max_examples=150)
@given(people())
def test_every_step(case):
    labels, cameras, images, batch_size, seed = case
    order = IdentityOrder(labels, cameras, batch_size, images, seed, "source")
    for step in range(4):
        drawn = order.at(step)
        assert drawn.dtype == torch.int64
        rows = drawn.reshape(-1, images)
        owners = [set(labels[row].tolist()) for row in rows]
        assert all(len(owner) == 1 for owner in owners)
        identities = [owner.pop() for owner in owners]
        assert len(set(identities)) == len(identities) == batch_size // images
        assert min(identities) >= 0
        for identity, row in zip(identities, rows.tolist(), strict=True):
            mine = (labels == identity).nonzero().squeeze(1).tolist()
            assert len(mine) > 1
            counts = Counter(row)
            # nobody is repeated while another picture of them waits
            assert len(counts) == min(images, len(mine))
            assert max(counts.values()) - min(counts.values()) <= 1
            # as many cameras as there can be, and as evenly as they have pictures
            there = Counter(cameras[mine].tolist())
            cameras_of = Counter(cameras[list(counts)].tolist())
            assert len(cameras_of) == min(len(there), images)
            spare = [camera for camera in there if there[camera] > cameras_of[camera]]
            most = max(cameras_of.values())
            assert all(cameras_of[camera] >= most - 1 for camera in spare)


@settings(deadline=None, max_examples=60)
@given(people(), st.integers(0, 20))
def test_a_step_follows_from_its_number(case, start):
    labels, cameras, images, batch_size, seed = case
    make = lambda: IdentityOrder(labels, cameras, batch_size, images, seed, "x")  # noqa: E731
    whole = [make().at(step) for step in range(start + 3)]
    order = make()
    late = [order.at(step) for step in range(start, start + 3)]
    assert all(torch.equal(a, b) for a, b in zip(whole[start:], late, strict=True))
    assert torch.equal(order.at(0), whole[0])


@pytest.mark.parametrize(("identities", "per_batch"), [(12, 4), (13, 4), (5, 5)])
def test_an_epoch_draws_nobody_twice_and_leaves_out_the_rest(identities, per_batch):
    labels = torch.arange(identities).repeat(3)
    order = IdentityOrder(labels, None, per_batch * 2, 2, 7, "source")
    steps = identities // per_batch
    seen = Counter()
    for epoch in range(300):
        drawn = [labels[order.at(epoch * steps + k)][::2] for k in range(steps)]
        inside = torch.cat(drawn).tolist()
        assert len(set(inside)) == len(inside) == steps * per_batch
        seen.update(inside)
    # those who sit an epoch out are others each time
    assert min(seen.values()) > 0.85 * max(seen.values())


def test_pictures_and_cameras_are_drawn_evenly_and_anew():
    """Two of four cameras, of which one has most pictures: each comes up half of the time."""
    labels = torch.zeros(12, dtype=torch.int64)
    cameras = torch.tensor([0] * 9 + [1, 2, 3])
    order = IdentityOrder(labels, cameras, 2, 2, 0, "x")
    drawn = torch.stack([order.at(step) for step in range(2000)])
    assert (cameras[drawn[:, 0]] != cameras[drawn[:, 1]]).all()
    shares = cameras[drawn].flatten().bincount() / len(drawn)
    assert shares.tolist() == pytest.approx([0.5] * 4, abs=0.04)
    first = drawn[cameras[drawn] == 0].bincount(minlength=9) / len(drawn)
    assert first.tolist() == pytest.approx([0.5 / 9] * 9, abs=0.02)


def test_seeds_and_purposes_differ():
    labels = torch.arange(20).repeat(4)
    seen = {
        tuple(IdentityOrder(labels, None, 20, 2, seed, purpose).at(0).tolist())
        for seed in (0, 1)
        for purpose in ("source", "target")
    }
    assert len(seen) == 4


@pytest.mark.parametrize(
    ("labels", "batch", "images", "words"),
    [
        ([0, 0, 1, 1], 6, 4, "does not consist of 4 pictures.*--batch-size 8"),
        ([0, 0, 1, 1], 2, 4, "does not consist of 4.*--batch-size 4"),
        ([0, 0, 1, 1], 2, 1, "1 picture of an identity makes no pair"),
        ([0, 0, 1, 1, 2, -1, -1], 6, 2, "needs 3 identities.*there are 2; give --batch-size 4"),
        ([0, 0, 1], 4, 2, "there is 1; give --batch-size 2"),
        ([0, 1, 2], 4, 2, "there are 0; give several pictures"),
    ],
)
def test_errors_are_one_line(labels, batch, images, words):
    with pytest.raises(ConfigurationError, match=words) as caught:
        IdentityOrder(torch.tensor(labels), None, batch, images, 0, "x")
    assert "\n" not in str(caught.value)


def make_domain(labels, cameras=None):
    items = torch.arange(len(labels), dtype=torch.float32)[:, None]
    names = tuple(str(k) for k in range(int(labels.max()) + 1))
    return Domain("people", ResidentStore(items), labels, names, cameras=cameras)


def test_batches_follow_the_order():
    labels = torch.arange(6).repeat_interleave(3)
    cameras = torch.arange(18) % 3
    domain = make_domain(labels, cameras)
    options = {"seed": 3, "purpose": "source", "device": CPU}
    batches = make_batches(domain, 8, images_per_identity=2, **options)
    order = IdentityOrder(labels, cameras, 8, 2, 3, "source")
    for step, batch in zip(range(2, 6), batches.between(2, 6), strict=True):
        assert torch.equal(batch.items[:, 0].long(), order.at(step))
        assert torch.equal(batch.labels, labels[order.at(step)])
    # a batch may be larger than the domain, because pictures are repeated
    assert (
        len(next(make_batches(domain, 36, images_per_identity=6, **options).between(0, 1)).items)
        == 36
    )
    own = batches_in_order(replace(domain, labels=None), order, device=CPU)
    assert torch.equal(next(own.between(2, 3)).items[:, 0].long(), order.at(2))


def test_processes_share_a_batch():
    domain = make_domain(torch.arange(8).repeat_interleave(4))
    options = {"seed": 3, "purpose": "source", "device": CPU, "images_per_identity": 4}
    whole = next(make_batches(domain, 16, **options).between(5, 6)).items[:, 0].tolist()
    parts = [
        next(make_batches(domain, 16, **options, rank=rank, ranks=2).between(5, 6)).items[:, 0]
        for rank in range(2)
    ]
    assert np.stack(parts, axis=1).flatten().tolist() == whole


def test_batches_need_identities():
    domain = replace(make_domain(torch.arange(8)), labels=None)
    with pytest.raises(ConfigurationError, match="people has no identities to draw 4 pictures"):
        make_batches(domain, 8, seed=0, purpose="x", device=CPU, images_per_identity=4)
