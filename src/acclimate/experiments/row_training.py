"""One row of a table as a run."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock

from acclimate.core.records import RunRecord
from acclimate.training.fit import fit
from acclimate.training.observer import Observer
from acclimate.training.settings import FitSettings


def train_row(
    settings: FitSettings,
    folder: Path,
    *,
    baseline: Path | None = None,
    observer: Observer | None = None,
    command: str = "",
) -> RunRecord:
    """Train, or go on with what was begun, or take it as it is where it is finished.

    ``baseline``: the finished source-only run of the same task. Raises ``AcclimateError``.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    # several processes may share out the seeds or rows of a table
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        return fit(
            settings,
            folder,
            baseline=baseline or False,
            resume=True,
            observer=observer,
            command=command,
        )
