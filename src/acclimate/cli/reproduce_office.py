"""``acclimate reproduce office``: pairs of photo domains on features of a frozen backbone."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from acclimate.cli import console
from acclimate.cli.options import use_threads
from acclimate.cli.table_places import refuse
from acclimate.core.errors import ConfigurationError

NAME = "office"
SET = "office-caltech-10"
BACKBONE = "tf_mobilenetv3_large_minimal_100"


def train_and_print(
    sets: Sequence[str],
    backbone: str,
    weights: str,
    names: Sequence[str],
    seeds: Sequence[int],
    results: Path,
    threads: int | None,
    show: bool,
    json: bool,
    inapplicable: Mapping[str, Any],
) -> None:
    """Make what is missing of the table and print it.

    Raises ``ConfigurationError`` where an ``inapplicable`` option was given or a name is unknown, and
    ``DataError`` where the photos cannot be had.
    """
    refuse(
        NAME,
        inapplicable,
        "--set, --backbone, --weights, --row, --seeds, --seed, --results, --threads, --show and --json",
    )
    if len(sets) > 1:
        raise ConfigurationError(f"--set {sets[1]}: office takes one set at a time, here {sets[0]}")
    benchmark = sets[0] if sets else SET
    from acclimate.experiments.office.benchmarks import find_benchmark
    from acclimate.experiments.office.features import Features
    from acclimate.experiments.office.page import SHORT, lines_of, short_cells, write_page
    from acclimate.experiments.office.results import read
    from acclimate.experiments.office.run import run, wanted

    found = find_benchmark(benchmark)
    jobs = wanted(found, names, seeds)
    if not show:
        use_threads(threads)
        run(
            found,
            jobs,
            backbone,
            lambda: Features(found, backbone, weights),
            results=results,
            command=shlex.join(["acclimate", *sys.argv[1:]]),
            said=console.note,
        )
    lines = lines_of(made := read(results, found.name))
    # a look at the results writes nothing
    page = None if show else write_page(results, found, made)
    if json:
        named = [
            {
                "row": line.row.name,
                "oracle_target_accuracies": line.accuracies,
                "oracle_target_aurocs": line.areas,
                "uses_target_labels": line.row.oracle,
                "seconds": line.seconds,
            }
            for line in lines
        ]
        console.print_json(
            {"table": found.name, "page": None if page is None else str(page), "lines": named}
        )
        return
    pairs = [pair for pair in found.pairs if not pair.startswith("others-")]
    console.print_table(
        SHORT, [short_cells(line, pairs) for line in lines], title=f"{found.title}, in %"
    )
    if page is not None:
        console.print_line(f"results: {page}")
