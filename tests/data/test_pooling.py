"""Several sources as one domain, and batches that hold as much of each."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from acclimate.core.errors import DataError
from acclimate.data.batches import BalancedOrder, make_batches
from acclimate.data.domain import Domain, ResidentStore, SubsetStore, pool

CPU = torch.device("cpu")


def make_domain(name, start, count, resident=True, groups=None):
    items = torch.arange(start, start + count, dtype=torch.float32).repeat(2, 1).T.contiguous()
    store = ResidentStore(items)
    if not resident:
        store = SubsetStore(store, torch.arange(count))
    return Domain(name, store, torch.arange(count) % 3, ("a", "b", "c"), groups=groups)


@pytest.mark.parametrize("resident", [True, False])
def test_a_pool_knows_where_each_item_is_from(resident):
    parts = [make_domain("x", 0, 5), make_domain("y", 100, 3, resident), make_domain("z", 200, 4)]
    pooled = pool(parts)
    assert (pooled.name, pooled.place_names, len(pooled)) == ("x + y + z", ("x", "y", "z"), 12)
    order = torch.tensor([11, 0, 5, 7, 4, 8])
    values = [203, 0, 100, 102, 4, 200]
    assert pooled.store.gather(order)[:, 0].tolist() == values
    some = pooled.subset(order)
    assert some.places.tolist() == [2, 0, 1, 1, 0, 2]
    assert some.store.gather(torch.arange(6))[:, 0].tolist() == values
    assert some.labels.tolist() == [0, 0, 0, 2, 1, 0]


def test_groups_of_two_places_stay_apart():
    first = make_domain("x", 0, 3, groups=torch.tensor([7, 7, 9]))
    second = make_domain("y", 0, 2, groups=torch.tensor([7, 7]))
    groups = pool([first, make_domain("z", 0, 2), second]).groups.tolist()
    assert groups[0] == groups[1] != groups[2]
    assert groups[5] == groups[6]
    assert len(set(groups)) == 5


@pytest.mark.parametrize("change", ["classes", "shape"])
def test_what_does_not_fit_together_is_said_in_one_line(change):
    other = make_domain("y", 0, 3)
    if change == "classes":
        other = Domain("y", other.store, other.labels, ("a", "b", "x"))
    else:
        other = Domain("y", ResidentStore(torch.zeros(3, 5)), other.labels, ("a", "b", "c"))
    with pytest.raises(DataError, match="sources x and y") as caught:
        pool([make_domain("x", 0, 4), other])
    assert "\n" not in str(caught.value)


@settings(deadline=None, max_examples=40)
@given(
    counts=st.lists(st.integers(1, 9), min_size=2, max_size=4),
    batch=st.integers(1, 12),
    seed=st.integers(0, 99),
)
def test_batches_hold_as_much_of_each_and_leave_nothing_out(counts, batch, seed):
    places = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    places = places[torch.randperm(len(places), generator=torch.Generator().manual_seed(seed))]
    order = BalancedOrder(places, batch, seed, "source")
    steps = 3 * max(counts) * len(counts) // batch + 2
    laid_out = [order.at(step) for step in range(steps)]
    for indices in laid_out:
        here = torch.bincount(places[indices], minlength=len(counts))
        assert len(indices) == batch
        assert here.max() - here.min() <= 1
    # one pass over a domain takes each of its items once
    taken = torch.bincount(torch.cat(laid_out), minlength=len(places))
    for place in range(len(counts)):
        own = taken[places == place]
        assert own.max() - own.min() <= 1
        assert own.min() >= 1
    assert torch.equal(order.at(1), BalancedOrder(places, batch, seed, "source").at(1))


@pytest.mark.parametrize("resident", [True, False])
def test_batches_say_where_their_items_are_from(resident):
    pooled = pool([make_domain("x", 0, 6, resident), make_domain("y", 100, 5)])
    batches = make_batches(pooled, 4, seed=0, purpose="source", device=CPU, workers=0)
    for batch in batches.between(0, 5):
        assert ((batch.items[:, 0] >= 100).long() == batch.places).all()
        assert batch.places.sum() == 2
