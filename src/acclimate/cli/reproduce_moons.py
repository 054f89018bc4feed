"""``acclimate reproduce moons``: the paper's figure of two moons, and its accuracies over seeds."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acclimate.cli import console
from acclimate.cli.table_places import refuse

if TYPE_CHECKING:
    from acclimate.experiments.moons_figure import Accuracy, Line

NAME = "moons"
SEEDS = 5
RESULTS = Path("acclimate-runs/moons")
COLUMNS = (
    *("network", "n", "source accuracy", "target accuracy (oracle)"),
    *("fresh target points (oracle)", "domains told apart"),
)


def draw_and_print(
    seeds: Sequence[int], folder: Path, json: bool, inapplicable: Mapping[str, Any]
) -> None:
    """Train, draw and print. Raises ``ConfigurationError`` where an ``inapplicable`` option was given."""
    refuse(NAME, inapplicable, "--seeds, --seed, --results and --json")
    from acclimate.experiments.moons_figure import ACCURACIES, FIGURE, reproduce_moons
    from acclimate.experiments.summary import percent

    console.set_way_on(None)
    result = reproduce_moons(
        folder,
        list(dict.fromkeys(seeds)),
        command=shlex.join(["acclimate", *sys.argv[1:]]),
        done=_note,
    )
    paths = {"figure": str(folder / FIGURE), "accuracies": str(folder / ACCURACIES)}
    if json:
        console.print_json({**paths, "lines": [line.model_dump() for line in result.lines]})
        return

    def cells(line: Line) -> list[str]:
        spreads = [percent(spread) for spread in line.spreads.values()]
        return [f"{line.network} (λ = {line.domain_weight:g})", str(len(line.seeds)), *spreads]

    console.print_table(COLUMNS, [cells(line) for line in result.lines], title="accuracy in %")
    for what, path in paths.items():
        console.print_line(f"{what}: {path}")


def _note(done: Accuracy) -> None:
    console.note(
        f"seed {done.seed}, {done.network}: source {done.source:.3f}, target {done.oracle_target:.3f} "
        "(oracle)"
    )
