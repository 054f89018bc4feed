"""How far a run has come: what a checkpoint carries beside the weights, and the clock."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from acclimate.core.records import Chosen, Evaluation, Warned


@dataclass
class Progress:
    """What a checkpoint's notes carry beside the weights."""

    evaluations: list[Evaluation]
    warnings: list[Warned]
    chosen: Chosen | None
    seconds: float
    streaks: dict[str, int] = field(default_factory=dict)

    def why_no_model(self) -> str:
        """What to say of a run that has ended without a checkpoint to keep."""
        if self.evaluations:
            return (
                "the network's outputs are not finite at any checkpoint; try a smaller --lr, or "
                "--gradient-clip 1"
            )
        said = self.warnings[-1].message if self.warnings else "nothing was evaluated"
        return f"training ended before its first checkpoint: {said}"

    def notes(self) -> dict[str, Any]:
        return {
            "evaluations": [each.model_dump(mode="json") for each in self.evaluations],
            "warnings": [each.model_dump(mode="json") for each in self.warnings],
            "chosen": self.chosen.model_dump(mode="json") if self.chosen else None,
            "seconds": self.seconds,
            "streaks": self.streaks,
        }

    @classmethod
    def from_notes(cls, notes: dict[str, Any]) -> Progress:
        chosen = notes["chosen"]
        return cls(
            [Evaluation.model_validate(each) for each in notes["evaluations"]],
            [Warned.model_validate(each) for each in notes["warnings"]],
            Chosen.model_validate(chosen) if chosen else None,
            notes["seconds"],
            notes.get("streaks", {}),
        )


class Clock:
    """Seconds of training, not counting evaluation."""

    def __init__(self, before: float) -> None:
        self._sum, self._since = before, time.perf_counter()

    @property
    def seconds(self) -> float:
        return self._sum + (time.perf_counter() - self._since if self._since else 0.0)

    def stopped(self) -> Clock:
        return self

    def __enter__(self) -> None:
        self._sum, self._since = self.seconds, 0.0

    def __exit__(self, *_: object) -> None:
        self._since = time.perf_counter()
