"""Parts of sets of people: nobody is in two of them, whatever the seed."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from acclimate.core.errors import DataError
from acclimate.core.types import GALLERY, PROBE
from acclimate.data import datasets
from acclimate.data.domain import Domain, ResidentStore
from acclimate.data.identity_splits import split_identities, split_retrieval_target
from acclimate.data.registry import IdentityProtocol

SEEDS = st.integers(0, 10_000)


def make(labels, cameras=None, roles=None, name="people"):
    labels = torch.as_tensor(labels)
    names = tuple(f"{k:04}" for k in range(int(labels.max()) + 1))
    return Domain(
        name,
        ResidentStore(torch.arange(len(labels)).reshape(-1, 1, 1, 1).to(torch.int32)),
        labels,
        names,
        tuple(f"{k}.png" for k in range(len(labels))),
        groups=labels,
        cameras=None if cameras is None else torch.as_tensor(cameras),
        roles=None if roles is None else torch.as_tensor(roles),
        skipped=("x.png: damaged",),
    )


def viper():
    return make(list(range(632)) * 2, [0] * 632 + [1] * 632)


def prid():
    """200 people in both, 185 others in A, 549 others in B."""
    both = list(range(200))
    first, second = list(range(200, 385)), list(range(385, 934))
    labels = [*both, *first, *both, *second]
    return make(labels, [0] * 385 + [1] * 749)


def cuhk01():
    return make([k for k in range(971) for _ in range(4)], [0, 0, 1, 1] * 971)


def cuhk03():
    """A few pictures by each view; the first person is seen by one view alone."""
    labels = [k for k in range(1467) for _ in range(3)]
    return make(labels, [0, 0, 0, *([0, 1, 1] * 1466)])


PROTOCOL_SETS = {"viper": viper, "prid2011": prid, "cuhk01": cuhk01}


def items(domain):
    return domain.store.tensor.flatten().tolist()


def who(whole, part):
    return set(whole.labels[torch.tensor(items(part))].tolist())


@pytest.mark.parametrize("name", PROTOCOL_SETS)
@settings(deadline=None, max_examples=15)
@given(seed=SEEDS)
def test_published_protocols(name, seed):
    domain = PROTOCOL_SETS[name]()
    protocol = datasets.get(name).identities
    parts = split_retrieval_target(domain, protocol, seed=seed)
    adapted, evaluated = who(domain, parts.adapt), who(domain, parts.evaluate)
    assert not adapted & evaluated
    assert len(adapted) == protocol.train_identities
    probes, gallery = parts.evaluate.roles == PROBE, parts.evaluate.roles == GALLERY
    counts = (len(parts.adapt), int(probes.sum()), int(gallery.sum()))
    assert (
        counts
        == {
            "viper": (632, 316, 316),
            "prid2011": (200, 100, 649),
            "cuhk01": (485 * 4, 486 * 2, 486 * 2),
        }[name]
    )
    assert bool((probes ^ gallery).all())
    assert set(parts.evaluate.cameras[probes].tolist()) == {0}
    assert set(parts.evaluate.cameras[gallery].tolist()) == {1}
    # every probe is in the gallery
    labels = parts.oracle.evaluate
    assert set(labels[probes].tolist()) <= set(labels[gallery].tolist())
    assert torch.equal(labels, domain.labels[torch.tensor(items(parts.evaluate))])


def test_unused_people_of_prid_are_said():
    parts = split_retrieval_target(prid(), datasets.get("prid2011").identities, seed=0)
    assert parts.adapt.notes == (
        "185 pictures of people whom one camera alone has seen are not used",
    )
    assert parts.adapt.skipped == ("x.png: damaged",)
    protocol = datasets.get("viper").identities
    assert split_retrieval_target(viper(), protocol, seed=0).adapt.notes == ()


@settings(deadline=None, max_examples=10)
@given(seed=SEEDS)
def test_published_draws_are_chosen_by_the_seed(seed):
    domain = cuhk03()
    draws = tuple(
        frozenset(domain.class_names[k] for k in range(start, start + 100))
        for start in range(0, 2000 // 2, 50)
    )
    protocol = replace(datasets.get("cuhk03").identities, published=draws)
    parts = split_retrieval_target(domain, protocol, seed=seed)
    evaluated = {domain.class_names[k] for k in who(domain, parts.evaluate)}
    assert evaluated == draws[seed % 20]
    assert who(domain, parts.adapt) == set(range(1467)) - who(domain, parts.evaluate)
    again = split_retrieval_target(domain, protocol, seed=seed + 20)
    assert items(again.evaluate) == items(parts.evaluate)


@settings(deadline=None, max_examples=10)
@given(seed=SEEDS)
def test_cuhk03_without_published_draws(seed):
    parts = split_retrieval_target(cuhk03(), datasets.get("cuhk03").identities, seed=seed)
    adapted, evaluated = who(cuhk03(), parts.adapt), who(cuhk03(), parts.evaluate)
    assert (len(adapted), len(evaluated)) == (1367, 99)
    assert not adapted & evaluated


def test_nothing_of_identities_is_left_in_a_target():
    for domain, protocol in ((viper(), datasets.get("viper").identities), (viper(), None)):
        parts = split_retrieval_target(domain, protocol, seed=3)
        for part in (parts.adapt, parts.validation, parts.evaluate):
            assert part.labels is None
            assert part.groups is None
            rows = torch.tensor(items(part))
            assert torch.equal(part.cameras, domain.cameras[rows])
            assert rows.tolist() == sorted(rows.tolist())
        assert parts.validation.item_names == parts.adapt.item_names
        training = parts.oracle.training_domain()
        assert torch.equal(training.labels, parts.oracle.validation)
        assert training.item_names == parts.adapt.item_names
        assert training.cameras is not None


def test_an_own_test_split():
    train, test = viper(), make([0, 0, 1, 1], [1, 2, 1, 2], [1, 2, 1, 2], "market")
    test = replace(test, class_names=("9001", "9002"))
    protocol = IdentityProtocol(None, None, None)
    parts = split_retrieval_target(train, protocol, test=test, seed=0)
    assert items(parts.adapt) == items(train)
    assert items(parts.evaluate) == items(test)
    assert parts.evaluate.roles.tolist() == [1, 2, 1, 2]
    assert parts.evaluate.labels is None
    assert parts.oracle.evaluate.tolist() == [0, 0, 1, 1]
    shared = replace(test, class_names=("9001", "0631"))
    with pytest.raises(DataError, match="1 people, for example '0631', are in its training part"):
        split_retrieval_target(train, protocol, test=shared, seed=0)
    with pytest.raises(DataError, match="has a test split of its own"):
        split_retrieval_target(train, protocol, seed=0)


@st.composite
def folders(draw):
    """A user's own people: labels, and cameras or none."""
    labels = draw(st.lists(st.integers(0, 12), min_size=10, max_size=60))
    kinds = sorted(set(labels))
    labels = [kinds.index(label) for label in labels]
    cameras = draw(
        st.one_of(
            st.none(), st.lists(st.integers(0, 2), min_size=len(labels), max_size=len(labels))
        )
    )
    return make(labels, cameras)


def found_again(domain):
    """A plain loop: people seen by two cameras, or on two pictures."""
    seen = {}
    for row, label in enumerate(domain.labels.tolist()):
        camera = row if domain.cameras is None else int(domain.cameras[row])
        seen.setdefault(label, set()).add(camera)
    return {label for label, cameras in seen.items() if len(cameras) > 1}


@settings(deadline=None, max_examples=80)
@given(domain=folders(), seed=SEEDS)
def test_half_of_a_users_people_are_evaluated_on(domain, seed):
    again = found_again(domain)
    if len(again) < 2:
        with pytest.raises(DataError, match="too few for a part to adapt to"):
            split_retrieval_target(domain, seed=seed)
        return
    parts = split_retrieval_target(domain, seed=seed)
    adapted, evaluated = who(domain, parts.adapt), who(domain, parts.evaluate)
    assert not adapted & evaluated
    assert len(items(parts.adapt)) + len(items(parts.evaluate)) == len(domain)
    for kind in (again, set(domain.labels.tolist()) - again):
        assert len(evaluated & kind) - len(adapted & kind) in (0, 1)
    assert parts.evaluate.roles is None


@settings(deadline=None, max_examples=40)
@given(count=st.integers(10, 200), seed=SEEDS)
def test_an_unlabelled_target(count, seed):
    domain = make([0] * count, [k % 2 for k in range(count)])
    bare = replace(domain.unlabelled(), groups=None)
    parts = split_retrieval_target(bare, datasets.get("viper").identities, seed=seed)
    assert parts.oracle is None
    assert len(parts.evaluate) == max(1, round(count / 5))
    assert sorted(items(parts.adapt) + items(parts.evaluate)) == list(range(count))
    assert parts.evaluate.cameras is not None


@settings(deadline=None, max_examples=80)
@given(domain=folders(), seed=SEEDS, fraction=st.floats(0.05, 0.95), maximum=st.integers(2, 8))
def test_source_parts_share_nobody(domain, seed, fraction, maximum):
    again = found_again(domain)
    split = lambda: split_identities(domain, fraction=fraction, maximum=maximum, seed=seed)  # noqa: E731
    if len(again) < 4:
        with pytest.raises(DataError, match="too few to set some aside"):
            split()
        return
    train, validation = split()
    assert sorted(items(train) + items(validation)) == list(range(len(domain)))
    assert not who(domain, train) & who(domain, validation)
    assert who(domain, validation) <= again
    assert len(who(domain, validation)) == min(
        max(round(fraction * len(again)), 2), maximum, len(again) - 2
    )
    assert len(who(domain, train) & again) >= 2
    assert train.labels is not None
    assert validation.labels is not None
    assert (train.cameras is None) == (domain.cameras is None)
    counts = domain.labels.bincount()
    single = int((counts == 1).sum())
    assert len(train.notes) == bool(single)
    if single:
        assert train.notes[0].startswith(f"{single} people are on a single picture")
    assert items(split().validation) == items(validation)


def test_seeds_differ():
    protocol = datasets.get("viper").identities
    target = {
        tuple(items(split_retrieval_target(viper(), protocol, seed=s).adapt)) for s in range(5)
    }
    source = {tuple(items(split_identities(viper(), seed=s).train)) for s in range(5)}
    assert len(target) == len(source) == 5
    assert len(items(split_identities(viper(), seed=0).validation)) == 2 * round(632 / 5)


def test_errors_are_one_line():
    protocol = datasets.get("viper").identities
    few = make([k for k in range(100) for _ in (0, 1)], [0, 1] * 100)
    for call, words in (
        (lambda: split_retrieval_target(few, protocol, seed=0), "100 people are seen by both"),
        (lambda: split_retrieval_target(make([0, 1] * 4), seed=0), "8 pictures; a target needs"),
        (lambda: split_identities(few.unlabelled(), seed=0), "has no identities"),
        (lambda: split_identities(few, fraction=1.0, seed=0), "fraction is 1.0"),
        (
            lambda: split_retrieval_target(
                few, replace(protocol, published=(frozenset({"gone"}),)), seed=0
            ),
            "no probes",
        ),
    ):
        with pytest.raises(DataError, match=words) as caught:
            call()
        assert "\n" not in str(caught.value)
