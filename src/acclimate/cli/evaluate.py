"""``acclimate evaluate``: a trained model against labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from acclimate.cli import console
from acclimate.cli.options import BatchSizeOption, JsonOption

if TYPE_CHECKING:
    from acclimate.core.records import LabelledMetrics, RetrievalMetrics
    from acclimate.data.domain import Domain
    from acclimate.training.inference import LoadedModel

EXAMPLE = "Example: acclimate evaluate acclimate-runs/dann --data photos/phone --json"


def register(app: typer.Typer) -> None:
    app.command("evaluate", epilog=EXAMPLE)(evaluate)


def evaluate(
    run: Annotated[Path, typer.Argument(help="The folder of a run.")],
    data: Annotated[
        str,
        typer.Option(
            "--data",
            help="Labelled data: a data set, a folder of class folders, .npz, a table; of a retrieval "
            "model people with identities.",
        ),
    ],
    split: Annotated[
        str,
        typer.Option(
            "--split", help="Which part of a registered set; of people test, train or all."
        ),
    ] = "test",
    batch_size: BatchSizeOption = 512,
    json: JsonOption = False,
) -> None:
    """Measure a model on labelled data: accuracy, AUROC, calibration, confusion, per class.

    A model that tells identities apart: shares of probes with a match among their nearest 1, 5, 10
    and 20, mean average precision, and the area under that curve.
    """
    from acclimate.cli.downloads import download_progress
    from acclimate.serve.evaluate import evaluate_model, open_for
    from acclimate.training.inference import load_model

    model = load_model(run)
    if model.tells_identities:
        _evaluate_people(model, run, data, split, batch_size, json)
        return
    with download_progress() as progress:
        domain = open_for(model, data, split, progress=progress)
    metrics = evaluate_model(model, domain, batch_size)
    _warn(domain)
    if json:
        console.print_json(_as_json(metrics, domain))
    else:
        _print(metrics)


def _evaluate_people(
    model: LoadedModel, run: Path, data: str, split: str, batch_size: int, json: bool
) -> None:
    from acclimate.cli.downloads import download_progress
    from acclimate.serve.evaluate_people import evaluate_people, open_people_for

    with download_progress() as progress:
        domain = open_people_for(model, run, data, split, progress=progress)
    metrics = evaluate_people(model, domain, batch_size)
    _warn(domain)
    if json:
        said = {"skipped": list(domain.skipped), "notes": list(domain.notes)}
        console.print_json({**metrics.model_dump(), **said})
    else:
        _print_ranks(metrics)


def _print_ranks(metrics: RetrievalMetrics) -> None:
    headings = ["probes", "gallery", "rank 1", "rank 5", "rank 10", "rank 20", "mAP", "area"]
    ranks = (metrics.rank1, metrics.rank5, metrics.rank10, metrics.rank20)
    whole = (metrics.probes, metrics.gallery, *ranks)
    console.print_table(headings, [(*whole, metrics.mean_average_precision, metrics.area)])
    if metrics.without_match:
        console.print_line(
            f"{metrics.without_match} more probes have no match in the gallery and count nowhere"
        )


def _warn(domain: Domain) -> None:
    console.warn_of_skipped(domain.skipped, listed="--json names them")
    for line in domain.notes:
        console.warn(f"{domain.name}: {line}")


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
