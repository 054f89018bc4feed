"""One contract over every registered data set that can be loaded without a network."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pytest
import torch

from acclimate.data import datasets
from acclimate.data.domain import SparseStore
from acclimate.data.files import FileFinder
from acclimate.data.sets import blobs, digits, digits_m, moons
from acclimate.data.specs import has_test_split

GENERATED = (
    *("digits", "digits-m", "digits-m-skewed", "font-digits"),
    *("moons", "moons-rotated", "blobs", "blobs-imbalanced"),
)
#: the rarest class has this share of the mean at least; of seven tracks of a sign one is for testing
RAREST = {"gtsrb": 0.1, "blobs-imbalanced": 0.2, "digits-m-skewed": 0.15}
#: photos of any size are looked at small
PHOTO_SIDE = 48
CASES = [(n, s) for n, d in datasets.items() for s in d.splits]


def skip_unless_at_hand(name: str, split: str) -> None:
    if name in GENERATED:
        return
    if "ACCLIMATE_DATA" not in os.environ or not datasets.get(name).is_available(split):
        pytest.skip(f"{name} is not at hand; set ACCLIMATE_DATA")


@pytest.mark.parametrize(("name", "split"), CASES)
def test_contract(name, split, tmp_path_factory, monkeypatch):
    cache = tmp_path_factory.getbasetemp() / "shared-cache"
    monkeypatch.setenv("ACCLIMATE_CACHE", str(cache))
    skip_unless_at_hand(name, split)
    dataset = datasets.get(name)
    size = None if dataset.listing is None else PHOTO_SIDE
    domain = dataset.load(None, split, size=size, download=False)
    assert dataset.name == name
    assert domain.input_shape == ((3, size, size) if size else dataset.input_shape)
    assert len(domain) == dataset.counts.get(split, len(domain))
    everything = torch.arange(len(domain))
    inputs = domain.store.gather(everything)
    assert inputs.dtype == (torch.uint8 if domain.is_image else torch.float32)
    assert isinstance(domain.store, SparseStore) or domain.store.tensor.is_contiguous()
    names = domain.class_names if dataset.identities else dataset.class_names
    assert domain.class_names == names
    counts = domain.labels.bincount(minlength=len(names))
    assert counts.min() > RAREST.get(name, 0.3) * counts.float().mean()
    again = dataset.load(None, split, size=size, download=False)
    assert torch.equal(again.store.gather(everything), inputs)
    assert torch.equal(again.labels, domain.labels)
    assert len(pickle.loads(pickle.dumps(domain.subset(torch.arange(3))))) == 3


@pytest.mark.parametrize(("name", "dataset"), list(datasets.items()))
def test_facts_are_complete(name, dataset):
    assert dataset.description
    assert dataset.licence
    assert "\n" not in dataset.description
    # of most sets of people a seed draws who is trained on
    assert dataset.splits[0] == "train" or (dataset.identities and dataset.splits == ("all",))
    assert bool(dataset.class_names) == (dataset.identities is None)
    assert has_test_split(f"dataset:{name}") == ("test" in dataset.splits)
    assert dataset.whole_split in dataset.splits
    # what is scored where it was adapted to has no test items of its own
    assert not (dataset.transductive and "test" in dataset.splits)
    assert set(dataset.counts) <= set(dataset.splits)
    for remote in dataset.remote_files:
        assert remote.checksum.startswith(("md5:", "sha256:"))
        assert remote.split in (*dataset.splits, "all")


def test_no_digit_is_in_two_parts():
    parts = [digits.part(p).inputs for p in ("source", "target-train", "target-test")]
    assert [len(p) for p in parts] == [800, 600, 397]
    images = [image.tobytes() for part in parts for image in part]
    from sklearn.datasets import load_digits

    # scikit-learn's own images have no duplicates, so neither may the parts together
    assert len(np.unique(load_digits().data, axis=0)) == len(set(images)) == 1797


def test_enlarged_digits_keep_their_mean_grey():
    from sklearn.datasets import load_digits

    small = load_digits().images[:100]
    large = digits.enlarge(small)
    assert np.abs(large.mean((1, 2, 3)) - small.mean((1, 2)) * 255 / 16).max() < 6


def test_blend_is_the_difference_without_wrapping():
    digit = np.array([0, 10, 255], dtype=np.uint8).reshape(3, 1, 1, 1)
    photo = np.array([[[20, 0, 200]]], dtype=np.uint8)
    expected = [[20, 0, 200], [10, 10, 190], [235, 255, 55]]
    assert digits_m.blend(digit, [photo], seed=0).reshape(3, 3).tolist() == expected


def test_blend_uses_every_photo_and_all_of_it():
    photos = [
        np.arange(100, dtype=np.uint8).reshape(10, 10, 1).repeat(3, 2),
        np.full((9, 9, 3), 250),
    ]
    photos[1] = photos[1].astype(np.uint8)
    result = digits_m.blend(np.zeros((4000, 8, 8, 1), np.uint8), photos, seed=1)
    assert set(result[:, 0, 0, 0].tolist()) == {0, 1, 2, 10, 11, 12, 20, 21, 22, 250}


def test_blobs_move_and_change_their_shares():
    """The same classes about the same centres, every one moved by the same vector."""
    here = blobs.draw_blobs(40_000, blobs.BALANCED, 0.0, seed=4)
    there = blobs.draw_blobs(40_000, blobs.IMBALANCED, 1.2, seed=5)
    shares = np.bincount(there.labels) / len(there.labels)
    assert shares == pytest.approx(blobs.IMBALANCED, abs=1e-3)
    moves = [
        there.inputs[there.labels == k].mean(0) - here.inputs[here.labels == k].mean(0)
        for k in range(5)
    ]
    assert np.std(moves, axis=0).max() < 0.05
    assert np.linalg.norm(np.mean(moves, 0)) == pytest.approx(1.2 * 2**0.5, abs=0.05)
    assert here.inputs[here.labels == 0].std(0) == pytest.approx(np.ones(8), abs=0.05)


def test_skewed_digits_are_some_of_the_others():
    whole, some = digits_m.read(FileFinder(), "train"), digits_m.read_skewed(FileFinder(), "train")
    pictures = {picture.tobytes() for picture in whole.inputs}
    assert all(picture.tobytes() in pictures for picture in some.inputs)
    kept = np.bincount(some.labels) / np.bincount(whole.labels)
    assert kept == pytest.approx(digits_m.KEPT, abs=0.02)


def test_moons_rotation_can_be_undone():
    straight = moons.two_moons(300, 0.0, seed=5)
    turned = moons.two_moons(300, 35.0, seed=5)
    angle = np.deg2rad(35)
    back = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    assert np.allclose(turned.inputs @ back, straight.inputs, atol=1e-5)
    heights = straight.inputs[:, 1]
    assert heights[straight.labels == 1].mean() > heights[straight.labels == 0].mean()


def test_font_digits_can_be_told_apart():
    from sklearn.linear_model import LogisticRegression

    domain = datasets.get("font-digits").load()
    x = domain.store.tensor[:, ::2, ::2].reshape(len(domain), -1).numpy() / 255
    y = domain.labels.numpy()
    assert LogisticRegression(max_iter=200).fit(x[:1000], y[:1000]).score(x[1000:], y[1000:]) > 0.85
