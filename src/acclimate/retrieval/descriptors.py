"""Descriptors before they are compared: of length one, averaged over mirror images, over pictures."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from acclimate.core.errors import DataError

LARGEST = 1e15
"""Components beyond it could leave float32 when two descriptors are multiplied."""

BLOCK = 4096  # rows that are looked at together


class Merged(NamedTuple):
    """``descriptors`` (M, D), and of each the identity and the camera, (M,) int64."""

    descriptors: Tensor
    labels: Tensor
    cameras: Tensor


def normalised(descriptors: Tensor) -> Tensor:
    """``descriptors`` (N, D) at length one, so that inner products are cosines; in [-1, 1], float.

    Zero stays zero. What is not finite becomes NaN and is refused where it would be ranked.

    >>> normalised(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    tensor([[0.6000, 0.8000],
            [0.0000, 0.0000]])
    """
    floats = descriptors if descriptors.is_floating_point() else descriptors.float()
    largest = floats.abs().amax(1, keepdim=True)
    # the square of a large or small component would leave the range of floats
    scaled = floats / torch.where(largest == 0, 1, largest)
    lengths = torch.linalg.vector_norm(scaled, dim=1, keepdim=True)
    return scaled / torch.where(lengths == 0, 1, lengths)


def with_mirror_images(descriptors: Tensor, mirrored: Tensor) -> Tensor:
    """Mean of the two normalised ones, (N, D): of pictures and, in their order, their mirror images.

    It is not normalised again: the inner product of two such means is the mean of the four cosines
    between two pictures and their mirror images (Ganin et al., JMLR 2016, section 5.3).

    >>> with_mirror_images(torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 5.0]]))
    tensor([[0.5000, 0.5000]])
    """
    if descriptors.shape != mirrored.shape:
        raise DataError(
            f"descriptors {tuple(descriptors.shape)} but {tuple(mirrored.shape)} of mirror images; "
            "give one of each for every picture, in the same order"
        )
    return (normalised(descriptors) + normalised(mirrored)) / 2


def merged(descriptors: Tensor, labels: Tensor, cameras: Tensor) -> Merged:
    """One mean descriptor for each identity at each camera, in ascending order of both.

    The multi-shot score of the CUHK01 protocol: the mean of all similarities between the pictures
    of one person at one camera and those of another at another is the inner product of the means.
    ``descriptors`` (N, D) are averaged as they are, so give normalised ones; ``labels`` and
    ``cameras`` are (N,) integers. Raises ``DataError`` where their lengths differ.

    >>> merged(torch.tensor([[1.0], [3.0], [5.0]]), torch.tensor([7, 7, 7]), torch.tensor([0, 0, 1]))[0]
    tensor([[2.],
            [5.]])
    """
    check_length(descriptors, labels, "labels", "descriptor")
    check_length(descriptors, cameras, "cameras", "descriptor")
    labels, cameras = (each.to(descriptors.device).long() for each in (labels, cameras))
    pairs = pair_numbers(labels, cameras)
    numbers, group, counts = torch.unique(pairs, return_inverse=True, return_counts=True)
    sums = descriptors.new_zeros(len(numbers), descriptors.shape[1])
    sums = sums.index_add(0, group, descriptors)
    named = (torch.empty_like(numbers).index_copy(0, group, each) for each in (labels, cameras))
    return Merged(sums / counts[:, None], *named)


def pair_numbers(labels: Tensor, cameras: Tensor) -> Tensor:
    """(N,) int64, equal where both of (N,) are equal, and ascending in the first, then the second."""
    # unique on pairs would compare them one by one
    _, label = torch.unique(labels, return_inverse=True)
    places, camera = torch.unique(cameras, return_inverse=True)
    numbers: Tensor = label * len(places) + camera
    return numbers


def check_length(descriptors: Tensor, values: Tensor, what: str, of: str) -> None:
    """Raise ``DataError`` unless ``values`` is (N,), one for each of N descriptors."""
    if values.shape != (len(descriptors),):
        raise DataError(
            f"{len(descriptors)} {of}s but {what} {tuple(values.shape)}; give one for each {of}"
        )


def check_rankable(descriptors: Tensor, what: str) -> None:
    """Raise ``DataError`` for descriptors (N, D) that cannot be ranked; ``what`` they are, e.g. a probe."""
    if descriptors.ndim != 2:
        raise DataError(
            f"{what} descriptors of shape {tuple(descriptors.shape)}; give one row for each item"
        )
    for start in range(0, len(descriptors), BLOCK):
        wrong = ~(descriptors[start : start + BLOCK].abs() <= LARGEST).all(1)
        if wrong.any():
            raise DataError(
                f"{what} {start + int(wrong.nonzero()[0])} has a descriptor that is not finite or "
                f"beyond {LARGEST:.0e}: the training may have diverged; lower the learning rate"
            )
