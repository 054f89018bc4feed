"""Data that costs more than a second to make is made once and kept in the cache."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from acclimate.core.files import explain_write_errors, replace_atomically
from acclimate.data.registry import Arrays


def built_once(path: Path, fingerprint: str | None, build: Callable[[], Arrays]) -> Arrays:
    """The arrays kept at ``path``, or those of ``build``, which are then kept there.

    ``fingerprint`` names what they are made from: kept arrays of another fingerprint are built
    anew; ``None`` accepts any. A damaged file counts as none. Processes that want the same arrays
    wait for the first to build them. Raises ``RunError`` when the cache cannot be written.
    """
    from filelock import FileLock

    # a kept file is whole, because it was renamed into place: reading it needs no lock
    kept = _read(path, fingerprint)
    if kept is not None:
        return kept
    with explain_write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):
            kept = _read(path, fingerprint)
            if kept is None:
                kept = build()
                _write(path, fingerprint or "", kept)
    return kept


def _read(path: Path, fingerprint: str | None) -> Arrays | None:
    if not path.exists():
        return None
    try:
        # numpy leaves a path open when the archive proves damaged
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            if fingerprint is not None and str(file["fingerprint"]) != fingerprint:
                return None
            names, groups = file.get("names"), file.get("groups")
            notes = tuple(map(str, file.get("notes", ())))
            return Arrays(file["x"], file["y"], item_names=names, groups=groups, notes=notes)
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        return None


def _write(path: Path, fingerprint: str, arrays: Arrays) -> None:
    # not compressed: photo noise hardly shrinks, and reading would take seconds
    notes = np.array(arrays.notes) if arrays.notes else None
    optional = {"names": arrays.item_names, "groups": arrays.groups, "notes": notes}
    content: dict[str, Any] = {key: value for key, value in optional.items() if value is not None}
    content |= {"x": arrays.inputs, "y": arrays.labels, "fingerprint": np.array(fingerprint)}
    with replace_atomically(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **content)
