"""Which items a step sees: a function of the seed and the step alone."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from acclimate.core.errors import ConfigurationError
from acclimate.data.batches import Order, ResidentBatches, StreamedBatches, make_batches
from acclimate.data.domain import Domain, ResidentStore

CPU = torch.device("cpu")


class DecodedStore:
    """Stands for a folder that does not fit: the same items, gathered one by one."""

    def __init__(self, tensor):
        self.tensor = tensor

    @property
    def shape(self):
        return tuple(self.tensor.shape)

    def gather(self, indices):
        return torch.stack([self.tensor[int(index)] for index in indices])


def make_domain(count=10, store=ResidentStore, labels=True):
    items = torch.arange(count, dtype=torch.float32).repeat(2, 1).T.contiguous()
    given_labels = torch.arange(count) % 3 if labels else None
    return Domain("numbers", store(items), given_labels, ("a", "b", "c"))


def shown(batches, start, stop):
    return [batch.items[:, 0].long().tolist() for batch in batches.between(start, stop)]


@settings(deadline=None, max_examples=50)
@given(count=st.integers(1, 30), batch=st.integers(1, 30), seed=st.integers(0, 99))
def test_each_epoch_is_a_permutation(count, batch, seed):
    batch = min(batch, count)
    order = Order(count, batch, seed, "source")
    steps = 4 * count // batch + 2
    laid_out = torch.cat([order.at(step) for step in range(steps)])
    assert all(len(order.at(step)) == batch for step in range(steps))
    for start in range(0, len(laid_out) - count + 1, count):
        assert sorted(laid_out[start : start + count].tolist()) == list(range(count))


@settings(deadline=None, max_examples=30)
@given(count=st.integers(2, 20), start=st.integers(0, 50), seed=st.integers(0, 99))
def test_it_can_start_anywhere(count, start, seed):
    whole = [Order(count, 2, seed, "x").at(step) for step in range(start + 5)]
    order = Order(count, 2, seed, "x")
    late = [order.at(step) for step in range(start, start + 5)]
    assert all(torch.equal(a, b) for a, b in zip(whole[start:], late, strict=True))
    # and go backwards
    assert torch.equal(order.at(0), whole[0])


def test_epochs_seeds_and_purposes_differ():
    def epoch(seed, purpose, number):
        return Order(50, 50, seed, purpose).at(number).tolist()

    seen = {tuple(epoch(s, p, n)) for s in (0, 1) for p in ("source", "target") for n in (0, 1)}
    assert len(seen) == 8
    assert epoch(0, "source", 0) == epoch(0, "source", 0)


@pytest.mark.parametrize("ranks", [1, 2, 3, 6])
def test_the_joint_batch_does_not_depend_on_the_number_of_processes(ranks):
    def batches(rank, of):
        options = {"seed": 5, "purpose": "source", "device": CPU}
        return make_batches(make_domain(20), 6, rank=rank, ranks=of, **options)

    alone = shown(batches(0, 1), 3, 9)
    parts = [shown(batches(rank, ranks), 3, 9) for rank in range(ranks)]
    for step, joint in enumerate(alone):
        dealt = [parts[rank][step] for rank in range(ranks)]
        assert sorted([item for part in dealt for item in part]) == sorted(joint)
        assert len({len(part) for part in dealt}) == 1


@pytest.mark.parametrize("labels", [True, False])
def test_streamed_is_resident(labels):
    options = {"seed": 5, "purpose": "source", "device": CPU, "rank": 1, "ranks": 2, "workers": 0}
    resident = make_batches(make_domain(labels=labels), 4, **options)
    streamed = make_batches(make_domain(store=DecodedStore, labels=labels), 4, **options)
    assert isinstance(resident, ResidentBatches)
    assert isinstance(streamed, StreamedBatches)
    pairs = list(zip(resident.between(2, 9), streamed.between(2, 9), strict=True))
    assert len(pairs) == 7
    for ours, theirs in pairs:
        assert torch.equal(ours.items, theirs.items)
        assert (ours.labels is None) == (theirs.labels is None) == (not labels)
        if labels:
            assert torch.equal(ours.labels, theirs.labels)


def test_labels_stay_with_their_items():
    options = {"seed": 1, "purpose": "source", "device": CPU}
    for batch in make_batches(make_domain(10), 4, **options).between(0, 10):
        assert torch.equal(batch.labels, batch.items[:, 0].long() % 3)


def test_a_batch_is_a_copy():
    domain = make_domain(10)
    kept = domain.store.tensor.clone()
    for batch in make_batches(domain, 4, seed=1, purpose="x", device=CPU).between(0, 3):
        batch.items.zero_()
    assert torch.equal(domain.store.tensor, kept)


def test_too_few_items_are_one_line():
    with pytest.raises(
        ConfigurationError, match=r"numbers: 5 items .* a batch of 8.*size 5"
    ) as caught:
        make_batches(make_domain(5), 8, seed=0, purpose="x", device=CPU)
    assert "\n" not in str(caught.value)


def test_a_batch_that_cannot_be_shared_is_one_line():
    with pytest.raises(ConfigurationError, match="batch of 8 cannot be shared evenly by 3"):
        make_batches(make_domain(10), 8, seed=0, purpose="x", device=CPU, ranks=3)
