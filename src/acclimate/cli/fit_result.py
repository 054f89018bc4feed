"""What ``acclimate fit`` says and writes once a run is finished."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from acclimate.cli import console

if TYPE_CHECKING:
    from acclimate.core.records import RunRecord


def say(record: RunRecord, folder: Path, predictions: bool, report: bool, json: bool) -> None:
    """Everything that comes after training: predictions, page, table, verdict."""
    from acclimate.core.records import read_record
    from acclimate.report.html import write_report
    from acclimate.report.table import comparison_rows, text_table

    for domain in (record.source, record.target):
        console.warn_of_skipped(
            domain.skipped, domain.name, listed=f"{folder / 'record.json'} names them"
        )
        for line in domain.notes:
            console.warn(f"{domain.name}: {line}")
    retrieves = record.objective == "retrieval"
    table = _predict(folder) if predictions and not retrieves else None
    page = write_report([folder], folder / "report.html") if report else None
    records = [record]
    if record.baseline:
        records.insert(0, read_record(folder / record.baseline))
    rows = comparison_rows(records)
    written = {"run": folder, "predictions": table, "report": page}
    if json:
        result = {name: None if path is None else str(path) for name, path in written.items()}
        console.print_json(
            {**result, **rows[-1].as_dict(), "rows": [row.as_dict() for row in rows]}
        )
        return
    headings, cells = text_table(rows)
    console.print_table(headings, cells)
    if record.choice:
        console.print_line(record.choice)
    if record.verdict:
        console.print_line(f"{record.verdict.outcome}: {record.verdict.reason}")
    for name, path in written.items():
        if path is not None:
            console.print_line(f"{name}: {path}")


def _predict(folder: Path) -> Path | None:
    """The table of predictions; a model that cannot predict must not cost the run its report."""
    from acclimate.core.errors import DataError
    from acclimate.serve.target import predict_target

    try:
        with console.progress() as bar:
            task = bar.add_task("predicting the target", total=None)
            path, _ = predict_target(
                folder,
                progress=lambda count, total: bar.update(task, completed=count, total=total),
            )
    except DataError as error:
        console.warn(f"no predictions.csv: {error}")
        return None
    return path
