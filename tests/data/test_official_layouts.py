"""Loaders on tiny files in each official layout, and on damaged ones."""

from __future__ import annotations

import gzip
import tarfile

import numpy as np
import pytest
import torch
from scipy.io import savemat

from acclimate.core.errors import ConfigurationError, DataError, UnknownNameError
from acclimate.data import datasets
from acclimate.data.check import check_dataset
from acclimate.data.domain import SparseStore
from acclimate.data.sources import open_source
from acclimate.training.settings import make_settings
from acclimate.training.task import open_task

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (12, 28, 28), dtype=np.uint8)
COLOUR = RANDOM.integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)
LABELS = np.arange(12) % 10


def load(name: str, split: str = "train"):
    return datasets.get(name).load(None, split, download=False)


@pytest.mark.parametrize("packed", [True, False])
def test_mnist_is_read_packed_and_unpacked(write_mnist, packed):
    write_mnist(GREY, LABELS, packed=packed)
    domain = load("mnist", "test")
    assert torch.equal(domain.store.tensor[..., 0], torch.from_numpy(GREY))
    assert domain.labels.tolist() == LABELS.tolist()


@pytest.mark.parametrize("keep", [0, 3, 10, 500])
@pytest.mark.parametrize("packed", [True, False])
def test_truncated_idx_is_one_line(write_mnist, keep, packed):
    folder = write_mnist(GREY, LABELS, packed=packed)
    path = folder / f"train-images-idx3-ubyte{'.gz' if packed else ''}"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match="train-images") as caught:
        load("mnist")
    assert "\n" not in str(caught.value)
    assert "fetch it again" in str(caught.value)


def test_bad_magic_number(write_mnist):
    folder = write_mnist(GREY, LABELS)
    path = folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(b"\0\0\x0d\x03" + bytes(40)))
    with pytest.raises(DataError, match="00 00 0d 03 instead of 00 00 08 03"):
        load("mnist")


def test_labels_where_images_should_be(write_mnist):
    folder = write_mnist(GREY, LABELS)
    (folder / "train-labels-idx1-ubyte.gz").replace(folder / "train-images-idx3-ubyte.gz")
    (folder / "train-labels-idx1-ubyte").write_bytes(b"")
    with pytest.raises(DataError, match="not an idx file of 3 axes"):
        load("mnist")


def test_label_out_of_range_names_the_item(write_mnist):
    write_mnist(GREY, np.where(np.arange(12) == 7, 11, LABELS))
    with pytest.raises(DataError, match="label 11 of item 7 is out of range"):
        load("mnist")


def test_images_and_labels_of_different_number(write_mnist):
    write_mnist(GREY, LABELS[:5])
    with pytest.raises(DataError, match="12 images for 5 labels"):
        load("mnist")


def test_svhn_maps_ten_to_zero_and_puts_items_first(write_svhn):
    write_svhn(COLOUR.transpose(1, 2, 3, 0), np.where(LABELS == 0, 10, LABELS))
    domain = load("svhn")
    assert torch.equal(domain.store.tensor, torch.from_numpy(COLOUR))
    assert domain.labels.tolist() == LABELS.tolist()


def test_svhn_truncated_wrong_and_out_of_range(write_svhn):
    path = write_svhn(COLOUR.transpose(1, 2, 3, 0), np.full(12, 11))
    with pytest.raises(DataError, match="label 11 of item 0"):
        load("svhn")
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(DataError, match=r"truncated or no \.mat"):
        load("svhn")
    write_svhn(COLOUR, np.ones(12))
    with pytest.raises(DataError, match="format 2"):
        load("svhn")


def test_a_target_tested_on_a_subset_says_so(write_svhn, places):
    """The whole of SVHN to adapt to and 12 items of a subset to measure on are not SVHN."""
    images = np.tile(COLOUR, (3, 1, 1, 1)).transpose(1, 2, 3, 0)
    whole = write_svhn(images, np.tile(LABELS, 3) + 1)
    subset = places / "svhn_subset" / "test_32x32.mat"
    subset.parent.mkdir()
    savemat(subset, {"X": images[..., :12], "y": LABELS[:, None] + 1})
    task = open_task(make_settings(source="svhn", target="svhn"))
    assert [summary.name for summary in task.summaries] == ["svhn", "svhn (test: svhn_subset)"]
    subset.rename(whole.with_name("test_32x32.mat"))
    assert open_task(make_settings(source="svhn", target="svhn")).summaries[1].name == "svhn"


@pytest.fixture
def write_syn_digits(places):
    """Write ``syn_digits/synth_train_32x32.mat`` in SVHN's layout."""

    def write(labels):
        path = places / "syn_digits" / "synth_train_32x32.mat"
        path.parent.mkdir(exist_ok=True)
        savemat(path, {"X": COLOUR.transpose(1, 2, 3, 0), "y": np.asarray(labels).reshape(-1, 1)})
        return path

    return write


def test_official_syn_digits_takes_digits_and_ten_for_zero(write_syn_digits):
    for labels in (LABELS, np.where(LABELS == 0, 10, LABELS)):
        write_syn_digits(labels.astype(np.uint8))
        domain = load("syn-digits-official")
        assert torch.equal(domain.store.tensor, torch.from_numpy(COLOUR))
        assert domain.labels.tolist() == LABELS.tolist()
    write_syn_digits(np.full(12, 11))
    with pytest.raises(DataError, match="label 11 of item 0"):
        load("syn-digits-official")


def test_official_syn_digits_says_which_file_to_put_where(write_syn_digits, places):
    dataset = datasets.get("syn-digits-official")
    for split in dataset.splits:
        path = places / "syn_digits" / f"synth_{split}_32x32.mat"
        with pytest.raises(DataError, match=str(path)) as caught:
            dataset.load(split=split)  # even where downloads are allowed
        assert "\n" not in str(caught.value)
        assert not dataset.is_available(split)
    write_syn_digits(LABELS)
    assert dataset.is_available("train")
    assert [finding.status for finding in dataset.inspect()] == ["ok", "missing"]


def usps_line(label: int, value: float) -> str:
    return f"{label} " + " ".join(f"{i}:{value}" for i in range(1, 257)) + " \n"


def test_usps_scales_to_bytes_and_shifts_labels(write_usps):
    write_usps(usps_line(1, -1.0) + usps_line(10, 1.0) + usps_line(4, 0.0))
    domain = load("usps")
    assert domain.labels.tolist() == [0, 9, 3]
    assert domain.store.tensor.amax((1, 2, 3)).tolist() == [0, 255, 128]
    assert domain.input_shape == (1, 16, 16)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (usps_line(11, 0.0), "label 11 of item 0"),
        ("3 1:0.5 2:x\n", "line 1 is damaged"),
        ("3 300:0.5\n", "outside 1 … 256"),
        (usps_line(3, 2.0), "outside -1 … 1"),
        ("", "0 images"),
        (usps_line(3, 0.5) + "  \n", "line 2 is damaged"),
    ],
)
def test_usps_damaged(write_usps, text, message):
    write_usps(text)
    with pytest.raises(DataError, match=message):
        load("usps")


def test_usps_truncated(write_usps):
    path = write_usps(usps_line(3, 0.5))
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(DataError, match="truncated"):
        load("usps")


@pytest.fixture
def write_reviews(places):
    """Write ``amazon_reviews/dvd_SPLIT.svmlight`` from text, plain or packed."""

    def write(text, split="train", packed=False):
        name = f"dvd_{split}.svmlight{'.gz' if packed else ''}"
        path = places / "amazon_reviews" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
        return path

    return write


@pytest.mark.parametrize("packed", [True, False])
def test_reviews_are_sparse_and_of_one_width(write_reviews, packed):
    write_reviews("1 0:6 7:2\n-1 4999:1\n-1 3:1\n", packed=packed)
    write_reviews("-1 2:5\n1 0:1\n", "test", packed)
    train, test = load("amazon-dvd"), load("amazon-dvd", "test")
    assert isinstance(train.store, SparseStore)
    assert train.store.shape == (3, 5000)
    assert test.store.shape == (2, 5000)
    rows = train.store.gather(torch.arange(3))
    assert rows.nonzero().tolist() == [[0, 0], [0, 7], [1, 4999], [2, 3]]
    assert rows[0, :8].tolist() == [6, 0, 0, 0, 0, 0, 0, 2]
    assert [train.class_names[label] for label in train.labels] == [
        "positive",
        "negative",
        "negative",
    ]
    assert test.labels.tolist() == [0, 1]
    assert not datasets.get("amazon-books").is_available()


def test_reviews_are_opened_by_name(write_reviews):
    write_reviews("1 0:6 7:2\n-1 4999:1\n")
    assert isinstance(open_source("amazon-dvd").store, SparseStore)
    with pytest.raises(ConfigurationError, match="vectors of 5000 features, not pictures"):
        open_source("amazon-dvd", size=32)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 5000:1\n", "features up to 5000"),
        ("1 2:1\n0 3:1\n", "label 0 of row 1"),
        ("1 2:x\n", "no svmlight file"),
        ("", "empty"),
    ],
)
def test_damaged_reviews(write_reviews, text, message):
    write_reviews(text)
    with pytest.raises(DataError, match=message) as caught:
        load("amazon-dvd")
    assert "\n" not in str(caught.value)


def test_truncated_reviews(write_reviews):
    path = write_reviews("1 0:6 7:2\n-1 4999:1\n" * 50, packed=True)
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(DataError, match="truncated"):
        load("amazon-dvd")


def test_official_mnist_m_from_archive_and_from_its_folder(write_mnist_m_archive, places):
    path = write_mnist_m_archive(COLOUR, [str(k) for k in LABELS])
    packed = load("mnist-m-official")
    assert torch.equal(packed.store.tensor, torch.from_numpy(COLOUR))
    assert packed.labels.tolist() == LABELS.tolist()
    with tarfile.open(path) as archive:
        archive.extractall(places, filter="data")
    path.unlink()
    unpacked = load("mnist-m-official", "test")
    assert torch.equal(unpacked.store.tensor, packed.store.tensor)


def test_official_mnist_m_at_hand_by_split(write_mnist_m_archive, places):
    dataset = datasets.get("mnist-m-official")
    assert not dataset.is_available("test")
    path = write_mnist_m_archive(COLOUR, [str(k) for k in LABELS])
    assert dataset.is_available("train")
    assert dataset.is_available("test")
    with tarfile.open(path) as archive:
        archive.extractall(places, filter="data")
    path.unlink()
    assert dataset.is_available("test")
    assert {finding.what for finding in dataset.inspect()} == {
        "unpacked train images",
        "unpacked test images",
    }
    (places / "mnist_m" / "mnist_m_test_labels.txt").unlink()
    assert dataset.is_available("train")
    assert not dataset.is_available("test")
    with pytest.raises(DataError, match=r"mnist_m\.tar\.gz is in none of"):
        load("mnist-m-official", "test")
    assert len(load("mnist-m-official")) == len(LABELS)


def test_official_mnist_m_truncated_bad_label_and_missing_image(write_mnist_m_archive):
    path = write_mnist_m_archive(COLOUR, ["5"] * 13)
    with pytest.raises(DataError, match=r"1 of 13 listed train images are missing.*00000012\.png"):
        load("mnist-m-official")
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(DataError, match="truncated or damaged"):
        load("mnist-m-official")
    write_mnist_m_archive(COLOUR, ["5"] * 11 + ["12"])
    with pytest.raises(DataError, match="line 12 of the labels"):
        load("mnist-m-official")


def test_built_mnist_m_is_the_recipe_and_is_kept(write_mnist, write_photos, places, monkeypatch):
    write_mnist(np.zeros_like(GREY), LABELS)
    write_photos()
    domain = load("mnist-m")
    # |0 − patch| is the patch: every item must be found in one of the photos
    from PIL import Image

    photos = [np.asarray(Image.open(p)) for p in sorted((places / "bsds500/train").glob("*.jpg"))]
    windows = [
        np.lib.stride_tricks.sliding_window_view(p, (28, 28), axis=(0, 1)).transpose(0, 1, 3, 4, 2)
        for p in photos
    ]
    for item in domain.store.tensor.numpy():
        assert any((w == item).all(axis=(2, 3, 4)).any() for w in windows)
    monkeypatch.setattr("acclimate.data.sets.mnist.read", None)  # a second build would fail
    assert torch.equal(load("mnist-m").store.tensor, domain.store.tensor)


def test_built_mnist_m_follows_its_photos_and_survives_a_damaged_cache(
    write_mnist, write_photos, tmp_path
):
    write_mnist(GREY, LABELS)
    write_photos(3)
    first = load("mnist-m").store.tensor
    write_photos(4)
    second = load("mnist-m").store.tensor
    assert not torch.equal(first, second)
    kept = tmp_path / "cache" / "mnist-m" / "seed0-train.npz"
    kept.write_bytes(kept.read_bytes()[:1000])
    assert torch.equal(load("mnist-m").store.tensor, second)


def test_mnist_m_without_photos_says_what_to_put_where(write_mnist, places):
    write_mnist(GREY, LABELS)
    with pytest.raises(DataError, match=str(places / "bsds500" / "train")):
        load("mnist-m")


@pytest.mark.parametrize("name", ["mnist", "svhn", "usps", "mnist-m-official", "amazon-kitchen"])
def test_missing_files_say_where_they_come_from(places, name):
    with pytest.raises(DataError, match="http") as caught:
        load(name)
    assert str(places) in str(caught.value)
    assert not datasets.get(name).is_available()


def test_unknown_split_and_wrong_data_folder(places, monkeypatch):
    with pytest.raises(UnknownNameError, match="Did you mean 'test'"):
        open_source("mnist", split="tset")
    monkeypatch.setenv("ACCLIMATE_DATA", str(places / "nowhere"))
    with pytest.raises(DataError, match="ACCLIMATE_DATA names"):
        load("mnist")


def test_check_tells_different_missing_and_damaged(write_mnist):
    folder = write_mnist(GREY, LABELS)
    findings = check_dataset("mnist")
    assert {f.status for f in findings if f.what.endswith(".gz")} == {"different"}
    assert any("12 items; 0: 2, 1: 2, 2: 1" in f.detail for f in findings)
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    (folder / "train-images-idx3-ubyte.gz").write_bytes(b"\x1f\x8bnonsense")
    by_what = {f.what: f.status for f in check_dataset("mnist")}
    assert by_what["t10k-labels-idx1-ubyte.gz"] == "missing"
    assert by_what["train split"] == "damaged"
    assert "test split" not in by_what
