"""``acclimate bench``: how fast this machine trains, measured as ratios in one run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from acclimate.cli import console
from acclimate.cli.options import JsonOption

if TYPE_CHECKING:
    from acclimate.experiments.bench_step import Round

EXAMPLE = "Example: acclimate bench step --rounds 7"


def register(app: typer.Typer) -> None:
    bench = typer.Typer(help="Measure speed as ratios, alternating in one run.")
    bench.command("step", epilog=EXAMPLE)(step)
    app.add_typer(bench, name="bench", epilog=EXAMPLE)


def step(
    rounds: Annotated[int, typer.Option(min=1, help="Alternations of the two loops.")] = 7,
    steps: Annotated[int, typer.Option(min=5, help="Steps of each loop in a round.")] = 40,
    batch_size: Annotated[
        int, typer.Option(min=2, help="Source items; as many target items.")
    ] = 128,
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads; all if not given.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    json: JsonOption = False,
) -> None:
    """Our DANN step beside a plain hand-written loop, on the paper's MNIST network."""
    import torch

    from acclimate.experiments.bench_step import bench_step

    if threads is not None:
        torch.set_num_threads(threads)
    result = bench_step(rounds, steps, batch_size, device, done=_note).as_dict()
    if json:
        console.print_json(result)
        return
    rows = [(name.replace("_", " "), *_cells(value)) for name, value in result.items()]
    console.print_table(["figure", "median", "minimum", "maximum"], rows)


def _note(done: Round) -> None:
    console.note(
        f"ours {done.ours:,.0f} images/s, plain {done.plain:,.0f}, ratio {done.ours / done.plain:.2f}, "
        f"matrix multiply {done.peak_gflops:.0f} GFLOP/s"
    )


def _cells(value: Any) -> tuple[Any, Any, Any]:
    if isinstance(value, dict):
        return value["median"], value["minimum"], value["maximum"]
    return value, None, None
