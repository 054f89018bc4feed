"""Which items a step sees: a function of the seed and the step alone."""

import subprocess
import sys
import threading
from dataclasses import replace

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from acclimate.core.errors import ConfigurationError
from acclimate.data import batches as module
from acclimate.data.batches import (
    Order,
    PrefetchedBatches,
    ResidentBatches,
    StreamedBatches,
    make_batches,
)
from acclimate.data.domain import Domain, ResidentStore, pool

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


class FileBackedStore(DecodedStore):
    """Stands for decoded items in a file; says which threads read it, and what they read."""

    decodes = False

    def __init__(self, tensor):
        super().__init__(tensor)
        self.threads, self.read = set(), []

    def gather(self, indices):
        self.threads.add(threading.current_thread())
        self.read.append(indices.tolist())
        return super().gather(indices)


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


OPTIONS = {"seed": 5, "purpose": "source", "device": CPU}


def prefetched(count=20, batch_size=4, **options):
    return make_batches(make_domain(count, FileBackedStore), batch_size, **OPTIONS, **options)


@pytest.mark.parametrize("labels", [True, False])
@pytest.mark.parametrize(("rank", "ranks"), [(0, 1), (1, 2)])
def test_read_ahead_is_resident(labels, rank, ranks):
    share = {"rank": rank, "ranks": ranks}
    resident = make_batches(make_domain(20, labels=labels), 4, **OPTIONS, **share)
    ahead = make_batches(make_domain(20, FileBackedStore, labels=labels), 4, **OPTIONS, **share)
    assert isinstance(ahead, PrefetchedBatches)
    for start, stop in ((0, 13), (7, 13), (12, 13), (5, 5)):
        pairs = list(zip(resident.between(start, stop), ahead.between(start, stop), strict=True))
        assert len(pairs) == stop - start
        for ours, theirs in pairs:
            assert torch.equal(ours.items, theirs.items)
            assert (ours.labels is None) == (theirs.labels is None) == (not labels)
            assert ours.labels is None or torch.equal(ours.labels, theirs.labels)


def test_two_readings_at_once_do_not_disturb_each_other():
    """They share the order, which keeps one epoch in mind."""
    batches = prefetched()
    expected = [shown(batches, 0, 10), shown(batches, 60, 70)]
    pairs = list(zip(batches.between(0, 10), batches.between(60, 70), strict=True))
    for number in (0, 1):
        found = [pair[number].items[:, 0].long().tolist() for pair in pairs]
        assert found == expected[number]


def test_another_thread_reads_a_few_batches_ahead_and_ends():
    batches = prefetched()
    store = batches.steps.domain.store
    reading = batches.between(0, 50)
    next(reading)
    (thread,) = store.threads
    assert thread is not threading.current_thread()
    for _ in range(5):
        next(reading)
    assert thread.is_alive()
    assert 6 <= len(store.read) <= 6 + 4
    reading.close()
    assert not thread.is_alive()
    assert store.read == [batches.steps.indices(step).tolist() for step in range(len(store.read))]


def test_nothing_is_read_beyond_the_last_step():
    batches = prefetched()
    assert len(list(batches.between(3, 5))) == 2
    assert len(batches.steps.domain.store.read) == 2
    assert not any(thread.is_alive() for thread in batches.steps.domain.store.threads)


def test_what_goes_wrong_in_the_thread_reaches_the_caller():
    class Torn(FileBackedStore):
        def gather(self, indices):
            if len(self.read) == 2:
                raise ConfigurationError("numbers: the file is gone")
            return super().gather(indices)

    batches = make_batches(make_domain(20, Torn), 4, **OPTIONS)
    reading = batches.between(0, 9)
    assert [next(reading).items.shape for _ in range(2)] == [(4, 2)] * 2
    with pytest.raises(ConfigurationError, match=r"^numbers: the file is gone$"):
        next(reading)
    assert not any(thread.is_alive() for thread in batches.steps.domain.store.threads)


def test_a_program_ends_with_batches_left_to_read():
    program = """
import torch
from acclimate.data.batches import PrefetchedBatches, make_batches
from acclimate.data.domain import Domain

class Store:
    decodes = False
    shape = (10, 2)
    def gather(self, indices):
        return torch.zeros(len(indices), 2)

batches = make_batches(
    Domain("d", Store(), None, ()), 2, seed=0, purpose="x", device=torch.device("cpu")
)
assert isinstance(batches, PrefetchedBatches)
kept = batches.between(0, 1000)
next(kept)
print("read")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "read\n", "")


def test_who_reads_a_part_or_several_together():
    plain, ahead, decoded = (
        make_domain(20, store) for store in (ResidentStore, FileBackedStore, DecodedStore)
    )
    some = torch.arange(1, 15)
    kinds = [
        (ahead.subset(some), PrefetchedBatches),
        (ahead.subset(some).subset(torch.arange(9)), PrefetchedBatches),
        (pool([ahead, plain]), PrefetchedBatches),
        (pool([ahead, plain]).subset(some), PrefetchedBatches),
        (decoded.subset(some), StreamedBatches),
        (pool([ahead, decoded]), StreamedBatches),
        (plain.subset(some), ResidentBatches),
        (pool([plain, plain]), ResidentBatches),
    ]
    for domain, kind in kinds:
        batches = make_batches(domain, 4, **OPTIONS, workers=0)
        assert type(batches) is kind
        for batch in batches.between(0, 3):
            assert torch.equal(batch.labels, batch.items[:, 0].long() % 3)
            assert (batch.places is None) == (domain.places is None)


def test_batches_for_a_gpu_lie_in_pinned_memory(monkeypatch):
    """Without such a device: what is asked of torch, and for which parts."""
    asked, pinned = {}, []

    def loader(steps, **options):
        asked.update(options)
        return []

    cuda = torch.device("cuda", 0)
    monkeypatch.setattr(module.torch.utils.data, "DataLoader", loader)
    for device in (cuda, CPU):
        steps = replace(make_domain(20), store=DecodedStore(torch.zeros(20, 2)))
        list(StreamedBatches(steps, Order(20, 4, 0, "x"), device, 0, 1).between(0, 3))
        assert asked["pin_memory"] == (device is cuda)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda part: pinned.append(part) or part)
    domain = make_domain(20, FileBackedStore)
    for device, count in ((CPU, 0), (cuda, 2)):
        PrefetchedBatches(domain, Order(20, 4, 0, "x"), device, 0, 1)._read(torch.arange(4))
        assert len(pinned) == count
