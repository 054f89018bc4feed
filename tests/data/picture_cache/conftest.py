"""A cache of its own for each test, and pictures to keep in it."""

from __future__ import annotations

import pytest
from cached_pictures import write_noise

from acclimate.data import picture_cache
from acclimate.data.images import decode
from acclimate.data.picture_cache import PictureCache


@pytest.fixture(autouse=True)
def _small_folders_count(monkeypatch):
    monkeypatch.setattr(picture_cache, "WORTHWHILE", 1)


@pytest.fixture
def cache(tmp_path):
    return PictureCache(tmp_path / "cache", 1 << 30)


@pytest.fixture
def decoded(monkeypatch):
    """The pictures that were decoded into a cache since."""
    seen = []

    def spy(picture, *options):
        seen.append(picture)
        return decode(picture, *options)

    monkeypatch.setattr(picture_cache, "decode", spy)
    return seen


@pytest.fixture
def photos(tmp_path):
    return write_noise(tmp_path / "photos", "cat/1.png", "cat/2.png", "cat/10.png", "dog/1.png")
