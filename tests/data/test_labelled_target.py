"""The few labels of the target that training may see: from which part, how many, of which items."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from acclimate.core.errors import DataError
from acclimate.data.domain import Domain, ResidentStore
from acclimate.data.labelled_items import LabelledItems
from acclimate.data.splits import split_target

CLASSES = ("a", "b", "c")


def domain(items=60, labelled=True, groups=None):
    """Items that hold their own number, so that they can be recognised in any part."""
    numbers = torch.arange(items, dtype=torch.float32)[:, None]
    labels = torch.arange(items) % 3 if labelled else None
    return Domain("phone", ResidentStore(numbers), labels, CLASSES, groups=groups)


def numbers(part):
    return part.store.tensor[:, 0].long().tolist()


def parts_of(splits):
    return [numbers(part) for part in (splits.adapt, splits.validation, splits.evaluate)]


@pytest.mark.parametrize("test", [None, domain(12)])
def test_so_many_of_each_class_out_of_the_part_to_adapt_to(test):
    splits = split_target(domain(), test=test, seed=3, labelled=4)
    chosen = numbers(splits.labelled)
    assert set(chosen) < set(numbers(splits.adapt))
    assert splits.labelled.labels.tolist() == [number % 3 for number in chosen]
    assert torch.bincount(splits.labelled.labels).tolist() == [4, 4, 4]
    assert splits.adapt.labels is None


def test_the_parts_are_those_of_a_run_without():
    plain, few = split_target(domain(), seed=3), split_target(domain(), seed=3, labelled=4)
    assert parts_of(plain) == parts_of(few)
    assert plain.labelled is None


def test_which_ones_follows_from_the_seed():
    chosen = [numbers(split_target(domain(), seed=s, labelled=4).labelled) for s in (3, 3, 4)]
    assert chosen[0] == chosen[1]
    assert chosen[0] != chosen[2]


def test_more_than_there_are():
    with pytest.raises(DataError, match=r"class '\w' has \d+ items to adapt to") as caught:
        split_target(domain(), seed=3, labelled=30)
    most = int(str(caught.value).split("ask for ")[1].split()[0])
    assert len(split_target(domain(), seed=3, labelled=most).labelled) == 3 * most
    with pytest.raises(DataError, match="fewer than"):
        split_target(domain(), seed=3, labelled=most + 1)


def test_a_class_that_the_target_lacks():
    two = Domain("phone", domain().store, torch.arange(60) % 2, CLASSES)
    with pytest.raises(DataError, match=r"class 'c' has 0 items .* give a file of items instead"):
        split_target(two, seed=0, labelled=1)


def test_without_labels_there_are_none_to_draw():
    with pytest.raises(DataError, match="phone has no labels to draw 2 of each class from"):
        split_target(domain(labelled=False), seed=0, labelled=2)


def listed(*items):
    return LabelledItems(torch.tensor(items), torch.tensor([(i + 1) % 3 for i in items]))


@settings(max_examples=40, deadline=None)
@given(
    items=st.sets(st.integers(0, 59), min_size=1, max_size=8),
    seed=st.integers(0, 100),
    own=st.booleans(),
    with_test=st.booleans(),
)
def test_listed_items_move_and_nothing_else_does(items, seed, own, with_test):
    test = domain(9) if with_test else None
    given_ = listed(*sorted(items))
    plain = split_target(domain(labelled=own), test=test, seed=seed)
    splits = split_target(domain(labelled=own), test=test, seed=seed, labelled=given_)
    assert numbers(splits.labelled) == sorted(items)
    # the given labels, not the target's own
    assert torch.equal(splits.labelled.labels, given_.labels)
    before, after = parts_of(plain), parts_of(splits)
    assert set(after[0]) == set(before[0]) | items
    assert after[1] == [number for number in before[1] if number not in items]
    if not with_test:
        assert after[2] == [number for number in before[2] if number not in items]
    assert after[0] == sorted(after[0])


def test_near_duplicates_of_a_listed_item_move_with_it():
    groups = torch.arange(60) // 4
    plain = split_target(domain(groups=groups), seed=1)
    item = numbers(plain.evaluate)[1]
    splits = split_target(domain(groups=groups), seed=1, labelled=listed(item))
    moved = set(numbers(plain.evaluate)) - set(numbers(splits.evaluate))
    assert moved == set(range(item // 4 * 4, item // 4 * 4 + 4))
    assert moved < set(numbers(splits.adapt))
    assert numbers(splits.labelled) == [item]
    assert splits.labelled.groups is None


@pytest.mark.parametrize("part", ["validation", "evaluate"])
def test_a_part_must_be_left(part):
    taken = numbers(getattr(split_target(domain(), seed=0), part))
    assert split_target(domain(), seed=0, labelled=listed(*taken[1:])).labelled
    with pytest.raises(DataError, match=f"with {len(taken)} labelled items .* none are left"):
        split_target(domain(), seed=0, labelled=listed(*taken))


def test_oracle_labels_follow_the_items():
    splits = split_target(domain(), seed=0, labelled=listed(*range(10)))
    assert splits.oracle.evaluate.tolist() == [number % 3 for number in numbers(splits.evaluate)]
    assert splits.oracle.validation.tolist() == [n % 3 for n in numbers(splits.validation)]
