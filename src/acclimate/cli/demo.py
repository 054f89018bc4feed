"""``acclimate demo``: what the tool does, in a minute or two, without a network."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from acclimate.cli import console
from acclimate.cli.options import JsonOption
from acclimate.core.errors import ConfigurationError, near_miss

EXAMPLE = "Example: acclimate demo --pair fonts --seed 1"


def register(app: typer.Typer) -> None:
    app.command("demo", epilog=EXAMPLE)(demo)


def demo(
    pair: Annotated[
        str, typer.Option(help="digits-m (digits on photos) or fonts (fonts → handwriting).")
    ] = "digits-m",
    seed: Annotated[int, typer.Option(min=0, help="Of everything random in training.")] = 0,
    steps: Annotated[int | None, typer.Option(min=20, help="Optimiser steps of each row.")] = None,
    output: Annotated[
        Path | None, typer.Option(help="New folder; acclimate-runs/demo-… if not given.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Train source-only, DANN, the default method and an oracle on built-in digits; show a table."""
    from acclimate.cli.watch import TerminalObserver
    from acclimate.experiments.demo import PAIRS, STEPS, run_demo
    from acclimate.report.html import write_report
    from acclimate.report.table import comparison_rows, text_table

    if pair not in PAIRS:
        raise ConfigurationError(f"unknown pair {pair!r}.{near_miss(pair, PAIRS)}")
    folder = output or _free_folder(Path("acclimate-runs"), f"demo-{pair}-seed{seed}")
    command = shlex.join(["acclimate", *sys.argv[1:]])
    console.set_way_on(None)
    with TerminalObserver() as observer:
        result = run_demo(
            folder, pair=pair, seed=seed, steps=steps or STEPS, observer=observer, command=command
        )
    source, target = PAIRS[pair]
    page = write_report(result.folders, folder / "report.html", title=f"Demo: {source} → {target}")
    rows = comparison_rows(result.records)
    if json:
        console.print_json({"report": str(page), "runs": [row.as_dict() for row in rows]})
        return
    headings, cells = text_table(rows)
    console.print_table(headings, cells, title=f"{source} → {target}, seed {seed}")
    for record in result.records:
        if record.verdict:
            console.print_line(
                f"{record.algorithm}: {record.verdict.outcome}. {record.verdict.reason}"
            )
    console.print_line(f"report: {page}")


def _free_folder(parent: Path, name: str) -> Path:
    """``parent/name``, or with a number behind it if that is taken."""
    candidates = (parent / (name if not i else f"{name}-{i}") for i in range(10_000))
    return next(path for path in candidates if not path.exists())
