"""``acclimate bench selection``: how far choices without target labels can be trusted."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from acclimate.cli import console
from acclimate.cli.options import DeviceOption, JsonOption, ThreadsOption, use_threads
from acclimate.core.errors import RecordError, UnknownNameError, near_miss

if TYPE_CHECKING:
    from acclimate.cli.watch import Trained

EXAMPLE = "Example: acclimate bench selection --task moons --task blobs --seeds 1"
RUNS = Path("acclimate-runs/selection")


def register(bench: typer.Typer) -> None:
    bench.command("selection", epilog=EXAMPLE)(selection)


def selection(
    task: Annotated[
        list[str] | None, typer.Option(help="A task of the grid, repeatable.", show_default="all")
    ] = None,
    recipe: Annotated[
        list[str] | None,
        typer.Option(help="default, light or bare, repeatable.", show_default="all"),
    ] = None,
    algorithm: Annotated[
        list[str] | None,
        typer.Option(
            help="See 'acclimate list algorithms', repeatable; all for every one.",
            show_default="ten",
        ),
    ] = None,
    validator: Annotated[
        list[str] | None,
        typer.Option(
            help="See 'acclimate list validators', repeatable: what is replayed.",
            show_default="all",
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="How many: 0, 1, …")] = 3,
    runs: Annotated[
        Path, typer.Option(help="Where runs are kept, and found when it is called again.")
    ] = RUNS,
    results: Annotated[
        Path | None,
        typer.Option(help="Where to write selection.md and selection.json.", show_default="--runs"),
    ] = None,
    weights: Annotated[
        str, typer.Option(help="Of the backbone of photos-to-webcam: hub or a file.")
    ] = "hub",
    threads: ThreadsOption = None,
    device: DeviceOption = "auto",
    show: Annotated[bool, typer.Option("--show", help="Train nothing: what is finished.")] = False,
    json: JsonOption = False,
) -> None:
    """Regret of every validator, error of the estimate and truth of the verdict, over many short runs.

    Stopped at any moment and called again, it goes on where it was.
    """
    from acclimate.experiments import selection as grid
    from acclimate.experiments.selection_page import (
        VALIDATOR_COLUMNS,
        summary,
        validator_cells,
        write_page,
    )
    from acclimate.validators import validators

    tasks = _named(task, {each.name: each for each in grid.TASKS}, "task")
    recipes = _named(recipe, {name: name for name in grid.RECIPES}, "recipe")
    names = algorithm or grid.ALGORITHMS
    chosen = grid.every_algorithm() if "all" in names else names
    scores = _named(validator, {name: name for name in validators.names()}, "validator")
    jobs = grid.jobs(tasks, recipes, chosen, range(seeds))
    console.set_way_on(shlex.join(["acclimate", *sys.argv[1:]]))
    if not show:
        trained = _train(jobs, runs, task is not None, threads, device, weights)
        jobs = trained.done
    found = []
    for job in jobs:
        try:
            found.append(grid.scored(job, runs, scores))
        except RecordError:
            if not show:
                raise
    if not found:
        raise RecordError(f"{runs} holds no finished run of this grid; leave out --show")
    said = summary(found, scores)
    folder = results or runs
    page = write_page(folder, said)
    if json:
        console.print_json({**said, "page": str(page)})
    else:
        cells = [validator_cells(x) for x in said["validators"]]
        console.print_table(list(VALIDATOR_COLUMNS), cells)
        console.print_line(f"results: {page}")
    if not show:
        trained.check()


def _named(given: list[str] | None, known: dict[str, Any], kind: str) -> list[Any]:
    for name in given or []:
        if name not in known:
            raise UnknownNameError(f"unknown {kind} {name!r}.{near_miss(name, known)}")
    return [known[name] for name in given or known]


def _train(
    jobs: list[Any], runs: Path, named: bool, threads: int | None, device: str, weights: str
) -> Trained[Any]:
    """Train what is not finished; a task whose files cannot be had is left out, unless it was named."""
    from acclimate.cli.watch import train_each
    from acclimate.experiments.selection import run

    use_threads(threads)
    command = shlex.join(["acclimate", *sys.argv[1:]])
    return train_each(
        jobs,
        lambda job: str(job.name),
        lambda job: str(job.task.name),
        lambda job, observer: run(
            job, runs, device=device, weights=weights, observer=observer, command=command
        ),
        lambda job: named or not job.task.needs_files,
    )
