"""Options of ``acclimate fit`` for tables with named columns."""

from __future__ import annotations

from typing import Annotated, Any

import typer

PANEL = "Tables (CSV, Parquet)"


def _column(help: str, **shown: Any) -> Any:
    return typer.Option(metavar="COLUMN", help=help, rich_help_panel=PANEL, **shown)


LabelOption = Annotated[str | None, _column("The column of the classes.")]

TextOption = Annotated[
    list[str] | None, _column("A column of text, whose words are counted. Repeatable.")
]

TextFeaturesOption = Annotated[
    str | None,
    typer.Option(
        help="tf-idf, or hashing for more words than can be listed.",
        show_default="tf-idf",
        rich_help_panel=PANEL,
    ),
]

DropOption = Annotated[list[str] | None, _column("A column to leave out. Repeatable.")]

IdOption = Annotated[
    str | None,
    _column(
        "The column that names rows in predictions.csv; no feature.",
        show_default="rows are counted",
    ),
]
