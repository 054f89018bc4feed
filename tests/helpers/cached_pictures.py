"""Small folders of pictures, opened through a cache."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from acclimate.data.file_store import open_listing
from acclimate.data.folders import list_class_folders

SIZE = 8
ITEM = SIZE * SIZE * 3


def write_noise(root, *names, seed=0):
    random = np.random.default_rng(seed)
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (10, 14, 3), dtype=np.uint8)).save(root / name)
    return root


def opened(root, cache, listed=list_class_folders, **options):
    return open_listing(listed(root), **{"size": SIZE, "channels": 3, "cache": cache} | options)


def all_of(domain):
    return domain.store.gather(torch.arange(len(domain)))


def keys(cache):
    return {entry.key for entry in cache.entries()}


def entry_of(cache):
    (path,) = cache.folder.glob("*.pictures")
    return path
