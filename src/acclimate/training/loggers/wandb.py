"""Weights & Biases; its own environment variables (``WANDB_MODE``, ``WANDB_PROJECT`` …) hold."""

from __future__ import annotations

import math
import os
import uuid
from collections.abc import Mapping
from typing import ClassVar

from acclimate.training.loggers.base import LoggedRun, library, loggers


@loggers.register("wandb")
class WeightsAndBiases:
    """One run there for one run folder, however often that is continued.

    Its steps can only grow: what a killed run logged after its last checkpoint stays, and the
    same steps, which come to the same values when they are trained again, are not sent again.
    """

    module: ClassVar[str] = "wandb"
    remote: ClassVar[bool] = True

    def __init__(self, run: LoggedRun) -> None:
        wandb = library(self.module)
        # an identity, which no computation depends on
        identity = run.remembered_id("wandb") or uuid.uuid4().hex[:12]
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT") or "acclimate",
            name=os.environ.get("WANDB_NAME") or run.title,
            id=identity,
            resume="allow",
            dir=str(run.folder.resolve()),
            config=dict(run.settings),
        )
        run.remember_id("wandb", identity)
        # the service knows what it has; without it, metrics.csv knows what was sent
        offline = bool(getattr(self._run, "offline", False))
        known = run.logged_until + 1 if run.logged_until else 0
        self._first = known if offline else int(self._run.starting_step)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        if step < self._first:
            return
        finite = {name: value for name, value in values.items() if math.isfinite(value)}
        if finite:
            self._run.log(finite, step=step)

    def close(self, failed: bool = False) -> None:
        self._run.finish(exit_code=int(failed))
