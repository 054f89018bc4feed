"""``metrics.csv`` and further loggers of a run, all able to go on where a killed run stopped."""

from __future__ import annotations

import csv
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from acclimate.core.files import explain_write_errors, write_text_atomically
from acclimate.training.loggers.base import LoggedRun, Logger, one_line, start_loggers

METRICS_NAME = "metrics.csv"


class MetricsLog:
    """One row for each logged step; what lies after ``resumed_at`` steps is dropped first.

    ``loggers``: names of what draws curves beside the file, see ``training.loggers``. ``run_name``
    and ``settings`` are what they call the run (its folder, without a name) and keep with it.
    Raises ``ConfigurationError`` for a logger that is unknown, not installed or cannot start. One
    that fails later is dropped with a warning: no training ends for the sake of its curves.
    """

    def __init__(
        self,
        folder: Path,
        resumed_at: int = 0,
        loggers: Sequence[str] = ("tensorboard",),
        run_name: str = "",
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = folder / METRICS_NAME
        self.columns: list[str] | None = None
        logged_until = self._drop_after(resumed_at) if self.path.exists() else 0
        run = LoggedRun(folder, run_name, settings or {}, resumed_at, logged_until)
        self._loggers = start_loggers(loggers, run)

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
        self.scalars(step, {f"train/{name}": value for name, value in values.items()})

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """A point of each named curve, for the loggers alone."""
        for name, logger in list(self._loggers.items()):
            try:
                logger.scalars(step, values)
            except Exception as error:
                self._drop(name, logger, error)

    def close(self, failed: bool = False) -> None:
        """Finish every logger; ``failed`` marks the run so where a logger can."""
        for name, logger in list(self._loggers.items()):
            try:
                logger.close(failed)
            except Exception as error:
                self._drop(name, logger, error)
        self._loggers = {}

    def _drop(self, name: str, logger: Logger, error: Exception) -> None:
        if not logger.remote:
            raise error
        del self._loggers[name]
        logging.getLogger(__name__).warning(
            "logger %s failed and gets nothing more: %s; %s goes on",
            name,
            one_line(error),
            METRICS_NAME,
        )

    def _drop_after(self, step: int) -> int:
        """Cut the file; returns the last step that was in it."""
        with open(self.path, newline="", encoding="utf-8") as file:
            lines = file.read().splitlines()
        steps = [(line, found) for line in lines[1:] if (found := _step_of(line)) is not None]
        last = max((found for _, found in steps), default=0)
        kept = [line for line, found in steps if found <= step]
        if not kept:
            self.path.unlink()
            return last
        self.columns = next(csv.reader(lines[:1]))
        write_text_atomically(self.path, "\n".join([lines[0], *kept]) + "\n")
        return last


def _step_of(line: str) -> int | None:
    """The step of a row, or ``None`` for a row that a kill cut off."""
    first, comma, _ = line.partition(",")
    return int(first) if comma and first.isdigit() else None
