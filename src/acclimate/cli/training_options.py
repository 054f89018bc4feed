"""Options of ``acclimate fit``: how it is trained."""

from __future__ import annotations

from typing import Annotated

import typer

TRAINING = "Training"

StepsOption = Annotated[
    int | None,
    typer.Option(help="Optimiser steps.", show_default="5000", rich_help_panel=TRAINING),
]

EpochsOption = Annotated[
    float | None,
    typer.Option(help="Instead of steps: passes over the source.", rich_help_panel=TRAINING),
]

BatchSizeOption = Annotated[
    int | None,
    typer.Option(
        help="Items of each domain in a step, all processes together.",
        show_default="64",
        rich_help_panel=TRAINING,
    ),
]

LearningRateOption = Annotated[
    float | None,
    typer.Option(
        "--lr",
        "--learning-rate",
        help="Learning rate.",
        show_default="0.004",
        rich_help_panel=TRAINING,
    ),
]

ScheduleOption = Annotated[
    str | None,
    typer.Option(
        help="Of the learning rate: paper, cosine, trapezoid or constant.",
        show_default="cosine",
        rich_help_panel=TRAINING,
    ),
]

OptimiserOption = Annotated[
    str | None,
    typer.Option(help="sgd, adam or adamw.", show_default="adam", rich_help_panel=TRAINING),
]

MomentumOption = Annotated[
    float | None,
    typer.Option(help="Of SGD; β₁ of Adam.", show_default="0.9", rich_help_panel=TRAINING),
]

WeightDecayOption = Annotated[
    float | None,
    typer.Option(help="Weight decay.", show_default="0.0", rich_help_panel=TRAINING),
]

AveragingOption = Annotated[
    float | None,
    typer.Option(
        help="Decay of the weight average; 0 = none.",
        show_default="0.99",
        rich_help_panel=TRAINING,
    ),
]

GradientClipOption = Annotated[
    float | None,
    typer.Option(help="Largest norm of the gradient.", rich_help_panel=TRAINING),
]

SharpnessOption = Annotated[
    float | None,
    typer.Option(
        help="Smooths the classification loss: the radius of SAM (SDAT: 0.02); 0 = not.",
        show_default="0.0",
        rich_help_panel=TRAINING,
    ),
]

EvaluationsOption = Annotated[
    int | None,
    typer.Option(
        help="How often to evaluate and save a checkpoint.",
        show_default="20",
        rich_help_panel=TRAINING,
    ),
]

LogEveryOption = Annotated[
    int | None,
    typer.Option(help="Steps between logged rows.", show_default="50", rich_help_panel=TRAINING),
]

LoggerOption = Annotated[
    list[str] | None,
    typer.Option(
        help="tensorboard, wandb or mlflow, repeatable; none for metrics.csv alone.",
        show_default="tensorboard",
        rich_help_panel=TRAINING,
    ),
]
