"""Jaccard distances and pseudo identities against plain loops, scikit-learn, and what must be so."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.cluster import DBSCAN

from acclimate.core.errors import ConfigurationError, DataError
from acclimate.retrieval import reciprocal
from acclimate.retrieval.clusters import pseudo_identities
from acclimate.retrieval.reciprocal import jaccard_distances


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def people(identities=8, pictures=5, width=16, spread=0.2, seed=0):
    """Descriptors in groups, and whose they are; not in order."""
    random = torch.Generator().manual_seed(seed)
    labels = (
        torch.arange(identities * pictures)[torch.randperm(identities * pictures, generator=random)]
        % identities
    )
    centres = torch.randn(identities, width, generator=random)
    noise = torch.randn(len(labels), width, generator=random)
    return centres[labels] + spread * noise, labels


def dense(found):
    """All distances: those that are not stored are 1."""
    whole = np.ones(found.shape)
    entries = found.tocoo()
    whole[entries.row, entries.col] = entries.data
    return whole


def by_the_paper(descriptors, k1, k2):
    """Equations 1 to 11 of Zhong et al. with sets and loops, an item being its own first neighbour."""
    rows = [row / math.sqrt(row @ row) for row in descriptors.double().numpy()]
    count = len(rows)
    distance = [[2 - 2 * float(p @ g) for g in rows] for p in rows]
    order = [sorted(range(count), key=lambda g: (g != p, distance[p][g])) for p in range(count)]

    def reciprocal_set(p, k):
        return {g for g in order[p][: k + 1] if p in order[g][: k + 1]}

    weights = []
    for p in range(count):
        found = reciprocal_set(p, k1)
        extended = set(found)
        for q in found:
            half = reciprocal_set(q, round(k1 / 2))
            if len(found & half) >= 2 / 3 * len(half) - 1e-12:
                extended |= half
        row = [math.exp(-distance[p][g]) if g in extended else 0.0 for g in range(count)]
        weights.append([value / sum(row) for value in row])
    expanded = [
        [sum(weights[q][g] for q in order[p][:k2]) / len(order[p][:k2]) for g in range(count)]
        for p in range(count)
    ]
    return np.array(
        [
            [1 - sum(map(min, one, other)) / sum(map(max, one, other)) for other in expanded]
            for one in expanded
        ]
    )


@pytest.mark.parametrize(("k1", "k2"), [(1, 1), (5, 1), (7, 3), (10, 6), (30, 6), (100, 50)])
@pytest.mark.parametrize("items", [1, 2, 40])
def test_jaccard_distances_are_the_papers(k1, k2, items):
    descriptors = people()[0][:items]
    found = dense(jaccard_distances(descriptors, k1, k2))
    assert found == pytest.approx(by_the_paper(descriptors, k1, k2), abs=1e-12)


def test_jaccard_distances_in_pieces(monkeypatch):
    descriptors, _ = people()
    whole = jaccard_distances(descriptors, 7, 3)
    monkeypatch.setattr(reciprocal, "_HELD", 50)
    assert dense(jaccard_distances(descriptors, 7, 3)) == pytest.approx(dense(whole), abs=1e-14)


@given(
    st.integers(1, 25), st.integers(1, 8), st.integers(1, 12), st.integers(1, 8),
    st.integers(0, 1000),
)  # fmt: skip
def test_jaccard_distances_of_whatever_there_is(items, kinds, k1, k2, seed):
    """Few items, the same ones several times, neighbours without end."""
    chosen = torch.randint(kinds, (items,), generator=torch.Generator().manual_seed(seed))
    found = dense(jaccard_distances(draw(kinds, 3, seed=seed)[chosen], k1, k2))
    assert np.array_equal(found, found.T)
    assert not found.diagonal().any()
    assert found.min() >= 0
    assert found.max() <= 1


def test_jaccard_distances_know_no_lengths():
    descriptors = people()[0].double()
    longer = descriptors * torch.linspace(0.1, 9, len(descriptors))[:, None]
    expected = dense(jaccard_distances(descriptors, 7, 3))
    assert dense(jaccard_distances(longer, 7, 3)) == pytest.approx(expected, abs=1e-9)


def as_sets(clusters):
    found = {}
    for item, cluster in enumerate(clusters.tolist()):
        if cluster >= 0:
            found.setdefault(cluster, set()).add(item)
    return set(map(frozenset, found.values()))


def radius_of(distances):
    """Song et al.: mean of the smallest 1.6e-3 of the distances between different items."""
    pairs = distances[np.triu_indices(len(distances), 1)]
    pairs = np.sort(pairs[pairs > 0])
    return pairs[: max(1, round(1.6e-3 * len(pairs)))].mean()


@pytest.mark.parametrize("distance", ["jaccard", "cosine"])
@pytest.mark.parametrize("neighbours", [1, 2, 4])
@pytest.mark.parametrize("radius", [None, 0.05, 0.4, 1.0])
def test_density_is_scikit_learns_on_all_distances(distance, neighbours, radius):
    descriptors, _ = people(12, 6, spread=0.5)
    if distance == "jaccard":
        distances = by_the_paper(descriptors, 6, 2).round(12)
    else:
        unit = descriptors.double() / descriptors.double().norm(dim=1, keepdim=True)
        distances = (1 - unit @ unit.T).clamp_min(0).numpy()
    np.fill_diagonal(distances, 0)
    # a hair more, so that rounding does not decide who is within the mean itself
    wanted = radius_of(distances) if radius is None else radius
    machine = DBSCAN(eps=wanted + 1e-9, min_samples=neighbours, metric="precomputed")
    expected = machine.fit_predict(distances)
    found = pseudo_identities(
        descriptors, distance=distance, neighbours=neighbours, reciprocal=6, expansion=2,
        radius=None if radius is None else radius + 1e-9,
    )  # fmt: skip
    assert found.dtype == torch.int64
    assert as_sets(found) == as_sets(torch.from_numpy(expected))


@pytest.mark.parametrize("distance", ["jaccard", "cosine"])
def test_well_parted_identities_are_found(distance):
    descriptors, labels = people(6, 5, spread=0.02)
    found = pseudo_identities(descriptors, distance=distance, reciprocal=6, expansion=2, radius=0.3)
    assert as_sets(found) == as_sets(labels)
    # numbered in the order of their first items
    first = [found.tolist().index(number) for number in range(6)]
    assert first == sorted(first)


def test_a_radius_of_one_takes_in_what_shares_nothing():
    descriptors, _ = people(6, 5, spread=0.02)
    found = pseudo_identities(descriptors, reciprocal=6, expansion=2, radius=1.0)
    assert as_sets(found) == {frozenset(range(30))}


def two_cameras(identities=20, only_first=5, only_second=7, spread=0.1, offset=0.0, seed=0):
    """One picture of each identity and camera, some in one camera alone; the second adds an offset."""
    random = torch.Generator().manual_seed(seed)
    count = identities + only_first + only_second
    centres = torch.randn(count, 24, generator=random)
    ours = torch.arange(identities + only_first)
    theirs = torch.cat([torch.arange(identities), torch.arange(identities + only_first, count)])
    labels = torch.cat([ours, theirs])
    cameras = torch.cat([torch.zeros_like(ours), torch.ones_like(theirs)])
    moved = offset * torch.randn(24, generator=random) * cameras[:, None]
    noise = spread * torch.randn(len(labels), 24, generator=random)
    return centres[labels] + noise + moved, labels, cameras


def mutual_loop(descriptors, cameras, share):
    """For two cameras: links by loops, and as many of them as are asked for."""
    unit = [row / row.norm() for row in descriptors.double()]
    sides = [[i for i, camera in enumerate(cameras.tolist()) if camera == c] for c in (0, 1)]

    def ranked(item, others):
        return sorted(((float(unit[item] @ unit[o]), o) for o in others), reverse=True)

    links = []
    for item in sides[0]:
        first, second = ranked(item, sides[1])[:2]
        back, next_back = ranked(first[1], sides[0])[:2]
        if back[1] == item:
            links.append((min(first[0] - second[0], back[0] - next_back[0]), item, first[1]))
    links.sort(reverse=True)
    return {frozenset(link[1:]) for link in links[: math.ceil(share * len(links))]}


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_mutual_nearest_neighbours(share):
    descriptors, _, cameras = two_cameras(spread=0.8)
    found = pseudo_identities(descriptors, cameras, one_per_camera=True, share=share, centred=False)
    expected = mutual_loop(descriptors, cameras, share)
    assert expected
    assert as_sets(found) == expected


def test_a_cameras_own_offset_is_taken_off():
    descriptors, labels, cameras = two_cameras(only_first=0, only_second=0, spread=0.05, offset=8.0)
    right = as_sets(labels)
    options = {"one_per_camera": True, "share": 1.0}
    assert as_sets(pseudo_identities(descriptors, cameras, **options)) == right
    kept = as_sets(pseudo_identities(descriptors, cameras, centred=False, **options))
    assert len(kept & right) < len(right) / 2


@given(st.integers(0, 500), st.integers(2, 4), st.integers(2, 30), st.floats(0.05, 1.0))
def test_never_two_pictures_of_one_camera(seed, kinds, items, share):
    random = torch.Generator().manual_seed(seed)
    cameras = torch.arange(items) % kinds
    found = pseudo_identities(
        torch.randn(items, 3, generator=random), cameras, one_per_camera=True, share=share
    )
    clusters = as_sets(found)
    for cluster in clusters:
        assert len(cluster) > 1
        assert len(set(cameras[sorted(cluster)].tolist())) == len(cluster)
    assert set(found.tolist()) - {-1} == set(range(len(clusters)))


def test_three_cameras_join():
    descriptors, labels = people(6, 3, width=24, spread=0.02)
    cameras = torch.zeros_like(labels)
    for identity in range(6):
        cameras[labels == identity] = torch.arange(3)
    found = pseudo_identities(descriptors, cameras, one_per_camera=True, share=1.0)
    assert as_sets(found) == as_sets(labels)


def test_a_camera_with_one_picture_is_linked():
    descriptors = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.1, 1.0]])
    found = pseudo_identities(descriptors, torch.tensor([0, 0, 1]), one_per_camera=True, share=1.0)
    assert found.tolist() == [-1, 0, 0]


@pytest.mark.parametrize("options", [{}, {"distance": "cosine"}])
def test_pictures_that_are_all_the_same_are_one_cluster(options):
    found = pseudo_identities(torch.ones(9, 4), neighbours=4, **options)
    assert found.tolist() == [0] * 9


@pytest.mark.parametrize("options", [{}, {"distance": "cosine"}, {"one_per_camera": True}])
def test_a_single_picture_and_none_are_left_out(options):
    for count in (0, 1, 2):
        cameras = torch.arange(count)
        if options.get("one_per_camera") and count < 2:
            continue
        found = pseudo_identities(draw(count, 4), cameras, **options)
        assert found.shape == (count,)
        assert options.get("one_per_camera") or found.tolist() == [-1] * count


@pytest.mark.parametrize("cameras", [None, torch.zeros(4, dtype=torch.int64)])
def test_one_picture_a_camera_needs_cameras(cameras):
    with pytest.raises(ConfigurationError, match=r"at least two cameras.*by density") as caught:
        pseudo_identities(draw(4, 3), cameras, one_per_camera=True)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_is_said(value):
    descriptors = draw(5, 3)
    descriptors[2, 1] = value
    with pytest.raises(DataError, match="1 of 5 descriptors are not finite") as caught:
        pseudo_identities(descriptors)
    assert "\n" not in str(caught.value)


def test_nothing_is_changed_and_no_gradient_is_kept():
    descriptors, _, cameras = two_cameras()
    kept = descriptors.clone()
    descriptors.requires_grad_()
    for options in ({}, {"distance": "cosine"}, {"one_per_camera": True}):
        found = pseudo_identities(descriptors, cameras, **options)
        assert not found.requires_grad
    assert torch.equal(descriptors, kept)
