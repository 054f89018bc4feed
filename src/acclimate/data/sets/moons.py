"""Two moons and the same moons turned by 35° (Ganin et al., JMLR 2016, section 5.1.1)."""

from __future__ import annotations

import numpy as np

from acclimate.data.files import FileFinder
from acclimate.data.registry import Arrays, Dataset, register

DEGREES = 35.0
CLASS_NAMES = ("lower", "upper")
_NOISE = 0.05


def two_moons(count: int, degrees: float, seed: int) -> Arrays:
    """``count`` points float32 (count, 2), turned about their common centre, and int64 labels."""
    from sklearn.datasets import make_moons

    points, upper = make_moons(count, noise=_NOISE, random_state=seed)
    # the centre of the noiseless figure, so that every sample is turned about the same point
    centred = points - np.array([0.5, 0.25])
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    # scikit-learn gives the upper moon label 0
    return Arrays((centred @ turn).astype(np.float32), 1 - upper.astype(np.int64))


def read_source(_finder: FileFinder, _split: str) -> Arrays:
    """2 × 150 points, as in the paper."""
    return two_moons(300, 0.0, seed=0)


def read_target(_finder: FileFinder, split: str) -> Arrays:
    """2 × 150 other points to adapt to, 2 × 500 to evaluate on."""
    return two_moons(300, DEGREES, seed=1) if split == "train" else two_moons(1000, DEGREES, seed=2)


MOONS = register(
    Dataset(
        name="moons",
        description="two moons, vectors of 2",
        licence="generated",
        class_names=CLASS_NAMES,
        input_shape=(2,),
        splits=("train",),
        read=read_source,
    )
)
MOONS_ROTATED = register(
    Dataset(
        name="moons-rotated",
        description="two moons turned by 35°, vectors of 2",
        licence="generated",
        class_names=CLASS_NAMES,
        input_shape=(2,),
        splits=("train", "test"),
        read=read_target,
    )
)
