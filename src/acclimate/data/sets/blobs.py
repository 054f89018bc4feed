"""Blobs: five Gaussian classes, and the same moved and with other class shares."""

from __future__ import annotations

import numpy as np

from acclimate.data.files import FileFinder
from acclimate.data.registry import Arrays, Dataset, register

CLASS_NAMES = ("a", "b", "c", "d", "e")
FEATURES = 8
BALANCED = (0.2, 0.2, 0.2, 0.2, 0.2)
IMBALANCED = (0.45, 0.25, 0.15, 0.1, 0.05)
_SPREAD = 2.2  # of the classes' centres; each class has deviation 1
_MOVED = 1.2  # length of the move, the same for all classes


def draw_blobs(count: int, shares: tuple[float, ...], moved: float, seed: int) -> Arrays:
    """``count`` points float32 (count, 8) and int64 labels, as many of each class as ``shares`` say."""
    # the classes and the direction of the move are the same for every draw
    fixed = np.random.RandomState(0)
    centres = _SPREAD * fixed.standard_normal((len(shares), FEATURES)) / np.sqrt(2)
    direction = fixed.standard_normal(FEATURES)
    random = np.random.RandomState(seed)
    bounds = np.round(np.cumsum(shares) * count).astype(np.int64)
    labels = random.permutation(np.searchsorted(bounds, np.arange(count), side="right"))
    points = centres[labels] + random.standard_normal((count, FEATURES))
    points += moved * direction / np.linalg.norm(direction) * np.sqrt(2)
    return Arrays(points.astype(np.float32), labels.astype(np.int64))


def read_source(_finder: FileFinder, _split: str) -> Arrays:
    """600 points, as many of each class."""
    return draw_blobs(600, BALANCED, 0.0, seed=1)


def read_target(_finder: FileFinder, split: str) -> Arrays:
    """600 moved points to adapt to, 1,000 to evaluate on; nearly half of them of one class."""
    count, seed = (600, 2) if split == "train" else (1000, 3)
    return draw_blobs(count, IMBALANCED, _MOVED, seed)


BLOBS = register(
    Dataset(
        name="blobs",
        description="five Gaussian classes, vectors of 8",
        licence="generated",
        class_names=CLASS_NAMES,
        input_shape=(FEATURES,),
        splits=("train",),
        read=read_source,
    )
)
BLOBS_IMBALANCED = register(
    Dataset(
        name="blobs-imbalanced",
        description="the same classes moved, nearly half of the points of one class",
        licence="generated",
        class_names=CLASS_NAMES,
        input_shape=(FEATURES,),
        splits=("train", "test"),
        read=read_target,
    )
)
