"""Where ``acclimate reproduce`` keeps runs and results, and what its options are for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from acclimate.core.errors import ConfigurationError

RESULTS = Path("experiments/results")
RUNS = Path("acclimate-runs/reproduce")


def places(runs: Path | None, results: Path | None, trial: str | None) -> tuple[Path, Path]:
    """Folders of runs and of results.

    A ``trial`` is another run than the table's and leaves the table's results alone.

    >>> [str(place) for place in places(None, None, "20")]
    ['acclimate-runs/reproduce-trial-20', 'acclimate-runs/reproduce-trial-20/results']
    """
    of_runs = runs or RUNS
    if trial is None:
        return of_runs, results or RESULTS
    if runs is None:
        of_runs = RUNS.with_name(f"{RUNS.name}-trial-{re.sub(r'[^0-9a-zA-Z.+_]+', '-', trial)}")
    return of_runs, results or of_runs / "results"


def refuse(table: str, inapplicable: Mapping[str, Any], takes: str) -> None:
    """Raise ``ConfigurationError`` for ``inapplicable`` options; ``takes`` lists the others."""
    given = [option for option, value in inapplicable.items() if value]
    if given:
        raise ConfigurationError(f"{', '.join(given)}: not for {table}, which takes {takes}")
