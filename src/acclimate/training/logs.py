"""``metrics.csv`` and TensorBoard events of a run, both able to go on where a killed run stopped."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from acclimate.core.files import explain_write_errors, write_text_atomically

METRICS_NAME = "metrics.csv"


class MetricsLog:
    """One row for each logged step; what lies after ``resumed_at`` steps is dropped first."""

    def __init__(self, folder: Path, resumed_at: int = 0) -> None:
        self.path = folder / METRICS_NAME
        self.columns: list[str] | None = None
        if self.path.exists():
            self._drop_after(resumed_at)
        self.events = _event_writer(folder / "tensorboard", resumed_at)

    def write(self, step: int, values: dict[str, float]) -> None:
        """Append a row; the first one decides the columns."""
        row = {"step": step, **{name: repr(float(value)) for name, value in values.items()}}
        with explain_write_errors(self.path):
            first = self.columns is None
            if first:
                self.columns = list(row)
            with open(self.path, "a", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, self.columns or [], extrasaction="ignore", restval="")
                if first:
                    writer.writeheader()
                writer.writerow(row)
        for name, value in values.items():
            self.scalar(f"train/{name}", value, step)

    def scalar(self, name: str, value: float, step: int) -> None:
        """One point of a TensorBoard curve."""
        if self.events is not None:
            self.events.add_scalar(name, value, step)

    def close(self) -> None:
        if self.events is not None:
            self.events.close()

    def _drop_after(self, step: int) -> None:
        with open(self.path, newline="", encoding="utf-8") as file:
            lines = file.read().splitlines()
        kept = [line for line in lines[1:] if _step_of(line) is not None and _step_of(line) <= step]  # type: ignore[operator]
        if not kept:
            self.path.unlink()
            return
        self.columns = next(csv.reader(lines[:1]))
        write_text_atomically(self.path, "\n".join([lines[0], *kept]) + "\n")


def _step_of(line: str) -> int | None:
    """The step of a row, or ``None`` for a row that a kill cut off."""
    first, comma, _ = line.partition(",")
    return int(first) if comma and first.isdigit() else None


def _event_writer(folder: Path, resumed_at: int) -> Any:
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(folder, purge_step=resumed_at + 1 if resumed_at else None)
