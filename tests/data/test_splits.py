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
    with pytest.raises(DataError, match="test split is empty"):
        split_target(domain_of([0] * 10, 2), test=domain_of([], 2), seed=0)


def test_limits_and_skipped_files():
    domain = dataclasses.replace(domain_of([0] * 1000, 2), skipped=("a.png: damaged",))
    parts = split_target(domain, seed=0, maximum_validation=30, evaluate_fraction=0.5)
    assert [len(part) for part in parts[:3]] == [470, 30, 500]
    assert parts.adapt.skipped == ("a.png: damaged",)
