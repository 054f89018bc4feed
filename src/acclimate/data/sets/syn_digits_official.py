"""Syn Numbers as its authors gave it out: two .mat files in SVHN's format 2, without an address.

No address that still answers is known, nor a published checksum, so the files are put in place by hand.
``syn-digits`` is the re-creation that needs none.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from acclimate.core.errors import DataError
from acclimate.data.files import FileFinder, Finding
from acclimate.data.registry import DIGIT_NAMES, Arrays, Dataset, register
from acclimate.data.sets.mnist import check_counts, check_label_range
from acclimate.data.sets.svhn import read_mat

NAME = "syn-digits-official"
FILES = {"train": "synth_train_32x32.mat", "test": "synth_test_32x32.mat"}
COUNTS = {"train": 479_400, "test": 9_553}
FOLDERS = ("syn_digits", "syn-digits", "synth_digits", "SynthDigits", ".")


def read(finder: FileFinder, split: str) -> Arrays:
    """(N, 32, 32, 3) uint8 and (N,) int64. Labels are the digits; SVHN's 10 for 0 is taken too."""
    path = finder.find(FOLDERS, (FILES[split],))
    if path is None:
        raise DataError(_missing(finder, split))
    images, labels = read_mat(path)
    check_counts(path, images.shape[3], len(labels))
    check_label_range(path, labels, 0, 10)
    inputs = np.ascontiguousarray(images.transpose(3, 0, 1, 2))
    return Arrays(inputs, labels.astype(np.int64) % 10)


def inspect(finder: FileFinder, _verify: bool) -> list[Finding]:
    """Which of the two files are in place; no checksum was published."""
    return [_inspect(finder, split) for split in FILES]


def _inspect(finder: FileFinder, split: str) -> Finding:
    path = finder.find(FOLDERS, (FILES[split],))
    if path is None:
        detail = _missing(finder, split)
        return Finding(what=FILES[split], split=split, status="missing", where="", detail=detail)
    return _found(path, split)


def _found(path: Path, split: str) -> Finding:
    return Finding(
        what=path.name,
        split=split,
        status="ok",
        where=str(path),
        size=path.stat().st_size,
        detail="without a published checksum",
    )


def _missing(finder: FileFinder, split: str) -> str:
    place = finder.places()[0] / FOLDERS[0] / FILES[split]
    return (
        f"{NAME} has no known address: put {FILES[split]} ({COUNTS[split]:,} pictures, X and y as "
        f"in SVHN's format 2) at {place}, or use syn-digits, which is drawn here"
    )


SYN_DIGITS_OFFICIAL = register(
    Dataset(
        name=NAME,
        description="Syn Numbers as published, colour, 32×32 (Ganin et al. 2016)",
        licence="unstated; research use",
        class_names=DIGIT_NAMES,
        input_shape=(3, 32, 32),
        splits=tuple(FILES),
        read=read,
        inspector=inspect,
    )
)
