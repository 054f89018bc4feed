"""The other MNIST targets against mnist-m's own pictures and scipy's dilation."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import grey_dilation

from acclimate.core.errors import DataError
from acclimate.data import datasets
from acclimate.data.sets.mnist_m import PHOTO_COUNTS, few_photos
from acclimate.data.sets.mnist_m_variants import dilate

RANDOM = np.random.default_rng(0)
STROKES = RANDOM.integers(0, 256, (12, 28, 28), dtype=np.uint8) * (
    RANDOM.random((12, 28, 28)) < 0.3
)
LABELS = np.arange(12) % 10
NAMES = ("mnist-m-binarised", "mnist-m-bgr", "mnist-max-background", "mnist-dilated")


def pictures(name: str, split: str = "train") -> np.ndarray:
    domain = datasets.get(name).load(None, split, download=False)
    assert domain.labels.tolist() == LABELS.tolist()
    return domain.store.tensor.numpy()


@pytest.fixture
def files(write_mnist, write_photos):
    write_mnist(STROKES, LABELS)
    write_photos()


@pytest.fixture
def patches(files, write_mnist, tmp_path, monkeypatch):
    """The train crops: mnist-m of black digits, built in a cache of its own."""
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("ACCLIMATE_CACHE", str(tmp_path / "other cache"))
        write_mnist(np.zeros_like(STROKES), LABELS)
        crops = pictures("mnist-m")
    write_mnist(STROKES, LABELS)
    return crops


def test_binarised_strokes_invert_the_photo(patches):
    stroke = (STROKES > 0)[..., None]
    assert np.array_equal(pictures("mnist-m-binarised"), np.where(stroke, 255 - patches, patches))


def test_binarised_test_digits_lie_on_train_photos_too(files, places):
    shutil.rmtree(places / "bsds500" / "test")
    assert pictures("mnist-m-binarised", "test").shape == (12, 28, 28, 3)
    with pytest.raises(DataError, match="mnist-m needs the BSDS500 photos"):
        pictures("mnist-m", "test")


def test_the_brighter_of_digit_and_photo(patches):
    assert np.array_equal(pictures("mnist-max-background"), np.maximum(STROKES[..., None], patches))


def test_blue_comes_first(files, places):
    shutil.rmtree(places / "bsds500" / "test")  # with the same photos the crops are the same
    assert np.array_equal(pictures("mnist-m-bgr"), pictures("mnist-m")[..., ::-1])


def test_bgr_takes_photos_of_every_part(files, places):
    for part, value in (("train", 10), ("val", 20), ("test", 30)):
        folder = places / "bsds500" / part
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        Image.new("RGB", (30, 30), (value,) * 3).save(folder / "0.jpg")
    black = STROKES == 0
    assert set(np.unique(pictures("mnist-m-bgr")[black])) == {10, 20, 30}
    (finding,) = [
        f
        for f in datasets.get("mnist-m-bgr").inspect()
        if "photos" in f.what and f.split == "train"
    ]
    assert (finding.what, finding.detail) == (
        "BSDS500 train and val and test photos",
        "3 of 500 photos",
    )


def test_dilation_is_scipys():
    digits = np.ascontiguousarray(STROKES[..., None])
    assert np.array_equal(dilate(digits), grey_dilation(digits, size=(1, 3, 3, 1)))


def test_dilated_digits_lie_on_black(write_mnist):
    one = np.zeros((12, 28, 28), dtype=np.uint8)
    one[:, 0, 5] = 200
    write_mnist(one, LABELS)
    wide = pictures("mnist-dilated", "test")[..., 0]
    assert (wide[:, :2, 4:7] == 200).all()
    assert (wide > 0).sum() == 12 * 6


@pytest.mark.parametrize("name", NAMES)
def test_without_files_each_says_what_it_needs(places, name):
    assert not datasets.get(name).is_available()
    with pytest.raises(DataError, match="mnist") as caught:
        pictures(name)
    assert str(places) in str(caught.value)


def test_other_digits_are_blended_anew(files, write_mnist):
    """A cache that was filled from a part of MNIST must not stay when the whole of it comes."""
    first = pictures("mnist-m")
    write_mnist(STROKES[::-1].copy(), LABELS)
    second = pictures("mnist-m")
    assert (first != second).any()
    folder = write_mnist(STROKES, LABELS)
    assert np.array_equal(pictures("mnist-m"), first)
    shutil.rmtree(folder)  # without them what was kept is good
    assert np.array_equal(pictures("mnist-m"), first)


def test_fewer_photos_than_bsds500_has_are_told(files, places, monkeypatch):
    loaded = datasets.get("mnist-m").load(None, "test", download=False)
    assert loaded.notes == ("behind its test pictures lie 3 of BSDS500's 200 test photos",)
    shutil.rmtree(places / "bsds500")  # also of what was kept
    assert datasets.get("mnist-m").load(None, "test", download=False).notes == loaded.notes
    monkeypatch.setitem(PHOTO_COUNTS, "train", 3)
    assert few_photos(("train",), 3, "train") == ()
