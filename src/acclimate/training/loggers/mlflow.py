"""MLflow; its own environment variables (``MLFLOW_TRACKING_URI`` …) hold."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from typing import Any, ClassVar

from acclimate.training.loggers.base import LoggedRun, flat, library, loggers

_LONGEST_VALUE = 500  # characters of a parameter that every version's server takes
_MOST_AT_ONCE = 100  # parameters in one request, by the server's limit


@loggers.register("mlflow")
class MLflow:
    """One run there for one run folder, however often that is continued.

    Its curves only grow by appending: a continued run asks for the last step of each curve and
    sends what lies after it.
    """

    module: ClassVar[str] = "mlflow"
    remote: ClassVar[bool] = True

    def __init__(self, run: LoggedRun) -> None:
        library(self.module)
        self._entities = library("mlflow.entities")
        # the client and not the module's functions, whose active run is the caller's own affair
        self._client = library(self.module).MlflowClient()
        self._last: dict[str, int] = {}
        found = self._continued(run)
        self._run_id = found or self._created(run)
        self._fresh = found is None

    def _continued(self, run: LoggedRun) -> str | None:
        """The id of the run from before; ``None`` where this tracking server does not know it."""
        identity = run.remembered_id("mlflow")
        if identity is None:
            return None
        try:
            self._client.get_run(identity)
        except Exception:  # another server than before: the run begins anew there
            return None
        self._client.update_run(identity, status="RUNNING")
        return identity

    def _created(self, run: LoggedRun) -> str:
        made = self._client.create_run(self._experiment(), run_name=run.title)
        identity = str(made.info.run_id)
        run.remember_id("mlflow", identity)
        parameters = [
            self._entities.Param(_plain(name), str(value)[:_LONGEST_VALUE])
            for name, value in flat(run.settings).items()
        ]
        for start in range(0, len(parameters), _MOST_AT_ONCE):
            self._client.log_batch(identity, params=parameters[start : start + _MOST_AT_ONCE])
        return identity

    def _experiment(self) -> str:
        given = os.environ.get("MLFLOW_EXPERIMENT_ID")
        if given:
            return given
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or "acclimate"
        known: Any = self._client.get_experiment_by_name(name)
        return str(known.experiment_id if known else self._client.create_experiment(name))

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        now = int(time.time() * 1000)
        points = [
            self._entities.Metric(_plain(name), float(value), now, step)
            for name, value in values.items()
            if step > self._last_step(_plain(name))
        ]
        if points:
            self._client.log_batch(self._run_id, metrics=points)

    def _last_step(self, name: str) -> int:
        if self._fresh:
            return -1
        if name not in self._last:
            history = self._client.get_metric_history(self._run_id, name)
            self._last[name] = max((int(point.step) for point in history), default=-1)
        return self._last[name]

    def close(self, failed: bool = False) -> None:
        self._client.set_terminated(self._run_id, status="FAILED" if failed else "FINISHED")


def _plain(name: str) -> str:
    """A name of letters, digits and ``_-. /``, as MLflow wants them."""
    return re.sub(r"[^\w\-. /]", "_", name, flags=re.ASCII)
