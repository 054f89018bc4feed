"""The two loaders that are compared do the same work."""

import numpy as np
import pytest
import torch
from PIL import Image

from acclimate.core.errors import ConfigurationError
from acclimate.data.picture_cache import PictureCache
from acclimate.experiments.bench_pictures import _ours, _plain, bench_pictures


@pytest.fixture
def photos(tmp_path):
    draws = np.random.default_rng(0)
    for index in range(12):
        path = tmp_path / "photos" / "ab"[index % 2] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = draws.integers(0, 256, (240, 300, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    return tmp_path / "photos"


def test_batches_of_both_are_alike(photos, tmp_path):
    count, ours = _ours(photos, PictureCache(tmp_path / "cache", 1 << 30), 4, 100)
    other, plain = _plain(photos, 4, 0)
    assert count == other == 12
    first, second = torch.cat(list(ours(0))), torch.cat(list(plain(0)))
    assert first.shape == second.shape == (12, 3, 224, 224)
    assert first.dtype == second.dtype
    assert first.mean() == pytest.approx(float(second.mean()), abs=0.02)
    assert first.std() == pytest.approx(float(second.std()), abs=0.02)
    assert not torch.equal(first, torch.cat(list(ours(1))))


def test_figures_of_every_round_and_epoch(photos):
    said = []
    found = bench_pictures(
        photos, rounds=2, epochs=2, batch_size=4, workers=0, memory_mib=0, said=said.append
    )
    assert [len(rates) for rates in (*found.ours, *found.theirs)] == [2, 2, 2, 2]
    assert found.ratio > 0
    assert len(found.second_start) == len(said) == 2
    assert 0 <= found.memory_mib < 2000
    with pytest.raises(ConfigurationError, match="--epochs 1"):
        bench_pictures(photos, rounds=1, epochs=1, batch_size=4, workers=0, memory_mib=1)
