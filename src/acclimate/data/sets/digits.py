"""Handwritten digits that ship inside scikit-learn, scaled to 28×28.

The 1,797 digits are dealt, once and for all, to three disjoint parts: the source ``digits``, and
the train and test splits of ``digits-m``. No image is in both domains of the pair.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from acclimate.data.files import FileFinder
from acclimate.data.registry import DIGIT_NAMES, Arrays, Dataset, register

SIZE = 28
SOURCE_COUNT, TARGET_TRAIN_COUNT = 800, 600
_DEAL_SEED = 35


def part(name: str) -> Arrays:
    """Images and labels of ``"source"``, ``"target-train"`` or ``"target-test"``.

    (N, 28, 28, 1) uint8 and (N,) int64.
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    chosen = _deal(len(bunch.target))[name]
    return Arrays(enlarge(bunch.images[chosen]), bunch.target[chosen].astype(np.int64))


def _deal(count: int) -> dict[str, np.ndarray]:
    # RandomState's stream is frozen for good, so the deal outlives changes of numpy
    order = np.random.RandomState(_DEAL_SEED).permutation(count)
    source, train, test = np.split(order, [SOURCE_COUNT, SOURCE_COUNT + TARGET_TRAIN_COUNT])
    return {"source": source, "target-train": train, "target-test": test}


def enlarge(images: np.ndarray) -> np.ndarray:
    """Scale (N, 8, 8) values in 0 … 16 smoothly to uint8 (N, 28, 28, 1) in 0 … 255."""
    grey = np.round(images * (255 / 16)).astype(np.uint8)
    large = [
        np.asarray(Image.fromarray(g).resize((SIZE, SIZE), Image.Resampling.BICUBIC)) for g in grey
    ]
    return np.stack(large)[..., None]


def read(_finder: FileFinder, _split: str) -> Arrays:
    """The source part; needs no file."""
    return part("source")


DIGITS = register(
    Dataset(
        name="digits",
        description="handwritten digits of scikit-learn, grey, scaled from 8×8 to 28×28",
        licence="CC BY 4.0 (UCI Optical Recognition of Handwritten Digits)",
        class_names=DIGIT_NAMES,
        input_shape=(1, SIZE, SIZE),
        splits=("train",),
        read=read,
    )
)
