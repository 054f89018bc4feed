"""TensorBoard event files in the run folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from acclimate.training.loggers.base import LoggedRun, library, loggers


@loggers.register("tensorboard")
class TensorBoard:
    """Events in ``tensorboard/``; what a killed run wrote after its last checkpoint is purged."""

    module: ClassVar[str] = "tensorboard"
    remote: ClassVar[bool] = False

    def __init__(self, run: LoggedRun) -> None:
        library(self.module)
        from torch.utils.tensorboard import SummaryWriter

        purged_from = run.resumed_at + 1 if run.resumed_at else None
        self._writer = SummaryWriter(run.folder / "tensorboard", purge_step=purged_from)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self, failed: bool = False) -> None:
        self._writer.close()
