"""What is kept of a domain for later: the same bound, the same items, the same archives everywhere."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from acclimate.core.errors import RecordError
from acclimate.core.files import replace_atomically

DAMAGED = (
    *(OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error),
)
"""What reading an archive raises that is not whole, or not what was written."""

STORED = 1000
"""Items of each domain that are kept with a checkpoint and for the report."""


def spread(count: int, wanted: int = STORED) -> Tensor:
    """At most ``wanted`` indices all over the range, since a data set may be sorted by class.

    >>> spread(5, 3)
    tensor([0, 2, 4])
    """
    return torch.linspace(0, count - 1, min(count, wanted)).round().long()


def evidence_path(folder: Path, step: int) -> Path:
    """Where a run keeps what was seen of its network after ``step`` steps."""
    return folder / "evaluations" / f"step-{step:08d}.npz"


def kept_evidence_path(folder: Path, step: int) -> Path:
    """The same of the model that lies in the folder, chosen at ``step``.

    Where it was given another last layer afterwards, it is not the network that was trained.
    """
    finished = finished_evidence_path(folder)
    return finished if finished.exists() else evidence_path(folder, step)


def finished_evidence_path(folder: Path) -> Path:
    """Where a run keeps what was seen of a model whose last layer was made after training."""
    return folder / "evaluations" / "finished.npz"


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray], *, compressed: bool = True) -> None:
    """Write an .npz archive, whole or not at all."""
    save: Any = np.savez_compressed if compressed else np.savez
    with replace_atomically(path) as temporary, open(temporary, "wb") as file:
        save(file, **arrays)


def read_tensors(path: Path) -> dict[str, Any]:
    """The tensors of an archive, floating ones in float32; raises one of ``DAMAGED`` where it cannot."""
    # opened here, since numpy leaves a damaged file open
    with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
        arrays = {name: torch.from_numpy(stored[name]) for name in stored.files}
    return {name: a.float() if a.is_floating_point() else a for name, a in arrays.items()}


def read_stored(path: Path, name: str) -> Tensor:
    """One tensor of what a run has stored; ``RecordError`` in one line for a file that is not whole."""
    try:
        found: Tensor = read_tensors(path)[name]
    except DAMAGED as error:
        raise RecordError(f"{path} cannot be read: it is damaged; train the run anew") from error
    return found
