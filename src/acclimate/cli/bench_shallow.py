"""``acclimate bench shallow``: shallow adapters beside other implementations, in turn."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from acclimate.cli import console
from acclimate.cli.options import JsonOption, ThreadsOption

if TYPE_CHECKING:
    from acclimate.experiments.bench_shallow import Figures, Measured

EXAMPLE = "Example: acclimate bench shallow msda --rounds 3"


def register(bench: typer.Typer) -> None:
    bench.command("shallow", epilog=EXAMPLE)(shallow)


def shallow(
    name: Annotated[
        list[str] | None, typer.Argument(help="Which, of the names in the table; all if not given.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each side.")] = 3,
    threads: ThreadsOption = None,
    json: JsonOption = False,
) -> None:
    """Seconds, peak memory and accuracy of shallow adapters, ours and others', on books → dvd reviews.

    Comparisons with skada and adapt need them installed, see 'make peers'; adapt without TensorFlow.
    """
    from acclimate.core.errors import RunError
    from acclimate.experiments.bench_shallow import bench, find

    found, failed = [], RunError("nothing was compared")
    for comparison in find(name or []):
        console.note(f"{comparison.name}, {comparison.other}")
        try:
            found.append(bench(comparison, rounds, threads))
        except RunError as error:
            console.warn(f"left out: {error}")
            failed = error
    if name and not found:
        raise failed
    if json:
        console.print_json({"comparisons": [_plain(each) for each in found], "threads": threads})
        return
    console.print_table(
        ["method", "other", "seconds", "other's", "other's / ours", "MiB", "other's", "accuracy", "other's"],
        [_cells(each) for each in found],
        title="target accuracy (oracle) of logistic regression on what was adapted",
    )  # fmt: skip


def _plain(each: Measured) -> dict[str, Any]:
    def named(figures: Figures) -> dict[str, float]:
        found = figures._asdict()
        return {"oracle_accuracy": found.pop("accuracy"), **found}

    return {**asdict(each), "ours": named(each.ours), "theirs": named(each.theirs)}


def _cells(each: Measured) -> list[str]:
    return [
        each.name,
        each.other,
        f"{each.ours.seconds:.1f}",
        f"{each.theirs.seconds:.1f}",
        f"{each.ratio:.1f} ({each.lowest:.1f}–{each.highest:.1f})",
        f"{each.ours.peak_mib:.0f}",
        f"{each.theirs.peak_mib:.0f}",
        f"{each.ours.accuracy:.1%}",
        f"{each.theirs.accuracy:.1%}",
    ]
