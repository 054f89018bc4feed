"""USPS: digits from envelopes, 16×16, in the LIBSVM site's text format."""

from __future__ import annotations

import bz2
from pathlib import Path

import numpy as np

from acclimate.core.errors import DataError
from acclimate.data.files import FileFinder, RemoteFile
from acclimate.data.registry import DIGIT_NAMES, Arrays, Dataset, register
from acclimate.data.sets.mnist import check_counts, check_label_range

SIZE = 16


def _remote(filename: str, split: str, size: int, md5: str) -> RemoteFile:
    return RemoteFile(
        filename=filename,
        urls=(f"https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass/{filename}",),
        checksum=f"md5:{md5}",
        size=size,
        split=split,
        folders=("usps", "USPS"),
        other_names=(filename.removesuffix(".bz2"),),
    )


FILES = {
    "train": _remote("usps.bz2", "train", 6579383, "ec16c51db3855ca6c91edd34d0e9b197"),
    "test": _remote("usps.t.bz2", "test", 1831726, "8ea070ee2aca1ac39742fdd1ef5ed118"),
}


def read(finder: FileFinder, split: str) -> Arrays:
    """(N, 16, 16, 1) uint8 and (N,) int64; the file's labels 1 … 10 are the digits 0 … 9."""
    path = finder.obtain(FILES[split])
    rows = [parse_line(path, n, line) for n, line in enumerate(_lines(path), start=1) if line]
    labels = np.array([row[0] for row in rows], dtype=np.int64)
    check_counts(path, len(rows), len(labels))
    check_label_range(path, labels, 1, 10)
    values = np.stack([row[1] for row in rows])
    if not (np.isfinite(values).all() and values.min() >= -1 and values.max() <= 1):
        raise DataError(f"{path} has grey values outside -1 … 1; fetch it again")
    grey = np.round((values + 1) * 127.5).astype(np.uint8)
    return Arrays(grey.reshape(-1, SIZE, SIZE, 1), labels - 1)


def _lines(path: Path) -> list[str]:
    try:
        raw = path.read_bytes()
        return (bz2.decompress(raw) if raw[:3] == b"BZh" else raw).decode("ascii").splitlines()
    except (OSError, EOFError, ValueError) as error:
        raise DataError(
            f"{path} is truncated or damaged ({error}); delete it and fetch it again"
        ) from error


def parse_line(path: Path, number: int, line: str) -> tuple[int, np.ndarray]:
    """``label 1:value … 256:value`` as (label, float32 (256,)); absent indices are 0."""
    values = np.zeros(SIZE * SIZE, dtype=np.float32)
    try:
        label, *pairs = line.split()
        indices = [int(pair.partition(":")[0]) for pair in pairs]
        if indices and (min(indices) < 1 or max(indices) > SIZE * SIZE):
            raise ValueError(f"an index is outside 1 … {SIZE * SIZE}")
        values[np.array(indices, dtype=np.int64) - 1] = [float(p.partition(":")[2]) for p in pairs]
        return int(float(label)), values
    except (ValueError, OverflowError) as error:
        raise DataError(f"{path}: line {number} is damaged ({error}); fetch it again") from error


USPS = register(
    Dataset(
        name="usps",
        description="digits from envelopes, grey, 16×16 (Hull 1994)",
        licence="unstated; research use",
        class_names=DIGIT_NAMES,
        input_shape=(1, SIZE, SIZE),
        splits=("train", "test"),
        read=read,
        remote_files=tuple(FILES.values()),
    )
)
