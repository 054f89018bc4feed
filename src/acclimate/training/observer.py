"""How a caller watches a run: progress bars and logs are made of these calls."""

from __future__ import annotations

from acclimate.core.records import Evaluation, RunRecord, Warned


class Observer:
    """Does nothing; override what is of interest. Values are plain Python numbers."""

    def run_started(self, name: str, steps: int, start: int) -> None:
        """A run of ``steps`` steps begins, or goes on at step ``start``."""

    def logged(self, step: int, values: dict[str, float]) -> None:
        """A row was logged after ``step`` steps."""

    def evaluated(self, evaluation: Evaluation) -> None:
        """A checkpoint was looked at and saved."""

    def warned(self, warning: Warned) -> None:
        """The collapse guard has seen something, once for each kind."""

    def run_finished(self, record: RunRecord) -> None:
        """The run's folder is complete."""
