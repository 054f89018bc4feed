"""The other MNIST targets that published systems and a paper's first version adapt to.

They look like ``mnist-m`` and are easier or harder than it, so that figures measured on one must
not be compared with another's. Each is made once from a seed and kept, like ``mnist-m``.
"""

from __future__ import annotations

import numpy as np

from acclimate.data.files import FileFinder
from acclimate.data.registry import DIGIT_NAMES, Arrays, Dataset, register
from acclimate.data.sets import mnist
from acclimate.data.sets.mnist_m import Recipe, register_recipe


def binarise(digits: np.ndarray) -> np.ndarray:
    """uint8, every pixel that is not black becomes white: bolder strokes without soft edges."""
    return np.where(digits > 0, np.uint8(255), np.uint8(0))


def dilate(digits: np.ndarray) -> np.ndarray:
    """uint8 (N, height, width, 1), each pixel the brightest of its 3×3 neighbourhood."""
    import cv2

    kernel = np.ones((3, 3), dtype=np.uint8)
    return np.stack([cv2.dilate(digit, kernel) for digit in digits[..., 0]])[..., None]


def read_dilated(finder: FileFinder, split: str) -> Arrays:
    """(N, 28, 28, 1) uint8 and (N,) int64."""
    images, labels = mnist.read(finder, split)[:2]
    return Arrays(dilate(images), labels)


MNIST_M_BINARISED = register_recipe(
    Recipe(name="mnist-m-binarised", test=("train",), digits=binarise),
    "binarised MNIST digits on BSDS500's train photos, colour, 28×28 (tf-dann's MNIST-M)",
)
MNIST_M_BGR = register_recipe(
    Recipe(
        name="mnist-m-bgr",
        train=("train", "val", "test"),
        test=("train", "val", "test"),
        blue_first=True,
    ),
    "MNIST digits on all BSDS500 photos, blue before red, 28×28, drawn once",
)
MNIST_MAX_BACKGROUND = register_recipe(
    Recipe(name="mnist-max-background", combine=np.maximum),
    "MNIST digits on BSDS500 photos, the brighter of the two, colour, 28×28",
)
MNIST_DILATED = register(
    Dataset(
        name="mnist-dilated",
        description="MNIST digits with strokes dilated by 3×3, on black, grey, 28×28",
        licence="CC BY-SA 3.0",
        class_names=DIGIT_NAMES,
        input_shape=(1, 28, 28),
        splits=("train", "test"),
        read=read_dilated,
        remote_files=mnist.MNIST.remote_files,
    )
)
