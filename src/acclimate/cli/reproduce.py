"""``acclimate reproduce``: a published table, ours beside theirs, from one command."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from acclimate.cli import (
    console,
    reproduce_amazon,
    reproduce_moons,
    reproduce_office,
    reproduce_reid,
)
from acclimate.cli.options import DeviceOption, JsonOption, ThreadsOption, use_threads
from acclimate.cli.table_places import RESULTS, RUNS, places

if TYPE_CHECKING:
    from acclimate.cli.watch import Trained
    from acclimate.experiments.reproduce import Job
    from acclimate.experiments.tables import Table

EXAMPLE = "Example: acclimate reproduce digits --row mnist-m/dann --seeds 3"


def register(app: typer.Typer) -> None:
    app.command("reproduce", epilog=EXAMPLE)(reproduce)


def reproduce(
    table: Annotated[str, typer.Argument(help="digits, signs, office, amazon, reid or moons.")],
    row: Annotated[
        list[str] | None,
        typer.Option(help="PAIR or PAIR/ROW, repeatable; all rows if not given."),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(min=1, help="How many seeds, from 0.", show_default="3, of moons 5"),
    ] = None,
    seed: Annotated[
        list[int] | None, typer.Option(min=0, help="These seeds instead, repeatable.")
    ] = None,
    split: Annotated[
        list[int] | None,
        typer.Option(
            min=0, help="Of reid: who is in which part, repeatable.", show_default="0, 1 and 2"
        ),
    ] = None,
    runs: Annotated[
        Path | None,
        typer.Option(
            help="Where the runs lie; finished ones are kept.",
            show_default=f"{RUNS}, or {RUNS}-trial-N with --steps N",
        ),
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option(
            help="Where results are written and read.",
            show_default=f"{RESULTS}, RUNS/results with --steps, {reproduce_moons.RESULTS} of moons",
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="Optimiser steps of each row: a trial, not the table."),
    ] = None,
    set: Annotated[
        list[str] | None,
        typer.Option(
            help="Of office: office-caltech-10, office-31, office-home or office-home-10. Of reid, "
            "repeatable: algorithm.KEY=VALUE, network.KEY=VALUE or objective.KEY=VALUE, a trial.",
            show_default=reproduce_office.SET,
        ),
    ] = None,
    backbone: Annotated[
        str | None,
        typer.Option(
            help="Of office: what makes features. Of reid: a pretrained network, a trial.",
            show_default=f"{reproduce_office.BACKBONE} of office",
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(help="Of office and reid: the backbone's, hub or a file.", show_default="hub"),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(help="Of reid: default or paper.", show_default="default"),
    ] = None,
    network: Annotated[str | None, typer.Option(help="Of reid: another network, a trial.")] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Of reid: items of each domain in a step, a trial."),
    ] = None,
    device: DeviceOption = "auto",
    precision: Annotated[
        str | None,
        typer.Option(
            help="Of digits and signs: auto, 32, bf16 or 16.", show_default="the table's own"
        ),
    ] = None,
    threads: ThreadsOption = None,
    show: Annotated[
        bool, typer.Option("--show", help="Only show the results that there are.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Train the rows of a published table and show them beside the published numbers.

    Stopped at any moment and called again, it goes on where it was. moons is a figure instead.
    """
    of_office: dict[str, Any] = {"--set": set, "--backbone": backbone, "--weights": weights}
    of_reid: dict[str, Any] = {
        "--split": split,
        "--recipe": recipe,
        "--network": network,
        "--batch-size": batch_size,
    }
    of_networks: dict[str, Any] = {"--device": device != "auto", "--precision": precision}
    if table == reproduce_reid.NAME:
        reproduce_reid.train_and_print(
            recipe or "default",
            row or [],
            split or [],
            {
                "network": network,
                "backbone": backbone,
                "weights": weights,
                "steps": steps,
                "batch_size": batch_size,
            },
            set or [],
            runs,
            results,
            device,
            threads,
            show,
            json,
            {"--seeds": seeds, "--seed": seed, "--precision": precision},
        )
        return
    if table == reproduce_office.NAME:
        reproduce_office.train_and_print(
            set or [],
            backbone or reproduce_office.BACKBONE,
            weights or "hub",
            row or [],
            seed or list(range(seeds or 3)),
            results or RESULTS,
            threads,
            show,
            json,
            {**of_networks, "--steps": steps, "--runs": runs, **of_reid},
        )
        return
    if table == reproduce_moons.NAME:
        chosen = seed or list(range(seeds or reproduce_moons.SEEDS))
        others: dict[str, Any] = {"--row": row, "--runs": runs, "--steps": steps, "--show": show}
        others |= {**of_networks, "--threads": threads, **of_office, **of_reid}
        reproduce_moons.draw_and_print(chosen, results or reproduce_moons.RESULTS, json, others)
        return
    if table == reproduce_amazon.NAME:
        reproduce_amazon.train_and_print(
            row or [],
            seed or list(range(seeds or 3)),
            runs or RUNS,
            results or RESULTS,
            threads,
            show,
            json,
            {**of_networks, "--steps": steps, **of_office, **of_reid},
        )
        return
    _refuse(table, of_office, of_reid)
    from acclimate.experiments.reproduce import jobs_of
    from acclimate.experiments.tables import find_table

    found = find_table(table)
    jobs = jobs_of(found, row or [], seed or range(seeds or 3))
    place, kept = places(runs, results, None if steps is None else str(steps))
    console.set_way_on(shlex.join(["acclimate", *sys.argv[1:]]))
    if not show:
        changes: dict[str, Any] = {"device": device}
        if steps is not None:
            changes["steps"] = steps
        if precision is not None:
            changes["precision"] = precision
        use_threads(threads)
        trained = _run(jobs, bool(row), place, kept, changes)
    _say(found, jobs if row else [], kept, show, json)
    if not show:
        trained.check()


def _refuse(table: str, of_office: dict[str, Any], of_reid: dict[str, Any]) -> None:
    from acclimate.core.errors import ConfigurationError

    whose = {"'reproduce office' and 'reproduce reid'": of_office, "'reproduce reid'": of_reid}
    for commands, options in whose.items():
        given = [option for option, value in options.items() if value is not None]
        if given:
            raise ConfigurationError(f"{', '.join(given)}: for {commands}, not for {table}")


def _run(
    jobs: list[Job], named: bool, runs: Path, results: Path, changes: dict[str, Any]
) -> Trained[Job]:
    """All jobs; a pair whose data cannot be had costs the others nothing, unless it was named."""
    from acclimate.cli.watch import train_each
    from acclimate.experiments.reproduce import run_job

    command = shlex.join(["acclimate", *sys.argv[1:]])
    return train_each(
        jobs,
        lambda job: job.name,
        lambda job: job.pair.name,
        lambda job, observer: run_job(
            job, runs=runs, results=results, changes=changes, observer=observer, command=command
        ),
        lambda job: named,
        lambda job: job.needs,
    )


def _say(table: Table, jobs: list[Job], results: Path, show: bool, json: bool) -> None:
    from acclimate.experiments.lines import summarise
    from acclimate.experiments.results import read_results
    from acclimate.experiments.summary import SHORT, short_cells, write_page

    found = read_results(results, table.name)
    # a look at the results writes nothing
    page = None if show else write_page(results, table, found)
    wanted = {(job.pair.name, job.row.name) for job in jobs}
    lines = [
        line for line in summarise(table, found) if not wanted or (line.pair, line.row) in wanted
    ]
    if json:
        console.print_json(
            {
                "table": table.name,
                "page": None if page is None else str(page),
                "lines": [line.model_dump() for line in lines],
            }
        )
        return
    console.print_table(
        list(SHORT), [short_cells(line) for line in lines], title="target accuracy in % (oracle)"
    )
    if page is not None:
        console.print_line(f"results: {page}")
