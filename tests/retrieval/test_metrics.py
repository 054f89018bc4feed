"""CMC and mean average precision against a plain loop, scikit-learn and closed forms."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from live_tensors import LiveTensors
from sklearn.metrics import average_precision_score
from torch.nn.functional import normalize

from acclimate.core.errors import AcclimateError, ConfigurationError, DataError
from acclimate.retrieval import metrics as module
from acclimate.retrieval import search as searching
from acclimate.retrieval.metrics import cross_camera_metrics, retrieval_metrics

BLOCKS = {"PROBES": 1, "HELD": 1, "CACHED": 1}


def by_loop(probes, gallery, *, cross=False):
    """First ranks and average precisions of probes and gallery (descriptor, label, camera, number).

    ``cross``: an item of the same number is the probe itself. Cameras are ``None`` where unknown.
    """
    firsts, precisions = [], []
    for descriptor, label, camera, number in probes:
        products = np.array([np.dot(descriptor, each[0]) for each in gallery])
        rank, ranks = 0, []
        for place in np.argsort(-products, kind="stable"):
            _, other, seen_by, own = gallery[place]
            same = other == label
            if (cross and own == number) or (same and camera is not None and seen_by == camera):
                continue
            rank += 1
            if same:
                ranks.append(rank)
        if ranks:
            firsts.append(ranks[0])
            precisions.append(np.mean([(i + 1) / rank for i, rank in enumerate(ranks)]))
    return np.array(firsts), np.array(precisions)


def check(found, firsts, precisions, *, asked, size, ranks=100):
    cmc = [np.mean(firsts <= rank) for rank in range(1, size + 1)]
    assert found.probes == len(firsts)
    assert found.without_match == asked - len(firsts)
    assert found.gallery == size
    assert found.cmc == pytest.approx(cmc[:ranks])
    assert found.area == pytest.approx(np.mean(cmc))
    assert found.mean_average_precision == pytest.approx(np.mean(precisions))
    at = [found.rank1, found.rank5, found.rank10, found.rank20]
    assert at == pytest.approx([np.mean(firsts <= rank) for rank in (1, 5, 10, 20)])


item = st.tuples(
    st.tuples(st.integers(-2, 2), st.integers(-2, 2)), st.integers(0, 3), st.integers(0, 2)
)


def tensors(items):
    descriptors, labels, cameras = zip(*items, strict=True)
    return torch.tensor(descriptors).float(), torch.tensor(labels), torch.tensor(cameras)


def listed(items, with_cameras=True):
    return [
        (np.array(descriptor, float), label, camera if with_cameras else None, number)
        for number, (descriptor, label, camera) in enumerate(items)
    ]


@given(
    probes=st.lists(item, min_size=1, max_size=8),
    gallery=st.lists(item, min_size=1, max_size=90),
    with_cameras=st.booleans(),
    blocks=st.sampled_from([{}, {"SORTED_FROM": 1}, {"CACHED": 1}, {"SORTED_FROM": 1, "CACHED": 1}]),
    ranks=st.integers(1, 12),
)  # fmt: skip
def test_as_a_plain_loop(probes, gallery, with_cameras, blocks, ranks):
    firsts, precisions = by_loop(listed(probes, with_cameras), listed(gallery, with_cameras))
    ours, theirs = tensors(probes), tensors(gallery)
    cameras = (ours[2], theirs[2]) if with_cameras else ()
    arguments = (ours[0], theirs[0], ours[1], theirs[1], *cameras)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in blocks.items():
            patch.setattr(module, name, value)
        if not len(firsts):
            with pytest.raises(DataError, match="no probe has a match"):
                retrieval_metrics(*arguments, ranks=ranks)
            return
        found = retrieval_metrics(*arguments, ranks=ranks)
    check(found, firsts, precisions, asked=len(probes), size=len(gallery), ranks=ranks)


@given(
    items=st.lists(st.tuples(item, st.integers(0, 3)), min_size=1, max_size=80),
    with_cameras=st.booleans(),
    with_roles=st.booleans(),
    sorted_from=st.sampled_from([1, 128]),
)
def test_one_set_as_a_plain_loop(items, with_cameras, with_roles, sorted_from):
    items, roles = zip(*items, strict=True)
    if not with_roles:
        roles = (3,) * len(items)
    everything = listed(items, with_cameras)
    probes = [each for each, role in zip(everything, roles, strict=True) if role in (1, 3)]
    gallery = [each for each, role in zip(everything, roles, strict=True) if role in (2, 3)]
    descriptors, labels, cameras = tensors(items)
    firsts, precisions = by_loop(probes, gallery, cross=True) if gallery else ((), ())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SORTED_FROM", sorted_from)
        arguments = (descriptors, labels, cameras if with_cameras else None)
        roles = torch.tensor(roles) if with_roles else None
        if not len(firsts):
            with pytest.raises(DataError, match=r"no probe|gallery is empty"):
                cross_camera_metrics(*arguments, roles=roles)
            return
        found = cross_camera_metrics(*arguments, roles=roles)
    check(found, firsts, precisions, asked=len(probes), size=len(gallery))


def people(probes=150, gallery=700, identities=40, seed=0):
    """Descriptors that are found now and then, with labels and cameras."""
    draws = torch.Generator().manual_seed(seed)
    centres = torch.randn(identities, 24, generator=draws)
    sides = []
    for count in (probes, gallery):
        labels = torch.randint(identities, (count,), generator=draws)
        descriptors = normalize(centres[labels] + 2 * torch.randn(count, 24, generator=draws))
        sides.append((descriptors, labels, torch.randint(3, (count,), generator=draws)))
    return [each for pair in zip(*sides, strict=True) for each in pair]


def test_average_precision_is_scikit_learns():
    arguments = people()
    probes, gallery, labels, gallery_labels, cameras, gallery_cameras = (
        each.double().numpy() for each in arguments
    )
    values = []
    for probe, label, camera in zip(probes, labels, cameras, strict=True):
        same = gallery_labels == label
        kept = ~(same & (gallery_cameras == camera))
        values.append(average_precision_score(same[kept], (gallery @ probe)[kept]))
    found = retrieval_metrics(*arguments)
    assert 0.1 < np.mean(values) < 0.9
    assert found.mean_average_precision == pytest.approx(np.mean(values), abs=1e-6)
    assert found.identities == len(np.unique(labels))


@pytest.mark.parametrize("sorted_from", [1, 10**9])
def test_block_sizes_do_not_matter(sorted_from, monkeypatch):
    arguments = people()
    expected = retrieval_metrics(*arguments)
    monkeypatch.setattr(module, "SORTED_FROM", sorted_from)
    for constants in (BLOCKS, {"PROBES": 128, "CACHED": 5000}):
        for name, value in constants.items():
            monkeypatch.setattr(module, name, value)
        monkeypatch.setattr(searching, "ITEMS", 192)
        assert retrieval_metrics(*arguments) == expected


def test_equal_pictures_rank_by_index():
    """The same descriptor many times: ranks are places, at whichever edge of a block they are."""
    descriptors = normalize(torch.randn(1, 333, generator=torch.Generator().manual_seed(0)))
    for place in (0, 5, 63, 64, 200, 256):
        labels = torch.ones(257)
        labels[place] = 0
        found = retrieval_metrics(descriptors, descriptors.repeat(257, 1), torch.zeros(1), labels)
        assert found.mean_average_precision == pytest.approx(1 / (place + 1))


def test_perfect_descriptors():
    labels = torch.arange(30) % 10
    found = cross_camera_metrics(torch.eye(10)[labels], labels, torch.arange(30) // 10)
    assert (found.rank1, found.mean_average_precision, found.area) == (1.0, 1.0, 1.0)
    assert found.cmc == [1.0] * 30
    assert (found.probes, found.gallery, found.identities, found.without_match) == (30, 30, 10, 0)


def test_random_descriptors():
    """One match among G: its rank is uniform, so the area is (G + 1) / 2G and precision H(G) / G."""
    draws = torch.Generator().manual_seed(0)
    size, asked = 50, 4000
    probes, gallery = (torch.randn(count, 16, generator=draws) for count in (asked, size))
    # drawn for each probe anew, so that ranks are independent
    labels = torch.randint(size, (asked,), generator=draws)
    found = retrieval_metrics(probes, gallery, labels, torch.arange(size))
    # five standard errors
    assert found.area == pytest.approx((size + 1) / (2 * size), abs=5 * 0.289 / asked**0.5)
    harmonic = sum(1 / rank for rank in range(1, size + 1)) / size
    assert found.mean_average_precision == pytest.approx(harmonic, abs=5 * 0.16 / asked**0.5)
    assert found.rank5 == pytest.approx(0.1, abs=5 * 0.3 / asked**0.5)


def test_a_probe_of_an_unknown_identity_counts_nowhere():
    arguments = [torch.eye(3), torch.eye(3), torch.tensor([0, 1, 9]), torch.tensor([0, 1, 2])]
    found = retrieval_metrics(*arguments)
    assert (found.probes, found.without_match, found.identities) == (2, 1, 2)
    assert found.rank1 == 1.0


def test_cameras_of_a_number_that_labels_have_are_no_labels():
    """Identity 0 at camera 1 is not identity 1 at camera 0."""
    labels, cameras = torch.tensor([1, 0, 0]), torch.tensor([0, 1, 2])
    found = retrieval_metrics(
        torch.ones(1, 1),
        torch.tensor([[0.9], [0.8], [0.7]]),
        torch.tensor([0]),
        labels,
        torch.tensor([1]),
        cameras,
    )
    # the first is another identity, the second is ignored, so the third is found at rank 2
    assert (found.rank1, found.cmc) == (0.0, [0.0, 1.0, 1.0])


def test_dtypes_of_labels_and_descriptors():
    arguments = people()
    expected = retrieval_metrics(*arguments)
    changed = [each.double() for each in arguments[:2]] + [
        each.to(torch.int32) for each in arguments[2:]
    ]
    assert retrieval_metrics(*changed) == expected
    arguments[0].requires_grad_()
    assert retrieval_metrics(*arguments) == expected


def test_memory_is_rows_of_similarities_and_not_all(monkeypatch):
    monkeypatch.setattr(module, "HELD", 1 << 18)
    monkeypatch.setattr(module, "CACHED", 1 << 14)
    arguments = people(probes=512, gallery=3000, identities=1000)
    with LiveTensors() as live:
        retrieval_metrics(*arguments)
    assert 64 * 3000 * 4 < live.peak < (1 << 18) * 4 * 2 < 512 * 3000 * 4 / 2


ONE = torch.ones(1, 2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((ONE[:0], ONE, torch.ones(0), torch.ones(1)), "there is no probe"),
        ((ONE, ONE[:0], torch.ones(1), torch.ones(0)), "gallery is empty"),
        ((ONE, ONE, torch.ones(1), torch.zeros(1)), "no probe has a match"),
        ((ONE, ONE, torch.ones(1), torch.ones(1), torch.ones(1), torch.ones(1)), "its own camera"),
        ((ONE, ONE, torch.ones(2), torch.ones(1)), r"1 probes but labels \(2,\)"),
        ((ONE, ONE, torch.ones(1), torch.ones(1, 1)), r"1 gallery items but labels \(1, 1\)"),
        ((ONE, ONE, torch.ones(1), torch.ones(1), torch.ones(3), torch.ones(1)), r"cameras \(3,\)"),
        ((ONE, ONE, torch.ones(1), torch.ones(1), torch.ones(1)), "cameras of one side alone"),
        ((ONE * torch.nan, ONE, torch.ones(1), torch.ones(1)), "probe 0 has a descriptor that is not"),
        ((ONE, ONE * torch.inf, torch.ones(1), torch.ones(1)), "gallery item 0 has a descriptor"),
        ((ONE, torch.ones(1, 3), torch.ones(1), torch.ones(1)), "2 numbers, the gallery of 3"),
    ],
)  # fmt: skip
def test_what_cannot_be_measured(arguments, said):
    with pytest.raises(DataError, match=said) as caught:
        retrieval_metrics(*arguments)
    assert "\n" not in str(caught.value)


def test_what_one_set_cannot_be_measured_on():
    rows, labels = torch.eye(4), torch.tensor([0, 0, 1, 1])
    for arguments, said in (
        ({"cameras": torch.zeros(4)}, "its own camera"),
        ({"roles": torch.full((4,), 2)}, "there is no probe"),
        ({"roles": torch.full((4,), 1)}, "gallery is empty"),
        ({"roles": torch.ones(3)}, r"4 descriptors but roles \(3,\)"),
        ({"cameras": torch.ones(3)}, r"4 descriptors but cameras \(3,\)"),
    ):
        with pytest.raises(AcclimateError, match=said):
            cross_camera_metrics(rows, labels, **arguments)
    with pytest.raises(AcclimateError, match="no probe has a match"):
        cross_camera_metrics(rows[:1], labels[:1])
    with pytest.raises(ConfigurationError, match="ranks=0"):
        cross_camera_metrics(rows, labels, ranks=0)
