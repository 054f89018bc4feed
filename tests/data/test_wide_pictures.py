"""Pictures that are not square: decoded, kept in the cache, read from memory and from disk."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from acclimate.core.errors import ConfigurationError
from acclimate.data import picture_cache
from acclimate.data.decoded_pictures import MemoryMappedStore, Recipe, read_header
from acclimate.data.file_store import FileStore, open_listing
from acclimate.data.folders import list_plain
from acclimate.data.images import DECODER_VERSION, check_options, decode, dimensions
from acclimate.data.picture_cache import PictureCache


@pytest.fixture
def photos(tmp_path):
    root = tmp_path / "photos"
    root.mkdir()
    random = np.random.default_rng(0)
    for number in range(5):
        pixels = random.integers(0, 256, (30, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"{number}.png")
    return root


@pytest.mark.parametrize("channels", [1, 3])
def test_both_sides_are_scaled_as_pillow_scales_them(photos, channels):
    with Image.open(photos / "0.png") as image:
        plain = image.convert("L" if channels == 1 else "RGB")
        expected = np.asarray(plain.resize((6, 16), Image.Resampling.BILINEAR))
    got = decode(photos / "0.png", 16, channels, "squash", 6)
    assert got.shape == (16, 6, channels)
    assert np.array_equal(got, expected.reshape(16, 6, channels))


def test_a_large_jpeg_is_never_read_smaller_than_it_becomes(tmp_path):
    """The decoder's short cut to fewer pixels must look at both sides."""
    columns = np.tile(np.array([0, 255], np.uint8).repeat(4), (1600, 200))  # 1600×1600, stripes
    Image.fromarray(columns).save(tmp_path / "stripes.jpg", quality=95)
    wide = decode(tmp_path / "stripes.jpg", 8, 1, "squash", 800)
    assert wide[..., 0].std() > 80  # at an eighth of the width they would be grey


@given(size=st.integers(1, 40), width=st.one_of(st.none(), st.integers(1, 40)))
@settings(max_examples=40, deadline=None)
def test_recipes_of_one_shape_are_one(size, width):
    recipe = Recipe(size, 3, "squash", width)
    assert recipe.shape == (size, width or size, 3)
    assert recipe.item_bytes == np.zeros(recipe.shape, np.uint8).nbytes
    assert Recipe(**recipe.facts) == recipe
    square = Recipe(size, 3)
    assert (recipe == square) == (recipe.text == square.text) == (width in (None, size))
    # entries that were made before there were widths are found again
    assert square.text == f"{size} 3 squash {DECODER_VERSION}"


def test_height_and_width_are_not_mixed_up():
    assert len({Recipe(h, 3, "squash", w).text for h in (4, 8, 44) for w in (4, 8, 44)}) == 9


def test_a_crop_is_square(photos):
    for call in (
        lambda: decode(photos / "0.png", 8, 3, "crop", 4),
        lambda: Recipe(8, 3, "crop", 8),
        lambda: open_listing(list_plain(photos), size=8, width=4, channels=3, fit="crop"),
    ):
        with pytest.raises(ConfigurationError, match="--fit crop makes squares and --width"):
            call()
    with pytest.raises(ConfigurationError, match="width 0 is not positive"):
        Recipe(8, 3, "squash", 0)
    check_options(8, 3)


@pytest.mark.parametrize("resident_limit", [0, 1 << 30])
def test_the_cache_keeps_them(photos, tmp_path, monkeypatch, resident_limit):
    monkeypatch.setattr(picture_cache, "WORTHWHILE", 1)
    cache = PictureCache(tmp_path / "cache", 1 << 30)
    shape = {"size": 16, "width": 6, "channels": 3}
    fresh = open_listing(list_plain(photos), **shape)
    for _ in range(2):
        kept = open_listing(list_plain(photos), **shape, cache=cache, resident_limit=resident_limit)
        assert kept.store.shape == (5, 16, 6, 3)
        assert kept.input_shape == (3, 16, 6)
        assert torch.equal(kept.store.gather(torch.arange(5)), fresh.store.tensor)
        assert isinstance(kept.store, MemoryMappedStore) == (resident_limit == 0)
    (entry,) = cache.entries()
    assert entry.pictures.recipe == Recipe(16, 3, "squash", 6)
    # the same pictures turned by a quarter are others, and so are squares
    open_listing(list_plain(photos), size=6, width=16, channels=3, cache=cache)
    open_listing(list_plain(photos), size=16, channels=3, cache=cache)
    assert len(cache.entries()) == 3


def test_a_header_without_a_width_is_a_squares(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(picture_cache, "WORTHWHILE", 1)
    cache = PictureCache(tmp_path / "cache", 1 << 30)
    open_listing(list_plain(photos), size=8, channels=3, cache=cache)
    (path,) = (tmp_path / "cache").glob("*.pictures")
    assert b"width" not in path.read_bytes()
    assert read_header(path).recipe == Recipe(8, 3)


def test_decoded_on_demand(photos):
    domain = open_listing(list_plain(photos), size=16, width=6, channels=3, resident_limit=0)
    assert isinstance(domain.store, FileStore)
    store = pickle.loads(pickle.dumps(domain.store))
    expected = [decode(photos / f"{k}.png", 16, 3, "squash", 6) for k in (3, 1)]
    assert np.array_equal(store.gather(torch.tensor([3, 1])), np.stack(expected))


def test_dimensions_are_those_that_are_shown(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    Image.new("RGB", (9, 4)).save(tmp_path / "lying.jpg", exif=exif)
    Image.new("RGB", (9, 4)).save(tmp_path / "standing.jpg")
    assert dimensions(tmp_path / "lying.jpg") == (4, 9)
    assert dimensions(tmp_path / "standing.jpg") == (9, 4)
