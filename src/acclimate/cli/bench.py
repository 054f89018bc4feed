"""``acclimate bench``: how fast this machine trains, measured as ratios in one run."""

from __future__ import annotations

import shlex
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from acclimate.cli import (
    bench_algorithms,
    bench_gallery,
    bench_pictures,
    bench_selection,
    bench_shallow,
    console,
)
from acclimate.cli.options import DeviceOption, JsonOption, ThreadsOption, use_threads

if TYPE_CHECKING:
    from acclimate.experiments.bench_step import Round

EXAMPLE = "Example: acclimate bench step --rounds 7"
ACCURACY_EXAMPLE = "Example: acclimate bench accuracy mnist-m --threads 2 --output bench-mnist-m"


def register(app: typer.Typer) -> None:
    bench = typer.Typer(help="Speed as ratios in one run, and trust in label-free choices.")
    bench.command("step", epilog=EXAMPLE)(step)
    bench.command("accuracy", epilog=ACCURACY_EXAMPLE)(accuracy)
    bench_algorithms.register(bench)
    bench_gallery.register(bench)
    bench_pictures.register(bench)
    bench_selection.register(bench)
    bench_shallow.register(bench)
    app.add_typer(bench, name="bench", epilog=EXAMPLE)


def step(
    rounds: Annotated[int, typer.Option(min=1, help="Alternations of the two loops.")] = 7,
    steps: Annotated[int, typer.Option(min=5, help="Steps of each loop in a round.")] = 40,
    batch_size: Annotated[
        int, typer.Option(min=2, help="Source items; as many target items.")
    ] = 128,
    threads: ThreadsOption = None,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Our DANN step beside a plain hand-written loop, on the paper's MNIST network."""
    from acclimate.experiments.bench_step import bench_step

    use_threads(threads)
    result = bench_step(rounds, steps, batch_size, device, done=_note).as_dict()
    if json:
        console.print_json(result)
        return
    rows = [(name.replace("_", " "), *_cells(value)) for name, value in result.items()]
    console.print_table(["figure", "median", "minimum", "maximum"], rows)


def accuracy(
    pair: Annotated[
        str, typer.Argument(help="A pair of a table that reproduce knows, such as mnist-m.")
    ],
    thresholds: Annotated[
        list[float] | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Target accuracy to reach, repeatable.",
            show_default="0.767, 0.876 and 0.95",
        ),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Our optimiser steps.", show_default="the recipe's")
    ] = None,
    plain_epochs: Annotated[
        float, typer.Option(min=0.001, help="Passes of the plain loop over the source.")
    ] = 20.0,
    evaluations: Annotated[int, typer.Option(min=1, help="How often each is looked at.")] = 40,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random in training.")] = 0,
    threads: ThreadsOption = None,
    device: DeviceOption = "auto",
    output: Annotated[
        Path | None,
        typer.Option(help="Keep both trainings here, and go on with them; else nothing is kept."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Seconds of training to a target accuracy: our default recipe beside a plain DANN loop."""
    from acclimate.experiments.bench_accuracy import THRESHOLDS, bench_accuracy, contest_of

    contest = contest_of(
        pair,
        steps=steps,
        plain_epochs=plain_epochs,
        evaluations=evaluations,
        seed=seed,
        device=device,
    )
    use_threads(threads)
    command = shlex.join(["acclimate", *sys.argv[1:]])
    console.set_way_on(command if output else None)
    with ExitStack() as stack:
        folder = output or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        result = bench_accuracy(
            contest,
            folder,
            thresholds=thresholds or THRESHOLDS,
            say=console.note,
            command=command,
        ).as_dict()
    if json:
        console.print_json(result)
    else:
        _print_accuracy(result)


def _print_accuracy(result: dict[str, Any]) -> None:
    console.print_table(
        ["target accuracy (oracle)", "ours, seconds", "plain loop, seconds", "plain / ours"],
        [tuple(line.values()) for line in result["thresholds"]],
        title=f"{result['source']} → {result['target']}, seconds of training",
    )
    both = [result["ours"], result["plain"]]
    rows = [(name.replace("_", " "), *(side[name] for side in both)) for name in both[0]]
    rows += [(name, result[name], None) for name in ("threads", "processor", "device", "torch")]
    console.print_table(["figure", "ours", "plain loop"], rows)


def _note(done: Round) -> None:
    console.note(
        f"ours {done.ours:,.0f} images/s, plain {done.plain:,.0f}, ratio {done.ours / done.plain:.2f}, "
        f"matrix multiply {done.peak_gflops:.0f} GFLOP/s"
    )


def _cells(value: Any) -> tuple[Any, Any, Any]:
    if isinstance(value, dict):
        return value["median"], value["minimum"], value["maximum"]
    return value, None, None
