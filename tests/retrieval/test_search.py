"""Search finds what a plain loop finds, ties included, in any blocks and in bounded memory."""

import importlib.util
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from live_tensors import LiveTensors
from torch.nn.functional import normalize

from acclimate.core.errors import ConfigurationError, DataError, UnknownNameError
from acclimate.retrieval import search as module
from acclimate.retrieval.descriptors import merged, normalised, with_mirror_images
from acclimate.retrieval.search import search


def by_loop(probes, gallery, count):
    """Indices and similarities, one probe after another, in numpy; equal ones by index."""
    probes, gallery = probes.double().numpy(), gallery.double().numpy()
    indices = np.stack([np.argsort(-(gallery @ probe), kind="stable")[:count] for probe in probes])
    similarities = np.stack([gallery[i] @ p for i, p in zip(indices, probes, strict=True)])
    return torch.from_numpy(indices), torch.from_numpy(similarities)


def whole_numbers(rows, columns, seed, high=3):
    """Descriptors whose products are exact, with many ties."""
    draws = torch.Generator().manual_seed(seed)
    return torch.randint(-high, high + 1, (rows, columns), generator=draws).float()


def drawn(rows, columns, seed=0):
    return normalize(torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed)))


@pytest.mark.parametrize("count", [1, 10, 200, 1000])
def test_as_a_plain_loop(count):
    probes, gallery = drawn(70, 12), drawn(900, 12, 1)
    indices, similarities = search(probes, gallery, count)
    expected = by_loop(probes, gallery, count)
    assert indices.dtype == torch.int64
    assert similarities.dtype == torch.float32
    assert torch.equal(indices, expected[0])
    torch.testing.assert_close(similarities.double(), expected[1], atol=1e-6, rtol=0)


@given(
    probes=st.integers(1, 4),
    items=st.integers(1, 300),
    columns=st.integers(1, 3),
    count=st.integers(1, 80),
    seed=st.integers(0, 2**32),
    blocks=st.sampled_from([(64, 64), (64, 128), (1024, 4096)]),
)
def test_ties_go_by_index_in_any_blocks(probes, items, columns, count, seed, blocks):
    probes, gallery = whole_numbers(probes, columns, seed), whole_numbers(items, columns, seed + 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PROBES", blocks[0])
        patch.setattr(module, "ITEMS", blocks[1])
        indices, similarities = search(probes, gallery, count)
    expected = by_loop(probes, gallery, count)
    assert torch.equal(indices, expected[0])
    assert torch.equal(similarities.double(), expected[1])


@pytest.mark.parametrize("order", ["rising", "falling", "equal"])
def test_a_gallery_in_an_unlucky_order(order, monkeypatch):
    monkeypatch.setattr(module, "ITEMS", 64)
    values = {"rising": torch.arange(500.0), "falling": -torch.arange(500.0)}
    gallery = values.get(order, torch.zeros(500))[:, None]
    indices, _ = search(torch.ones(3, 1), gallery, 90)
    expected = torch.arange(499, 409, -1) if order == "rising" else torch.arange(90)
    assert torch.equal(indices, expected.expand(3, 90))


def test_equal_ones_near_a_more_similar_one_wait_their_turn(monkeypatch):
    """The largest of a later block are looked at first, yet ties go by index."""
    monkeypatch.setattr(module, "ITEMS", 512)
    gallery = torch.zeros(1024, 1)
    gallery[512 + 10] = gallery[512 + 201] = 5.0
    gallery[512 + 200] = 9.0
    indices, _ = search(torch.ones(1, 1), gallery, 2)
    assert indices.tolist() == [[512 + 200, 512 + 10]]


@pytest.mark.parametrize("items", [7, 31, 65, 257, 1000])
def test_equal_descriptors_are_equally_similar_wherever_they_stand(items):
    """Matrix libraries sum up in another order at the edges of a matrix."""
    for columns in (7, 16, 333):
        indices, similarities = search(
            drawn(3, columns), drawn(1, columns, 1).repeat(items, 1), items
        )
        assert torch.equal(indices, torch.arange(items).expand(3, items))
        assert (similarities == similarities[:, :1]).all()


def test_block_sizes_do_not_matter(monkeypatch):
    probes, gallery = drawn(300, 33), drawn(1500, 33, 1)
    expected = search(probes, gallery, 40)
    for rows, columns in ((64, 64), (128, 704), (192, 1536)):
        monkeypatch.setattr(module, "PROBES", rows)
        monkeypatch.setattr(module, "ITEMS", columns)
        for found, wanted in zip(search(probes, gallery, 40), expected, strict=True):
            assert torch.equal(found, wanted)


def test_other_dtypes_and_gradients():
    probes, gallery = whole_numbers(5, 4, 0), whole_numbers(90, 4, 1)
    expected = search(probes, gallery, 7)
    for changed in (probes.double(), probes.half(), probes.clone().requires_grad_(), probes.long()):
        found = search(changed, gallery.to(changed.dtype), 7)
        assert torch.equal(found[0], expected[0])
        assert found[1].dtype == torch.float32
        assert not found[1].requires_grad
    assert search(probes[:0], gallery, 7)[0].shape == (0, 7)


def test_memory_does_not_grow_with_the_gallery(monkeypatch):
    monkeypatch.setattr(module, "PROBES", 128)
    monkeypatch.setattr(module, "ITEMS", 512)
    peaks = []
    for factor in (1, 4):
        probes, gallery = drawn(256 * factor, 8), drawn(4096 * factor, 8, 1)
        with LiveTensors() as live:
            search(probes, gallery, 5)
        peaks.append(live.peak - 256 * factor * 5 * 12)  # the result
    assert 128 * 512 * 4 < peaks[0] < 10 * 128 * 512 * 4
    assert peaks[1] < 1.2 * peaks[0]


@pytest.mark.parametrize(
    ("probes", "gallery", "said"),
    [
        (torch.ones(2, 3), torch.ones(0, 3), "gallery is empty"),
        (torch.ones(2, 3), torch.ones(4, 5), "3 numbers, the gallery of 5"),
        (torch.ones(3), torch.ones(4, 3), r"probe descriptors of shape \(3,\)"),
        (torch.tensor([[1.0], [torch.nan]]), torch.ones(4, 1), "probe 1 has a descriptor that is not"),
        (torch.ones(1, 1), torch.tensor([[1.0], [1.0], [-torch.inf]]), "gallery item 2 has"),
        (torch.ones(1, 1), torch.tensor([[1e30]]), "gallery item 0 has .* beyond 1e.15"),
    ],
)  # fmt: skip
def test_what_cannot_be_searched(probes, gallery, said):
    with pytest.raises(DataError, match=said) as caught:
        search(probes, gallery, 2)
    assert "\n" not in str(caught.value)


def test_a_descriptor_that_is_not_finite_is_named_in_later_blocks_too():
    gallery = torch.ones(5000, 2)
    gallery[4711, 1] = torch.nan
    with pytest.raises(DataError, match="gallery item 4711 "):
        search(torch.ones(1, 2), gallery, 1)


def test_options():
    with pytest.raises(UnknownNameError, match="Did you mean 'faiss'"):
        search(torch.ones(1, 1), torch.ones(1, 1), 1, backend="fais")
    with pytest.raises(ConfigurationError, match="count=0"):
        search(torch.ones(1, 1), torch.ones(1, 1), 0)


def test_without_faiss(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(ConfigurationError, match="pip install faiss-cpu") as caught:
        search(torch.ones(1, 1), torch.ones(1, 1), 1, backend="faiss")
    assert "\n" not in str(caught.value)


class FlatIndex:
    """FAISS's interface; of equal ones the last comes first, which FAISS may do."""

    def __init__(self, columns):
        self.rows = np.empty((0, columns), np.float32)

    def add(self, rows):
        assert rows.dtype == np.float32
        assert rows.flags.c_contiguous
        self.rows = np.concatenate([self.rows, rows])

    def search(self, probes, count):
        products = probes @ self.rows.T
        order = np.argsort(-products[:, ::-1], axis=1, kind="stable")[:, :count]
        indices = len(self.rows) - 1 - order
        return np.take_along_axis(products, indices, 1), indices


def test_what_faiss_finds_is_put_in_order(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", SimpleNamespace(IndexFlatIP=FlatIndex))
    probes, gallery = whole_numbers(9, 3, 0), whole_numbers(50, 3, 1)
    for count in (50, 80):  # all, so that none is left out by the order of ties
        for found, wanted in zip(
            search(probes, gallery, count, backend="faiss"), search(probes, gallery, count), strict=True
        ):  # fmt: skip
            assert torch.equal(found, wanted)
            assert found.dtype == wanted.dtype


@pytest.mark.skipif(importlib.util.find_spec("faiss") is None, reason="faiss is not installed")
def test_faiss_agrees():
    probes, gallery = drawn(50, 20), drawn(2000, 20, 1)
    found, wanted = search(probes, gallery, 30, backend="faiss"), search(probes, gallery, 30)
    assert torch.equal(found[0], wanted[0])
    torch.testing.assert_close(found[1], wanted[1])


def test_normalised_as_torch_does():
    rows = torch.randn(20, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(normalised(rows), normalize(rows))
    torch.testing.assert_close(normalised(rows.double()), normalize(rows.double()))


@pytest.mark.parametrize("scale", [1e-42, 1e-30, 1e30])
def test_normalised_near_the_ends_of_the_range(scale):
    rows = torch.tensor([[3.0, -4.0]]) * scale
    torch.testing.assert_close(normalised(rows), torch.tensor([[0.6, -0.8]]), atol=1e-3, rtol=0)


def test_zero_stays_zero_and_what_is_not_finite_does_not_become_finite():
    rows = torch.tensor([[0.0, 0.0], [torch.inf, 1.0], [torch.nan, 1.0]])
    found = normalised(rows)
    assert torch.equal(found[0], torch.zeros(2))
    assert not found[1:].isfinite().all(1).any()
    assert normalised(torch.tensor([[0, 7]])).tolist() == [[0.0, 1.0]]


def test_mirrored_scores_are_the_mean_of_four():
    ours, ours_mirrored, theirs, theirs_mirrored = (
        3 * torch.randn(6, 9, generator=torch.Generator().manual_seed(seed)) for seed in range(4)
    )
    found = with_mirror_images(ours, ours_mirrored) @ with_mirror_images(theirs, theirs_mirrored).T
    pairs = [(a, b) for a in (ours, ours_mirrored) for b in (theirs, theirs_mirrored)]
    cosines = [torch.cosine_similarity(a[:, None], b[None], dim=2) for a, b in pairs]
    torch.testing.assert_close(found, torch.stack(cosines).mean(0))
    with pytest.raises(DataError, match=r"\(6, 9\) but \(5, 9\) of mirror images"):
        with_mirror_images(ours, ours_mirrored[:5])


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 2)), min_size=1, max_size=12))
def test_multi_shot_scores_are_means_over_all_pairs(names):
    labels, cameras = torch.tensor(names).T
    rows = whole_numbers(len(names), 3, len(names)).double()
    found = merged(rows, labels, cameras)
    places = sorted(set(names))
    assert [*zip(found.labels.tolist(), found.cameras.tolist(), strict=True)] == places
    for i, first in enumerate(places):
        for j, second in enumerate(places):
            ours = rows[[each == first for each in names]]
            theirs = rows[[each == second for each in names]]
            score = found.descriptors[i] @ found.descriptors[j]
            assert score == pytest.approx(float((ours @ theirs.T).mean()), abs=1e-9)


def test_merging_needs_names_for_all():
    with pytest.raises(DataError, match=r"3 descriptors but cameras \(2,\)"):
        merged(torch.ones(3, 1), torch.zeros(3), torch.zeros(2))
