"""``acclimate bench pictures``: from files to augmented batches, beside ImageFolder and DataLoader."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Annotated

import typer

from acclimate.cli import console
from acclimate.cli.options import JsonOption, ThreadsOption, use_threads

EXAMPLE = "Example: acclimate bench pictures photos/studio --rounds 3"


def register(bench: typer.Typer) -> None:
    bench.command("pictures", epilog=EXAMPLE)(pictures)


def pictures(
    folder: Annotated[Path, typer.Argument(help="A folder of class folders of photos.")],
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each side.")] = 3,
    epochs: Annotated[int, typer.Option(min=2, help="Passes over the folder in a turn.")] = 3,
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures in a batch.")] = 32,
    workers: Annotated[int, typer.Option(min=0, help="Processes of the plain loader.")] = 2,
    memory_limit: Annotated[
        int, typer.Option(min=0, help="MiB of decoded pictures that ours keeps in memory.")
    ] = 2048,
    threads: ThreadsOption = None,
    json: JsonOption = False,
) -> None:
    """Pictures a second at 224 pixels, cut and mirrored at random, in the first epoch and later ones."""
    import torch

    from acclimate.core.errors import DataError
    from acclimate.experiments.bench_pictures import bench_pictures

    use_threads(threads)
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder; give one with a folder for each class")
    found = bench_pictures(
        folder,
        rounds=rounds,
        epochs=epochs,
        batch_size=batch_size,
        workers=workers,
        memory_mib=memory_limit,
        said=console.note,
    )
    if json:
        console.print_json(
            {
                "pictures": found.pictures,
                "ours": found.ours,
                "image_folder": found.theirs,
                "ratio_of_later_epochs": found.ratio,
                "seconds_to_first_batch_of_a_later_run": found.second_start,
                "memory_mib": found.memory_mib,
                "memory_limit_mib": memory_limit,
                "threads": torch.get_num_threads(),
                "workers": workers,
            }
        )
        return
    rows = [
        [
            f"epoch {number + 1}",
            f"{median(rates[number] for rates in found.ours):.0f}",
            f"{median(rates[number] for rates in found.theirs):.0f}",
        ]
        for number in range(epochs)
    ]
    console.print_table(["", "ours", "ImageFolder + DataLoader"], rows, title="pictures a second")
    console.print_line(
        f"later epochs: {found.ratio:.1f} times as many; a later run's first batch after "
        f"{median(found.second_start):.1f} s ({found.pictures} pictures)"
    )
    console.print_line(
        f"memory of ours, decoding included: {found.memory_mib:,.0f} MiB with --memory-limit {memory_limit}"
    )
