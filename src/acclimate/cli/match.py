"""``acclimate match``: whom the probes show, looked for in a gallery."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from acclimate.cli import console
from acclimate.cli.options import BatchSizeOption, DeviceOption, JsonOption

if TYPE_CHECKING:
    from acclimate.serve.match import Matched

EXAMPLE = "Example: acclimate match runs/people seen/*.jpg --gallery archive --count 5"

SHOWN = 10  # probes in the table that is printed


def register(app: typer.Typer) -> None:
    app.command("match", epilog=EXAMPLE)(match)


def match(
    run: Annotated[Path, typer.Argument(help="The folder of a run of --objective retrieval.")],
    probes: Annotated[
        list[str],
        typer.Argument(help="Whom to look for: pictures, folders, CSV lists, a set of people."),
    ],
    gallery: Annotated[
        list[str],
        typer.Option(help="Where to look: the same, and what --descriptors wrote. Several: again."),
    ],
    count: Annotated[int, typer.Option(min=1, help="Gallery pictures for each probe.")] = 20,
    output: Annotated[Path, typer.Option(help="The table to write.")] = Path("matches.csv"),
    descriptors: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.npz",
            help="Keep the gallery's descriptors, to be given as --gallery later.",
        ),
    ] = None,
    backend: Annotated[str, typer.Option(help="matrix or faiss, which needs faiss.")] = "matrix",
    batch_size: BatchSizeOption = 256,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Find the pictures of a gallery that show whom the probes show, into a CSV file.

    Unreadable pictures are listed and skipped. A probe's own file is never its match.
    """
    from acclimate.serve.match import match as match_all
    from acclimate.training.devices import inference_fabric
    from acclimate.training.inference import load_model

    model, fabric = load_model(run), inference_fabric(device, 1)
    with console.progress() as bar:
        task = bar.add_task("pictures", total=None)
        found = match_all(
            model,
            probes,
            gallery,
            output,
            count=count,
            descriptors=descriptors,
            backend=backend,
            batch_size=batch_size,
            device=fabric.device,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    console.warn_of_skipped(found.skipped)
    for line in found.notes:
        console.warn(line)
    if json:
        console.print_json(
            {
                "output": str(output),
                "descriptors": None if descriptors is None else str(descriptors),
                "probes": len(found.probes),
                "gallery": len(found.gallery),
                "count": found.indices.shape[1],
                "skipped": found.skipped,
                "notes": found.notes,
            }
        )
        return
    _print(found, output, descriptors)


def _print(found: Matched, output: Path, descriptors: Path | None) -> None:
    first = [row for row in found.rows() if row[1] == 1]
    cells = [(probe, item, similarity) for probe, _, item, similarity in first[:SHOWN]]
    console.print_table(["probe", "nearest", "similarity"], cells)
    if len(first) > SHOWN:
        console.print_line(f"and {len(first) - SHOWN} more probes")
    console.print_line(
        f"the {found.indices.shape[1]} nearest of {len(found.gallery)} gallery pictures for each of "
        f"{len(found.probes)} probes in {output}"
    )
    if descriptors is not None:
        console.print_line(f"the gallery's descriptors in {descriptors}")
