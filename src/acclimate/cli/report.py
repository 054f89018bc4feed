"""``acclimate report``: runs as a table and as one page that opens without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from acclimate.cli import console
from acclimate.cli.options import JsonOption
from acclimate.core.errors import ConfigurationError

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
    """Compare runs in a table and write a self-contained HTML page about them.

    Runs that differ in the seed only become one row: mean ± sample standard deviation.
    """
    from acclimate.report.html import compared_records, load_runs, write_page
    from acclimate.report.seeds import has_several_seeds, summary_rows, summary_table
    from acclimate.report.table import by_objective, comparison_rows, text_table

    page = output or (runs[0] if len(runs) == 1 else Path()) / "report.html"
    if page.suffix.lower() not in (".html", ".htm"):
        raise ConfigurationError(f"--output {page} is no HTML file; give a name like report.html")
    loaded = load_runs(runs)
    records = compared_records(loaded)
    written = write_page(loaded, page)
    rows, summary = comparison_rows(records), summary_rows(records)
    if json:
        console.print_json(
            {
                "report": str(written),
                "summary": [row.as_dict() for row in summary],
                "runs": [row.as_dict() for row in rows],
            }
        )
        return
    for part, over in zip(by_objective(rows), by_objective(summary), strict=True):
        headings, cells = summary_table(over) if has_several_seeds(over) else text_table(part)
        console.print_table(headings, cells)
    console.print_line(f"report: {written}")
