"""The built-in tasks: real data that scikit-learn ships, four rows, one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from acclimate.algorithms import DEFAULT
from acclimate.core.records import RunRecord
from acclimate.training.fit import fit_rows
from acclimate.training.observer import Observer
from acclimate.training.settings import FitSettings, make_settings

#: name → (source, target)
PAIRS = {
    "digits-m": ("digits", "digits-m"),
    "fonts": ("font-digits", "digits"),
}
ROWS = ("source-only", "dann", DEFAULT, "train-on-target")
STEPS = 400


@dataclass(frozen=True)
class DemoResult:
    """The rows' folders and records, in the order of ``ROWS``."""

    folders: Sequence[Path]
    records: Sequence[RunRecord]


def demo_settings(pair: str, seed: int, steps: int = STEPS) -> FitSettings:
    """The default recipe on a built-in pair."""
    source, target = PAIRS[pair]
    return make_settings(
        source=source, target=target, seed=seed, steps=steps, evaluations=10, log_every=10
    )


def run_demo(
    output: Path,
    *,
    pair: str = "digits-m",
    seed: int = 0,
    steps: int = STEPS,
    observer: Observer | None = None,
    command: str = "",
) -> DemoResult:
    """Train all rows with the same network, augmentation and budget into folders below ``output``."""
    settings = demo_settings(pair, seed, steps)
    folders, records = fit_rows(settings, ROWS, output, observer=observer, command=command)
    return DemoResult(folders, records)
