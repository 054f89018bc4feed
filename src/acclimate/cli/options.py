"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

JsonOption = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON object on standard output instead of tables."),
]

BatchSizeOption = Annotated[
    int, typer.Option("--batch-size", min=1, help="Items that go through the network at once.")
]

ThreadsOption = Annotated[int | None, typer.Option(min=1, help="CPU threads; all if not given.")]

DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]


def use_threads(threads: int | None) -> None:
    """Compute with so many, here and in processes that this one starts; ``None`` changes nothing."""
    if threads is None:
        return
    import os

    import torch

    torch.set_num_threads(threads)
    os.environ["OMP_NUM_THREADS"] = str(threads)
