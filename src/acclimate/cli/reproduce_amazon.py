"""``acclimate reproduce amazon``: the twelve sentiment tasks, ours beside the paper's."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from acclimate.cli import console
from acclimate.cli.table_places import refuse

NAME = "amazon"


def train_and_print(
    names: Sequence[str],
    seeds: Sequence[int],
    runs: Path,
    results: Path,
    threads: int | None,
    show: bool,
    json: bool,
    inapplicable: Mapping[str, Any],
) -> None:
    """Make what is missing of the table and print it.

    Raises ``ConfigurationError`` where an ``inapplicable`` option was given, ``UnknownNameError``
    for an unknown row, ``DataError`` where the reviews cannot be had.
    """
    refuse(
        NAME,
        inapplicable,
        "--row, --seeds, --seed, --runs, --results, --threads, --show and --json",
    )
    from acclimate.experiments.amazon.page import SHORT, lines_of, short_cells, write_page
    from acclimate.experiments.amazon.results import read
    from acclimate.experiments.amazon.run import run, wanted

    jobs = wanted(names, seeds)
    if not show:
        run(
            jobs,
            runs=runs,
            results=results,
            threads=threads or _cores(),
            command=shlex.join(["acclimate", *sys.argv[1:]]),
            said=console.note,
        )
    found = read(results)
    # a look at the results writes nothing
    page = None if show else write_page(results, found)
    lines = lines_of(found)
    if json:
        named = [
            {
                "row": line.row.name,
                "n": line.seeds,
                "oracle_target_accuracies": line.accuracies,
                "oracle_mean": line.mean,
                "deviation": line.deviation,
                "seconds": line.seconds,
            }
            for line in lines
        ]
        console.print_json(
            {"table": NAME, "page": None if page is None else str(page), "lines": named}
        )
        return
    console.print_table(
        SHORT, [short_cells(line) for line in lines], title="accuracy in % (oracle)"
    )
    if page is not None:
        console.print_line(f"results: {page}")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
