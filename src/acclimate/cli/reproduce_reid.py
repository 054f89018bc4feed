"""``acclimate reproduce reid``: people found again by other cameras, the paper's pairs of data sets."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acclimate.cli import console
from acclimate.cli.options import use_threads
from acclimate.cli.table_places import places, refuse
from acclimate.core.errors import ConfigurationError, near_miss

if TYPE_CHECKING:
    from acclimate.cli.watch import Trained
    from acclimate.experiments.reid.lines import Line
    from acclimate.experiments.reid.recipes import Recipe
    from acclimate.experiments.reid.run import Job

NAME = "reid"
SPLITS = 3


def train_and_print(
    recipe: str,
    names: Sequence[str],
    splits: Sequence[int],
    given: Mapping[str, Any],
    assignments: Sequence[str],
    runs: Path | None,
    results: Path | None,
    device: str,
    threads: int | None,
    show: bool,
    json: bool,
    inapplicable: Mapping[str, Any],
) -> None:
    """Make what is missing of the table and print it.

    ``given`` and ``assignments``: options of ``fit`` by name, and what ``--set`` said; with any of
    them it is a trial. Raises ``ConfigurationError`` where an ``inapplicable`` option was given or a
    name is unknown, and ``DataError`` where a pair was named whose pictures cannot be had.
    """
    refuse(
        NAME,
        inapplicable,
        "--row, --split, --recipe, --network, --backbone, --weights, --steps, --batch-size, --set, "
        "--runs, --results, --device, --threads, --show and --json",
    )
    from acclimate.experiments.reid.lines import lines_of
    from acclimate.experiments.reid.page import write_page
    from acclimate.experiments.reid.results import read
    from acclimate.experiments.reid.run import wanted

    chosen = _recipe(recipe)
    given = {name: value for name, value in given.items() if value is not None}
    jobs = wanted(chosen, names, splits or range(SPLITS))
    changes = _changes(given, assignments, jobs)
    said = [*(f"{name}={value}" for name, value in given.items()), *assignments]
    of_runs, kept = places(runs, results, " ".join(said) or None)
    console.set_way_on(shlex.join(["acclimate", *sys.argv[1:]]))
    if not show:
        use_threads(threads)
        trained = _run(jobs, names, of_runs, kept, {**changes, "device": device})
    found = read(kept, chosen)
    # a look at the results writes nothing
    pages = [] if show else write_page(kept, chosen, found)
    asked = {(job.pair.name, job.row) for job in jobs}
    lines = [line for line in lines_of(found) if (line.pair, line.row) in asked]
    _say(chosen, lines, pages, json)
    if not show:
        trained.check()


def _say(recipe: Recipe, lines: list[Line], pages: Sequence[Path], json: bool) -> None:
    from acclimate.experiments.reid.page import SHORT, short_cells

    if json:
        console.print_json(
            {
                "table": NAME,
                "recipe": recipe,
                "page": str(pages[0]) if pages else None,
                "figures": [str(path) for path in pages[1:]],
                "lines": [line.model_dump() for line in lines],
            }
        )
        return

    console.print_table(
        SHORT, [short_cells(line) for line in lines], title="re-identification, in % (oracle)"
    )
    if pages:
        console.print_line(f"results: {pages[0]}")


def _recipe(name: str) -> Recipe:
    from acclimate.experiments.reid.recipes import RECIPES

    for known in RECIPES:
        if name == known:
            return known
    raise ConfigurationError(f"reproduce reid has no recipe {name!r}.{near_miss(name, RECIPES)}")


def _changes(
    given: Mapping[str, Any], assignments: Sequence[str], jobs: Sequence[Job]
) -> dict[str, Any]:
    """Settings that options change, checked against every row before any is trained."""
    from acclimate.cli.fit_settings import checked, chosen_settings
    from acclimate.experiments.reid.run import settings_of

    changes = chosen_settings(given, assignments)
    for job in jobs:
        checked(partial(settings_of, job, changes))
    return changes


def _run(
    jobs: Sequence[Job],
    names: Sequence[str],
    runs: Path,
    results: Path,
    changes: Mapping[str, Any],
) -> Trained[Job]:
    """All jobs; a pair whose pictures cannot be had costs the others nothing, unless it was named."""
    from acclimate.cli.watch import train_each
    from acclimate.experiments.reid.results import without_places
    from acclimate.experiments.reid.run import run_job

    command = shlex.join(["acclimate", *without_places(sys.argv[1:])])
    named = {name.partition("/")[0] for name in names}
    return train_each(
        jobs,
        lambda job: job.name,
        lambda job: job.pair.name,
        lambda job, observer: run_job(
            job, runs=runs, results=results, changes=changes, observer=observer, command=command
        ),
        lambda job: job.pair.name in named,
    )
