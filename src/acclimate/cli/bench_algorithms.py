"""``acclimate bench algorithms``: what a step of each algorithm costs beside its arithmetic."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from acclimate.cli import console
from acclimate.cli.options import DeviceOption, JsonOption, ThreadsOption, use_threads

if TYPE_CHECKING:
    from acclimate.experiments.bench_algorithms import StepCost

EXAMPLE = "Example: acclimate bench algorithms --algorithm mcc --algorithm deep-jdot"


def register(bench: typer.Typer) -> None:
    bench.command("algorithms", epilog=EXAMPLE)(algorithms)


def algorithms(
    algorithm: Annotated[
        list[str] | None,
        typer.Option(
            help="See 'acclimate list algorithms', repeatable.",
            show_default="all that train on the target",
        ),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Alternations with DANN.")] = 5,
    steps: Annotated[int, typer.Option(min=1, help="Steps of each in a round.")] = 8,
    threads: ThreadsOption = None,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Each algorithm's training step over DANN's, in time and in arithmetic, in one run."""
    import torch

    from acclimate.experiments.bench_algorithms import ALLOWED, bench_algorithms

    use_threads(threads)
    found = bench_algorithms(algorithm, rounds, steps, device, done=_note)
    over = [each.algorithm for each in found if each.over_arithmetic > ALLOWED]
    if json:
        lines = [{**asdict(each), "over_arithmetic": each.over_arithmetic} for each in found]
        console.print_json({"algorithms": lines, "over": over, "threads": torch.get_num_threads()})
        return
    console.print_table(
        ["algorithm", "ms a step", "time / DANN's", "arithmetic / DANN's", "time / arithmetic"],
        [_cells(each) for each in found],
    )
    said = ", ".join(over) if over else "none"
    console.print_line(f"more than {ALLOWED} times their arithmetic: {said}")


def _note(done: StepCost) -> None:
    console.note(f"{done.algorithm}: {done.time:.2f} times DANN's step")


def _cells(each: StepCost) -> list[Any]:
    return [
        each.algorithm,
        f"{each.milliseconds:.0f}",
        f"{each.time:.2f} ({each.fastest:.2f}–{each.slowest:.2f})",
        f"{each.arithmetic:.2f}",
        f"{each.over_arithmetic:.2f}",
    ]
