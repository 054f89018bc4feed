"""svmlight files: sparse rows, each with its label first; ``1 4:0.5 17:2``.

Features count from 0: a file whose author counted from 1 has a feature 0 that is always zero. So two
files agree on what a number means even where only one of them has a feature 0.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from acclimate.core.errors import DataError
from acclimate.data.domain import Domain, Labels, SparseStore
from acclimate.data.folders import check_class_names
from acclimate.data.frames import plain_name

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

SUFFIXES = (".svmlight", ".libsvm", ".svm")


def is_svmlight(path: Path) -> bool:
    return path.name.lower().removesuffix(".gz").endswith(SUFFIXES) and not path.is_dir()


def width_of(path: Path) -> int:
    """Number of features of a file on its own: its highest index + 1."""
    return int(read_svmlight(path)[0].shape[1])


def open_svmlight(
    path: Path, width: int | None, labels: Labels, class_names: tuple[str, ...] | None
) -> Domain:
    """A domain of ``width`` features, ``None`` for as many as the file has.

    ``labels`` and ``class_names`` as in ``open_domain``. Raises ``DataError``.
    """
    matrix, targets = read_svmlight(path)
    if width is not None:
        if matrix.shape[1] > width:
            raise DataError(
                f"{path} has features up to {matrix.shape[1] - 1}, the model's training data up to "
                f"{width - 1}: they must count the same features"
            )
        matrix.resize(matrix.shape[0], width)
    name = plain_name(path)
    store, notes = SparseStore(matrix), _notes(matrix)
    if labels == "ignored":
        return Domain(name, store, None, class_names or (), notes=notes)
    values, counted = np.unique(_whole(path, targets), return_inverse=True)
    names = tuple(str(value) for value in values)
    if class_names is not None:
        check_class_names(str(path), names, class_names, labels == "required")
        counted = np.array([class_names.index(name) for name in names])[counted]
    indices = torch.from_numpy(counted.astype(np.int64))
    return Domain(name, store, indices, class_names or names, notes=notes)


def read_svmlight(path: Path) -> tuple[csr_matrix, np.ndarray]:
    """Rows float32 and labels float64 of a file. Raises ``DataError``."""
    from sklearn.datasets import load_svmlight_file

    try:
        matrix, targets = load_svmlight_file(str(path), dtype=np.float32, zero_based=True)
    except (EOFError, zlib.error, OSError) as error:
        raise DataError(
            f"{path} is truncated, damaged or not packed with gzip ({error}); write it again"
        ) from error
    except (ValueError, OverflowError) as error:
        raise DataError(
            f"{path} is no svmlight file ({_one_line(error)}); a row is LABEL INDEX:VALUE …, with "
            "indices in ascending order"
        ) from error
    if 0 in matrix.shape:
        raise DataError(f"{path} holds no rows with features; it is empty")
    wrong = ~np.isfinite(matrix.data)
    if wrong.any():
        row = int(np.searchsorted(matrix.indptr, wrong.argmax(), side="right")) - 1
        raise DataError(
            f"{path} has {int(wrong.sum())} values that are NaN, infinite or too large, the first in "
            f"row {row}; remove or replace them"
        )
    return matrix, targets


def _whole(path: Path, targets: np.ndarray) -> np.ndarray:
    if not (np.isfinite(targets).all() and (targets == np.round(targets)).all()):
        wrong = targets[~(np.isfinite(targets) & (targets == np.round(targets)))]
        raise DataError(f"{path}: label {wrong[0]:g} is no class; labels are whole numbers")
    return targets.astype(np.int64)


def _notes(matrix: csr_matrix) -> tuple[str, ...]:
    empty = int((matrix.getnnz(axis=1) == 0).sum())
    return (f"{empty} of {matrix.shape[0]} rows have no feature at all",) if empty else ()


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:120]
