"""Options of ``acclimate fit``: what is trained."""

from __future__ import annotations

from typing import Annotated

import typer

METHOD = "Method"

ObjectiveOption = Annotated[
    str | None,
    typer.Option(
        help="What labels mean: classification, or retrieval (of people across cameras).",
        show_default="classification",
        rich_help_panel=METHOD,
    ),
]

ProtocolOption = Annotated[
    str | None,
    typer.Option(
        help="Where the defaults below come from: default, photos, or paper (JMLR 2016).",
        show_default="default, with a backbone photos",
        rich_help_panel=METHOD,
    ),
]

AlgorithmOption = Annotated[
    str | None,
    typer.Option(
        help="See 'acclimate list algorithms'; several: dann+mi; auto tries a few and chooses.",
        show_default="dann-self-training, on a frozen backbone shallow",
        rich_help_panel=METHOD,
    ),
]

BudgetOption = Annotated[
    float | None,
    typer.Option(
        help="With --algorithm auto: minutes of training, all candidates together.",
        show_default="30",
        rich_help_panel=METHOD,
    ),
]

StartFromOption = Annotated[
    str | None,
    typer.Option(
        help="Run folder whose model training begins with: a second stage.",
        rich_help_panel=METHOD,
    ),
]

NetworkOption = Annotated[
    str | None,
    typer.Option(
        help="See 'acclimate list networks'; auto and paper look at the data.",
        show_default="auto",
        rich_help_panel=METHOD,
    ),
]

SettingsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="An option of the algorithm, network or objective: algorithm.weight=0.5. Repeatable.",
        rich_help_panel=METHOD,
    ),
]

ValidatorOption = Annotated[
    str | None,
    typer.Option(
        help="Label-free score that chooses the checkpoint.",
        show_default="default",
        rich_help_panel=METHOD,
    ),
]
