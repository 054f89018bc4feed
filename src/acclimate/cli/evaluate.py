"""``acclimate evaluate``: a trained model against labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from acclimate.cli import console
from acclimate.cli.options import BatchSizeOption, JsonOption

if TYPE_CHECKING:
    from acclimate.core.records import LabelledMetrics
    from acclimate.data.domain import Domain

EXAMPLE = "Example: acclimate evaluate acclimate-runs/dann --data photos/phone --json"


def register(app: typer.Typer) -> None:
    app.command("evaluate", epilog=EXAMPLE)(evaluate)


def evaluate(
    run: Annotated[Path, typer.Argument(help="The folder of a run.")],
    data: Annotated[
        str,
        typer.Option(
            "--data", help="Labelled data: a data set, a folder of class folders, .npz, a table."
        ),
    ],
    split: Annotated[str, typer.Option("--split", help="Which part of a registered set.")] = "test",
    batch_size: BatchSizeOption = 512,
    json: JsonOption = False,
) -> None:
    """Measure a model on labelled data: accuracy, AUROC, calibration, confusion, per class."""
    from acclimate.cli.downloads import download_progress
    from acclimate.serve.evaluate import evaluate_model, open_for
    from acclimate.training.inference import load_model

    model = load_model(run)
    with download_progress() as progress:
        domain = open_for(model, data, split, progress=progress)
    metrics = evaluate_model(model, domain, batch_size)
    for line in domain.skipped:
        console.warn(f"skipped {line}")
    for line in domain.notes:
        console.warn(f"{domain.name}: {line}")
    if json:
        console.print_json(_as_json(metrics, domain))
    else:
        _print(metrics)


def _as_json(metrics: LabelledMetrics, domain: Domain) -> dict[str, Any]:
    error = metrics.calibration.expected_calibration_error
    return {
        **metrics.model_dump(),
        "expected_calibration_error": error,
        "skipped": list(domain.skipped),
        "notes": list(domain.notes),
    }


def _print(metrics: LabelledMetrics) -> None:
    error = metrics.calibration.expected_calibration_error
    whole = [(metrics.n, metrics.accuracy, metrics.auroc, error)]
    console.print_table(["n", "accuracy", "AUROC", "calibration error"], whole)
    per_class = zip(
        metrics.class_names,
        metrics.class_counts,
        metrics.class_accuracy,
        metrics.class_auroc,
        strict=True,
    )
    console.print_table(["class", "n", "accuracy", "AUROC"], list(per_class))
    console.print_table(
        ["true \\ predicted", *metrics.class_names],
        [(name, *row) for name, row in zip(metrics.class_names, metrics.confusion, strict=True)],
    )
