"""Options of ``acclimate fit``: the machine."""

from __future__ import annotations

from typing import Annotated

import typer

MACHINE = "Machine"

DeviceOption = Annotated[
    str | None,
    typer.Option(help="auto, cpu, cuda or mps.", show_default="auto", rich_help_panel=MACHINE),
]

DevicesOption = Annotated[
    int | None,
    typer.Option(help="Processes, one per device.", show_default="1", rich_help_panel=MACHINE),
]

PrecisionOption = Annotated[
    str | None,
    typer.Option(help="auto, 32, bf16 or 16.", show_default="auto", rich_help_panel=MACHINE),
]

NodesOption = Annotated[
    int | None,
    typer.Option(
        help="Machines, each with so many devices (SLURM, torchrun).",
        show_default="1",
        rich_help_panel=MACHINE,
    ),
]

StrategyOption = Annotated[
    str | None,
    typer.Option(
        help="auto or ddp; fsdp is refused.", show_default="auto", rich_help_panel=MACHINE
    ),
]

JointLossesOption = Annotated[
    bool | None,
    typer.Option(
        "--joint-losses/--losses-per-process",
        help="With several processes: losses over the items of all of them, or of each alone.",
        show_default="joint where a loss compares items",
        rich_help_panel=MACHINE,
    ),
]

SyncBatchNormOption = Annotated[
    bool | None,
    typer.Option(
        "--sync-batch-norm/--no-sync-batch-norm",
        help="With several processes: BatchNorm over the items of all of them.",
        show_default="sync-batch-norm",
        rich_help_panel=MACHINE,
    ),
]
