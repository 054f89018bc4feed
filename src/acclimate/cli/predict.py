"""``acclimate predict``: classes for pictures and rows that nobody has labelled."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from acclimate.cli import console
from acclimate.cli.options import BatchSizeOption, JsonOption

EXAMPLE = "Example: acclimate predict acclimate-runs/dann photos/phone --annotate labelled"


def register(app: typer.Typer) -> None:
    app.command("predict", epilog=EXAMPLE)(predict)


def predict(
    run: Annotated[Path, typer.Argument(help="The folder of a run.")],
    paths: Annotated[
        list[Path], typer.Argument(help="Pictures, folders of pictures, .npz files with x, tables.")
    ],
    output: Annotated[Path, typer.Option(help="The table to write.")] = Path("predictions.csv"),
    annotate: Annotated[
        Path | None,
        typer.Option(help="Also write copies of the pictures with the class drawn on, to here."),
    ] = None,
    batch_size: BatchSizeOption = 256,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    devices: Annotated[int, typer.Option(min=1, help="Processes, one per device.")] = 1,
    json: JsonOption = False,
) -> None:
    """Predict into a CSV file: class, probability, and the two classes that come next.

    Unreadable pictures are listed and skipped; only when all are does the command fail.
    """
    from contextlib import nullcontext

    from acclimate.cli.processes import is_helper, leave_group
    from acclimate.serve.predict import predict as predict_all
    from acclimate.training.devices import inference_fabric
    from acclimate.training.inference import load_model

    model, fabric = load_model(run), inference_fabric(device, devices)
    watched: Any = nullcontext() if is_helper() else console.progress()
    with watched as bar:
        task = None if bar is None else bar.add_task("pictures", total=None)
        done = predict_all(
            model,
            paths,
            output,
            annotate=annotate,
            batch_size=batch_size,
            progress=None
            if bar is None
            else lambda count, total: bar.update(task, completed=count, total=total),
            fabric=fabric,
        )
    if not leave_group():
        return
    console.warn_of_skipped(done.skipped, listed="--json names them")
    for line in done.notes:
        console.warn(line)
    counts = Counter(prediction.name for prediction in done.predictions)
    if json:
        console.print_json(
            {
                "output": str(output),
                "annotated": None if annotate is None else str(annotate),
                "n": len(done.predictions),
                "class_counts": {name: counts[name] for name in model.class_names},
                "skipped": done.skipped,
                "notes": done.notes,
            }
        )
        return
    console.print_table(["class", "items"], [(k, counts[k]) for k in model.class_names])
    console.print_line(f"{len(done.predictions)} predictions in {output}")
    if annotate is not None:
        console.print_line(f"annotated copies in {annotate}")
