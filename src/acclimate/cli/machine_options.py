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
