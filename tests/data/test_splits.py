"""Parts of the domains: disjoint, complete, repeatable; and no label where none may be."""

from __future__ import annotations

import dataclasses
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from acclimate.core.errors import DataError
from acclimate.data.domain import Domain, ResidentStore
from acclimate.data.splits import split_source, split_target

quick = settings(max_examples=60, deadline=None)
seeds = st.integers(0, 2**31)


def domain_of(labels: list[int], classes: int, labelled: bool = True) -> Domain:
    """Items whose single feature is their own index, so that parts can be traced."""
    items = torch.arange(len(labels), dtype=torch.float32)[:, None]
    names = tuple(f"class {k}" for k in range(classes))
    tensor = torch.tensor(labels, dtype=torch.int64) if labelled else None
    return Domain("toy", ResidentStore(items), tensor, names)


def items(domain: Domain) -> list[int]:
    return domain.store.gather(torch.arange(len(domain)))[:, 0].int().tolist()


@quick
@given(
    counts=st.lists(st.integers(1, 40), min_size=2, max_size=6),
    seed=seeds,
    fraction=st.floats(0.02, 0.9),
)
def test_source_split_is_a_stratified_partition(counts, seed, fraction):
    labels = [k for k, count in enumerate(counts) for _ in range(count)]
    domain = domain_of(labels, len(counts))
    if max(counts) == 1:
        with pytest.raises(DataError, match="too few"):
            split_source(domain, fraction=fraction, seed=seed)
        return
    train, validation = split_source(domain, fraction=fraction, seed=seed)
    assert sorted(items(train) + items(validation)) == list(range(len(labels)))
    for part in (train, validation):
        assert part.labels.tolist() == [labels[i] for i in items(part)]
    aside = validation.labels.bincount(minlength=len(counts)).tolist()
    for count, n in zip(counts, aside, strict=True):
        assert 0 <= n < count
        assert n >= 1 or count == 1
        assert abs(n - fraction * count) <= 1
    again = split_source(domain, fraction=fraction, seed=seed)
    assert items(again.validation) == items(validation)


def test_source_maximum_and_missing_labels():
    domain = domain_of([0, 1] * 500, 2)
    assert len(split_source(domain, maximum=40, seed=0).validation) == 40
    other = split_source(domain, maximum=40, seed=1).validation
    assert items(other) != items(split_source(domain, maximum=40, seed=0).validation)
    with pytest.raises(DataError, match="no labels"):
        split_source(domain.unlabelled(), seed=0)
    with pytest.raises(DataError, match="between 0 and 1"):
        split_source(domain, fraction=1.0, seed=0)


@quick
@given(count=st.integers(10, 300), seed=seeds, own_test=st.booleans())
def test_target_split_is_a_partition_without_labels(count, seed, own_test):
    labels = [i % 3 for i in range(count)]
    domain = domain_of(labels, 3)
    test = domain_of([2, 1, 0], 3) if own_test else None
    parts = split_target(domain, test=test, seed=seed)
    inside = items(parts.adapt) + items(parts.validation)
    if not own_test:
        inside += items(parts.evaluate)
    assert sorted(inside) == list(range(count))
    assert all(part.labels is None for part in parts[:3])
    expected = [2, 1, 0] if own_test else [labels[i] for i in items(parts.evaluate)]
    assert parts.oracle.evaluate.tolist() == expected
    assert parts.oracle.validation.tolist() == [labels[i] for i in items(parts.validation)]
    training = parts.oracle.training_domain()
    assert items(training) == items(parts.adapt)
    assert training.labels.tolist() == [labels[i] for i in items(training)]


@quick
@given(count=st.integers(10, 200), seed=seeds)
def test_target_split_does_not_depend_on_labels(count, seed):
    labelled = split_target(domain_of([i % 2 for i in range(count)], 2), seed=seed)
    plain = split_target(domain_of([0] * count, 2, labelled=False), seed=seed)
    assert [items(p) for p in labelled[:3]] == [items(p) for p in plain[:3]]
    assert plain.oracle is None


def reachable_tensors(thing: object, seen: set[int]) -> list[torch.Tensor]:
    """Every tensor that can be reached from ``thing`` through attributes and containers."""
    if id(thing) in seen:
        return []
    seen.add(id(thing))
    if isinstance(thing, torch.Tensor):
        return [thing]
    if isinstance(thing, (list, tuple)):
        inner = list(thing)
    elif dataclasses.is_dataclass(thing):
        inner = [getattr(thing, f.name) for f in dataclasses.fields(thing)]
    else:
        inner = []
    return [tensor for part in inner for tensor in reachable_tensors(part, seen)]


def test_target_labels_cannot_be_reached_from_the_parts():
    parts = split_target(domain_of([i % 5 for i in range(100)], 5), seed=0)
    for part in parts[:3]:
        tensors = reachable_tensors(part, set())
        assert [t.dtype for t in tensors] == [torch.float32]  # the inputs and nothing else
        tensors = reachable_tensors(pickle.loads(pickle.dumps(part)), set())
        assert [t.shape for t in tensors] == [(len(part), 1)]


def test_oracle_shows_nothing_of_itself():
    parts = split_target(domain_of([i % 2 for i in range(20)], 2), seed=0)
    for text in (repr(parts.oracle), str(parts.oracle), f"{parts.oracle}"):
        assert text == "OracleLabels(of 'toy', not shown)"
    assert not hasattr(parts.oracle, "__dict__")


def test_labels_of_the_test_split_alone():
    plain = domain_of([0] * 50, 2, labelled=False)
    parts = split_target(plain, test=domain_of([0, 1], 2), seed=0)
    assert parts.oracle.evaluate.tolist() == [0, 1]
    with pytest.raises(DataError, match="no labels for training"):
        parts.oracle.training_domain()
    with pytest.raises(DataError, match="no labels for training"):
        _ = parts.oracle.validation


def test_what_is_too_small():
    with pytest.raises(DataError, match="has 9 items; a target needs at least 10"):
        split_target(domain_of([0] * 9, 2), seed=0)
    with pytest.raises(DataError, match="leaves none"):
        split_target(domain_of([0] * 10, 2), seed=0, validation_fraction=0.5, evaluate_fraction=0.5)
    with pytest.raises(DataError, match="0 items are too few"):
        split_source(domain_of([], 2), seed=0)
    with pytest.raises(DataError, match="test split is empty"):
        split_target(domain_of([0] * 10, 2), test=domain_of([], 2), seed=0)


def test_limits_and_skipped_files():
    domain = dataclasses.replace(domain_of([0] * 1000, 2), skipped=("a.png: damaged",))
    parts = split_target(domain, seed=0, maximum_validation=30, evaluate_fraction=0.5)
    assert [len(part) for part in parts[:3]] == [470, 30, 500]
    assert parts.adapt.skipped == ("a.png: damaged",)


def grouped(domain: Domain, groups: list[int]) -> Domain:
    return dataclasses.replace(domain, groups=torch.tensor(groups))


@quick
@given(labels=st.lists(st.integers(0, 2), min_size=12, max_size=120), seed=seeds)
def test_a_group_for_each_item_changes_nothing(labels, seed):
    plain = domain_of([*labels, 0, 0], 3)
    alone = grouped(plain, list(range(7, 7 + len(plain))))
    for split in (split_source, split_target):
        parts, again = split(plain, seed=seed), split(alone, seed=seed)
        assert [items(part) for part in parts[:2]] == [items(part) for part in again[:2]]


def test_without_groups_the_parts_are_those_of_the_first_version():
    domain = domain_of([0, 1] * 10, 2)
    assert items(split_source(domain, seed=0, fraction=0.2).validation) == [5, 6, 10, 15]
    parts = split_target(domain, seed=0)
    assert items(parts.validation) == [7, 12]
    assert items(parts.evaluate) == [5, 6, 13, 14]


@quick
@given(
    sizes=st.lists(st.lists(st.integers(1, 9), min_size=2, max_size=8), min_size=2, max_size=4),
    seed=seeds,
    fraction=st.floats(0.05, 0.6),
)
def test_source_groups_stay_whole_and_every_class_is_in_both_parts(sizes, seed, fraction):
    runs = [(k, size) for k, of_class in enumerate(sizes) for size in of_class]
    labels = [k for k, size in runs for _ in range(size)]
    groups = [number for number, (_, size) in enumerate(runs) for _ in range(size)]
    mixed = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed)).tolist()
    labels, groups = [labels[i] for i in mixed], [groups[i] for i in mixed]
    parts = split_source(
        grouped(domain_of(labels, len(sizes)), groups), fraction=fraction, seed=seed
    )
    assert sorted(items(parts.train) + items(parts.validation)) == list(range(len(labels)))
    assert not set(parts.train.groups.tolist()) & set(parts.validation.groups.tolist())
    aside = parts.validation.labels.bincount(minlength=len(sizes)).tolist()
    for of_class, n in zip(sizes, aside, strict=True):
        assert 0 < n < sum(of_class)
        # the nearest border is at most half a group away, unless that were none or all of them
        allowed = max(of_class) / 2 + 1
        assert abs(n - fraction * sum(of_class)) <= allowed or n in of_class


@quick
@given(sizes=st.lists(st.integers(1, 9), min_size=30, max_size=60), seed=seeds)
def test_target_groups_stay_whole(sizes, seed):
    groups = [number for number, size in enumerate(sizes) for _ in range(size)]
    domain = grouped(domain_of([0] * len(groups), 2), groups)
    parts = split_target(domain, seed=seed)
    homes = [{groups[i] for i in items(part)} for part in parts[:3]]
    assert sum(len(home) for home in homes) == len(sizes)
    assert set.union(*homes) == set(range(len(sizes)))
    assert abs(len(parts.evaluate) - 0.2 * len(groups)) <= 6
    assert all(part.groups is None for part in parts[:3])  # they could tell of the labels


def test_a_group_of_two_classes_stays_whole_too():
    groups = [k // 4 for k in range(80)]
    domain = grouped(domain_of([k % 2 for k in range(80)], 2), groups)
    parts = split_source(domain, fraction=0.3, seed=0)
    assert not set(parts.train.groups.tolist()) & set(parts.validation.groups.tolist())
    assert len(parts.train) + len(parts.validation) == 80


def test_too_few_groups_say_so():
    one = grouped(domain_of([0, 1] * 10, 2), [0] * 20)
    with pytest.raises(DataError, match="groups that must stay whole are too few"):
        split_source(one, seed=0)
    with pytest.raises(DataError, match="its 2 groups of near-duplicates"):
        split_target(dataclasses.replace(one, groups=torch.tensor([0] * 10 + [1] * 10)), seed=0)
    with pytest.raises(DataError, match="20 items but groups"):
        grouped(one, [0, 1])


def test_a_place_of_several_keeps_an_item_to_train_on():
    labels = [0] + [k % 2 for k in range(200)]
    places = torch.tensor([0] + [1] * 200)
    for seed in range(60):
        pooled = dataclasses.replace(
            domain_of(labels, 2), places=places, place_names=("one", "two")
        )
        parts = split_source(pooled, fraction=0.3, seed=seed)
        assert 0 in items(parts.train)
        assert sorted(items(parts.train) + items(parts.validation)) == list(range(201))
