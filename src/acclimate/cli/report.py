"""``acclimate report``: runs as a table and as one page that opens without a network."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from acclimate.cli import console
from acclimate.cli.options import JsonOption
from acclimate.core.errors import ConfigurationError, RecordError

if TYPE_CHECKING:
    from acclimate.core.records import RunRecord

EXAMPLE = "Example: acclimate report acclimate-runs/dann acclimate-runs/source-only"


def register(app: typer.Typer) -> None:
    app.command("report", epilog=EXAMPLE)(report)


def report(
    runs: Annotated[list[Path], typer.Argument(help="Folders of one or several runs.")],
    output: Annotated[
        Path | None,
        typer.Option(
            help="The page; by default report.html, in the run's folder if it is only one."
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Compare runs in a table and write a self-contained HTML page about them."""
    from acclimate.report.html import write_report
    from acclimate.report.table import comparison_rows, text_table

    page = output or (runs[0] if len(runs) == 1 else Path()) / "report.html"
    if page.suffix.lower() not in (".html", ".htm"):
        raise ConfigurationError(f"--output {page} is no HTML file; give a name like report.html")
    records = _with_baselines(runs)
    written = write_report(runs, page)
    rows = comparison_rows(records)
    if json:
        console.print_json({"report": str(written), "runs": [row.as_dict() for row in rows]})
        return
    headings, cells = text_table(rows)
    console.print_table(headings, cells)
    console.print_line(f"report: {written}")


def _with_baselines(runs: list[Path]) -> list[RunRecord]:
    """The records of ``runs``, each after that of the source-only run it was held against."""
    from acclimate.core.records import read_record

    records: dict[Path, RunRecord] = {}
    for run in runs:
        record = read_record(run)
        if record.baseline is not None:
            # a baseline that was moved away costs its row; the page says why
            with contextlib.suppress(RecordError):
                place = (run / record.baseline).resolve()
                records.setdefault(place, read_record(place))
        records[run.resolve()] = record
    return list(records.values())
