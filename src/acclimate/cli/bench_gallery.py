"""``acclimate bench gallery``: gallery search and retrieval metrics beside the bare matrix product."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from acclimate.cli import console
from acclimate.cli.options import JsonOption, ThreadsOption

if TYPE_CHECKING:
    from acclimate.experiments.bench_gallery import Figures

EXAMPLE = "Example: acclimate bench gallery --probes 1000 --gallery 20000"


def register(bench: typer.Typer) -> None:
    bench.command("gallery", epilog=EXAMPLE)(gallery)


def gallery(
    probes: Annotated[int, typer.Option(min=1, help="Items that are looked for.")] = 10_000,
    gallery: Annotated[
        int, typer.Option(min=20, help="Items among which they are looked for.")
    ] = 100_000,
    dimensions: Annotated[int, typer.Option(min=1, help="Numbers in a descriptor.")] = 500,
    neighbours: Annotated[int, typer.Option(min=1, help="To search for, of each probe.")] = 10,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each.")] = 1,
    threads: ThreadsOption = None,
    json: JsonOption = False,
) -> None:
    """Seconds and memory of exact gallery search and of CMC and mAP, over the bare matrix product's."""
    from acclimate.experiments.bench_gallery import SAMPLE, SIDES, Size, bench_gallery

    size = Size(probes, gallery, dimensions, neighbours)
    found = bench_gallery(size, rounds, threads, done=_note)
    if json:
        console.print_json(found.as_dict())
        return
    console.print_table(
        ["", "seconds", "over the product", "MiB beyond inputs", "agreement with a loop"],
        [[side, *_cells(found.median(side), found.ratio(side))] for side in SIDES],
        title=f"{probes:,} probes, {gallery:,} gallery items, {dimensions} numbers each",
    )
    console.print_line(
        f"{found.threads} threads; agreement on {min(SAMPLE, probes)} probes: of search the share of equal "
        "neighbours, of metrics 1 less the difference in mean average precision"
    )


def _note(side: str, done: Figures) -> None:
    console.note(f"{side}: {done.seconds:.2f} s, {done.mib:.0f} MiB")


def _cells(figures: Figures, ratio: float) -> list[str]:
    said = "" if figures.agreement is None else f"{figures.agreement:.6f}"
    return [f"{figures.seconds:.2f}", f"{ratio:.2f}", f"{figures.mib:.0f}", said]
