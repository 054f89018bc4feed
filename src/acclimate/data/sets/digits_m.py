"""digits-m: the MNIST-M recipe on other digits of scikit-learn's set and its two photos.

Train digits lie on crops of one photo and test digits on crops of the other, so that a method
is evaluated on backgrounds it has never seen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from acclimate.data.files import FileFinder
from acclimate.data.registry import DIGIT_NAMES, Arrays, Dataset, register
from acclimate.data.sets import digits

PHOTOS = {"train": "china.jpg", "test": "flower.jpg"}
_SEEDS = {"train": 1, "test": 2}


def difference(digits: np.ndarray, patches: np.ndarray) -> np.ndarray:
    """abs(digit - patch) per pixel and channel, of two uint8 without leaving uint8."""
    apart: np.ndarray = np.maximum(digits, patches) - np.minimum(digits, patches)
    return apart


def blend(
    images: np.ndarray,
    photos: Sequence[np.ndarray],
    seed: int,
    combine: Callable[[np.ndarray, np.ndarray], np.ndarray] = difference,
) -> np.ndarray:
    """The MNIST-M recipe, abs(digit - patch) per pixel and channel (Ganin et al., JMLR 2016).

    ``images``: uint8 (N, size, size, 1). ``photos``: uint8 (height, width, 3) each, at least as
    large as an image. Each image gets a random crop of a random photo; ``combine`` makes one of
    the two. Returns uint8 (N, size, size, 3).
    """
    random = np.random.RandomState(seed)
    size = images.shape[1]
    choice = random.randint(len(photos), size=len(images))
    position = random.random_sample((len(images), 2))
    result = np.empty((*images.shape[:3], 3), dtype=np.uint8)
    for index, photo in enumerate(photos):
        here = np.flatnonzero(choice == index)
        windows = np.lib.stride_tricks.sliding_window_view(photo, (size, size), axis=(0, 1))
        rows, columns = (position[here] * windows.shape[:2]).astype(np.int64).T
        patches = windows[rows, columns].transpose(0, 2, 3, 1)
        result[here] = combine(images[here], patches)
    return result


def read(_finder: FileFinder, split: str) -> Arrays:
    """(N, 28, 28, 3) uint8 and (N,) int64; needs no file."""
    from sklearn.datasets import load_sample_image

    arrays = digits.part(f"target-{split}")
    photo = load_sample_image(PHOTOS[split])
    return Arrays(blend(arrays.inputs, [photo], _SEEDS[split]), arrays.labels)


DIGITS_M = register(
    Dataset(
        name="digits-m",
        description="other digits of scikit-learn's set on crops of photos, colour, 28×28",
        licence="CC BY 4.0 (digits), CC BY 2.0 (photos)",
        class_names=DIGIT_NAMES,
        input_shape=(3, digits.SIZE, digits.SIZE),
        splits=("train", "test"),
        read=read,
    )
)


#: share of each digit's pictures that ``digits-m-skewed`` keeps: 0 and 1 are common, 8 and 9 rare
KEPT = (1.0, 1.0, 0.6, 0.5, 0.4, 0.3, 0.2, 0.15, 0.1, 0.1)


def read_skewed(finder: FileFinder, split: str) -> Arrays:
    """The pictures of ``digits-m``, of most digits only some; needs no file."""
    whole = read(finder, split)
    chosen = []
    for digit, share in enumerate(KEPT):
        members = np.flatnonzero(whole.labels == digit)
        chosen.append(members[: max(2, round(share * len(members)))])
    kept = np.sort(np.concatenate(chosen))
    return Arrays(whole.inputs[kept], whole.labels[kept])


DIGITS_M_SKEWED = register(
    Dataset(
        name="digits-m-skewed",
        description="digits-m with few pictures of the larger digits, colour, 28×28",
        licence="CC BY 4.0 (digits), CC BY 2.0 (photos)",
        class_names=DIGIT_NAMES,
        input_shape=(3, digits.SIZE, digits.SIZE),
        splits=("train", "test"),
        read=read_skewed,
    )
)
