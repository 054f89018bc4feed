"""SVHN, format 2: house numbers cropped to 32×32 from street photos."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from acclimate.core.errors import DataError
from acclimate.data.files import FileFinder, RemoteFile
from acclimate.data.registry import DIGIT_NAMES, Arrays, Dataset, register
from acclimate.data.sets.mnist import check_counts, check_label_range

SUBSET_FOLDER = "svhn_subset"


def _remote(split: str, size: int, md5: str) -> RemoteFile:
    filename = f"{split}_32x32.mat"
    return RemoteFile(
        filename=filename,
        urls=(f"http://ufldl.stanford.edu/housenumbers/{filename}",),
        checksum=f"md5:{md5}",
        size=size,
        split=split,
        folders=("svhn", "SVHN", SUBSET_FOLDER),
    )


FILES = {
    "train": _remote("train", 182040794, "e26dedcc434d2e4c54c9b2d4a06d8373"),
    "test": _remote("test", 64275384, "eb5a983be6a315427106f1b164d9cef3"),
    "extra": _remote("extra", 1329278602, "a93ce644f1a588dc4d68dda5feec44a7"),
}


def read(finder: FileFinder, split: str) -> Arrays:
    """(N, 32, 32, 3) uint8 and (N,) int64; the file's label 10 is the digit 0."""
    path = finder.obtain(FILES[split])
    images, labels = read_mat(path)
    check_counts(path, images.shape[3], len(labels))
    check_label_range(path, labels, 1, 10)
    # numbers measured on a subset must not pass for SVHN's
    name = SUBSET_FOLDER if path.parent.name == SUBSET_FOLDER else None
    inputs = np.ascontiguousarray(images.transpose(3, 0, 1, 2))
    return Arrays(inputs, labels.astype(np.int64) % 10, name)


def read_mat(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """``X`` uint8 (32, 32, 3, N) and ``y`` (N,) of a format-2 file, checked."""
    from scipy.io import loadmat

    try:
        content = loadmat(path, variable_names=["X", "y"])
    # scipy's reader has no common error: a damaged file may raise nearly anything
    except Exception as error:
        if isinstance(error, MemoryError):
            raise
        raise DataError(
            f"{path} is truncated or no .mat file ({error}); delete it and fetch it again"
        ) from error
    missing = [name for name in ("X", "y") if name not in content]
    if missing:
        raise DataError(
            f"{path} has no {' and no '.join(missing)}: give SVHN's format 2 (cropped digits)"
        )
    images, labels = content["X"], content["y"].reshape(-1)
    if images.ndim != 4 or images.shape[:3] != (32, 32, 3) or images.dtype != np.uint8:
        raise DataError(
            f"{path}: X is {images.dtype} {images.shape}, not uint8 (32, 32, 3, N): give SVHN's "
            "format 2 (cropped digits)"
        )
    return images, labels


SVHN = register(
    Dataset(
        name="svhn",
        description="house-number digits from street photos, colour, 32×32 (Netzer et al. 2011)",
        licence="non-commercial research",
        class_names=DIGIT_NAMES,
        input_shape=(3, 32, 32),
        splits=("train", "test", "extra"),
        read=read,
        remote_files=tuple(FILES.values()),
    )
)
