"""MNIST: 70,000 handwritten digits in the idx format."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from acclimate.core.errors import DataError
from acclimate.data.files import FileFinder, RemoteFile
from acclimate.data.registry import DIGIT_NAMES, Arrays, Dataset, register

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "http://yann.lecun.com/exdb/mnist/",
)
FOLDERS = ("mnist", "MNIST/raw", "MNIST")
UNSIGNED_BYTE = 8


def _remote(stem: str, split: str, size: int, md5: str, content_md5: str) -> RemoteFile:
    return RemoteFile(
        filename=f"{stem}.gz",
        urls=tuple(f"{mirror}{stem}.gz" for mirror in MIRRORS),
        checksum=f"md5:{md5}",
        content_checksum=f"md5:{content_md5}",
        size=size,
        split=split,
        folders=FOLDERS,
        # as unpacked by gunzip, and as some mirrors name it
        other_names=(stem, stem.replace("-idx", ".idx")),
    )


IMAGES = {
    "train": _remote(
        "train-images-idx3-ubyte",
        "train",
        9912422,
        "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "6bbc9ace898e44ae57da46a324031adb",
    ),
    "test": _remote(
        "t10k-images-idx3-ubyte",
        "test",
        1648877,
        "9fb629c4189551a2d022fa330f9573f3",
        "2646ac647ad5339dbf082846283269ea",
    ),
}
LABELS = {
    "train": _remote(
        "train-labels-idx1-ubyte",
        "train",
        28881,
        "d53e105ee54ea40749a09fcbcd1e9432",
        "a25bea736e30d166cdddb491f175f624",
    ),
    "test": _remote(
        "t10k-labels-idx1-ubyte",
        "test",
        4542,
        "ec29112dd5afa0611ce80d1b7f02629c",
        "27ae3e4e09519cfbb04c329615203637",
    ),
}


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """An idx file of unsigned bytes, plain or gzipped, as a uint8 array.

    Raises ``DataError`` when it is damaged, truncated, or not an idx file of ``dimensions`` axes.
    """
    raw = _read_maybe_gzipped(path)
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] != UNSIGNED_BYTE or raw[3] != dimensions:
        raise DataError(
            f"{path} is not an idx file of {dimensions} axes: it begins with {raw[:4].hex(' ')} "
            f"instead of 00 00 08 {dimensions:02x}; fetch it again"
        )
    start = 4 + 4 * dimensions
    header = raw[4:start].ljust(start - 4, b"\0")  # a shorter file fails the next check
    shape = tuple(int(n) for n in np.frombuffer(header, dtype=">u4"))
    expected = start + math.prod(shape)
    if len(raw) != expected:
        raise DataError(
            f"{path} is truncated or damaged: its header {shape} asks for {expected} bytes, "
            f"it has {len(raw)}; fetch it again"
        )
    return np.frombuffer(raw, dtype=np.uint8, offset=start).reshape(shape).copy()


def _read_maybe_gzipped(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        return gzip.decompress(path.read_bytes()) if packed else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path} is truncated or damaged ({error}); delete it and fetch it again"
        ) from error


def check_label_range(path: Path, labels: np.ndarray, low: int = 0, high: int = 9) -> None:
    """Raise ``DataError`` naming the first label outside ``low`` to ``high``."""
    wrong = np.flatnonzero((labels < low) | (labels > high))
    if len(wrong):
        raise DataError(
            f"{path}: label {labels[wrong[0]]} of item {wrong[0]} is out of range, labels run from "
            f"{low} to {high}; fetch the file again"
        )


def check_counts(path: Path, images: int, labels: int) -> None:
    """Raise ``DataError`` unless there is one label for each image, and any at all."""
    if images != labels or images == 0:
        raise DataError(
            f"{path} has {images} images for {labels} labels; fetch both files again from one place"
        )


def read(finder: FileFinder, split: str) -> Arrays:
    """(N, 28, 28, 1) uint8 and (N,) int64."""
    images_path = finder.obtain(IMAGES[split])
    labels_path = finder.obtain(LABELS[split])
    images = read_idx(images_path, 3)
    labels = read_idx(labels_path, 1)
    check_counts(images_path, len(images), len(labels))
    check_label_range(labels_path, labels)
    return Arrays(images[..., None], labels.astype(np.int64))


MNIST = register(
    Dataset(
        name="mnist",
        description="handwritten digits, grey, 28×28 (LeCun et al. 1998)",
        licence="CC BY-SA 3.0",
        class_names=DIGIT_NAMES,
        input_shape=(1, 28, 28),
        splits=("train", "test"),
        read=read,
        remote_files=tuple(table[s] for s in ("train", "test") for table in (IMAGES, LABELS)),
    )
)
