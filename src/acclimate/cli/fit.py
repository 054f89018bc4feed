"""``acclimate fit``: the main job."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from acclimate.cli import console
from acclimate.cli.options import JsonOption
from acclimate.cli.table_options import DropOption, IdOption, LabelOption, TextOption

if TYPE_CHECKING:
    from acclimate.core.records import RunRecord
    from acclimate.training.settings import FitSettings

EXAMPLE = "Example: acclimate fit --source photos/studio --target photos/phone --output runs/phone"

METHOD, TRAINING = "Method", "Training"
PICTURES, MACHINE = "Pictures", "Machine"


def register(app: typer.Typer) -> None:
    app.command("fit", epilog=EXAMPLE)(fit)


def fit(
    source: Annotated[
        list[str] | None,
        typer.Option(
            help="Labelled: a data set, a folder of class folders, .npz, a table (.csv, .parquet, "
            ".svmlight). Several: give it again."
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(help="Unlabelled: a data set, a folder of pictures, .npz, a table."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="The run's folder; must be new.",
            show_default="acclimate-runs/SOURCE-to-TARGET-ALGORITHM-seedN",
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on with the run in --output; nothing else need be repeated."
        ),
    ] = False,
    seed: Annotated[
        int | None, typer.Option(help="Of everything random in training.", show_default="0")
    ] = None,
    unlabelled_target: Annotated[
        bool,
        typer.Option("--unlabelled-target", help="The target's subfolders are no classes."),
    ] = False,
    target_labels: Annotated[
        str | None,
        typer.Option(
            metavar="N|FILE",
            help="Train on a few target labels too: N of each class, or file,label rows of a CSV file.",
        ),
    ] = None,
    baseline: Annotated[
        bool | None,
        typer.Option(
            "--baseline/--no-baseline",
            help="Train source-only too, to hold the verdict against.",
            show_default="baseline",
        ),
    ] = None,
    predictions: Annotated[
        bool, typer.Option(help="Write predictions.csv, a row for each target item.")
    ] = True,
    report: Annotated[bool, typer.Option(help="Write report.html.")] = True,
    json: JsonOption = False,
    protocol: Annotated[
        str | None,
        typer.Option(
            help="Where the defaults below come from: default, or paper (JMLR 2016).",
            show_default="default",
            rich_help_panel=METHOD,
        ),
    ] = None,
    algorithm: Annotated[
        str | None,
        typer.Option(
            help="See 'acclimate list algorithms'; several: dann+mi; auto tries a few and chooses.",
            show_default="dann-self-training",
            rich_help_panel=METHOD,
        ),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(
            help="With --algorithm auto: minutes of training, all candidates together.",
            show_default="30",
            rich_help_panel=METHOD,
        ),
    ] = None,
    start_from: Annotated[
        str | None,
        typer.Option(
            help="Run folder whose model training begins with: a second stage.",
            rich_help_panel=METHOD,
        ),
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(
            help="See 'acclimate list networks'; auto and paper look at the data.",
            show_default="auto",
            rich_help_panel=METHOD,
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="An option of the algorithm or the network: algorithm.weight=0.5. Repeatable.",
            rich_help_panel=METHOD,
        ),
    ] = None,
    validator: Annotated[
        str | None,
        typer.Option(
            help="Label-free score that chooses the checkpoint.",
            show_default="default",
            rich_help_panel=METHOD,
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(help="Optimiser steps.", show_default="5000", rich_help_panel=TRAINING),
    ] = None,
    epochs: Annotated[
        float | None,
        typer.Option(help="Instead of steps: passes over the source.", rich_help_panel=TRAINING),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            help="Items of each domain in a step, all processes together.",
            show_default="64",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option("--lr", help="Learning rate.", show_default="0.004", rich_help_panel=TRAINING),
    ] = None,
    schedule: Annotated[
        str | None,
        typer.Option(
            help="Of the learning rate: paper, cosine or constant.",
            show_default="cosine",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    optimiser: Annotated[
        str | None,
        typer.Option(help="sgd, adam or adamw.", show_default="adam", rich_help_panel=TRAINING),
    ] = None,
    momentum: Annotated[
        float | None,
        typer.Option(help="Of SGD; β₁ of Adam.", show_default="0.9", rich_help_panel=TRAINING),
    ] = None,
    weight_decay: Annotated[
        float | None,
        typer.Option(help="Weight decay.", show_default="0.0", rich_help_panel=TRAINING),
    ] = None,
    averaging: Annotated[
        float | None,
        typer.Option(
            help="Decay of the weight average; 0 = none.",
            show_default="0.99",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    gradient_clip: Annotated[
        float | None,
        typer.Option(help="Largest norm of the gradient.", rich_help_panel=TRAINING),
    ] = None,
    sharpness: Annotated[
        float | None,
        typer.Option(
            help="Smooths the classification loss: the radius of SAM (SDAT: 0.02); 0 = not.",
            show_default="0.0",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    evaluations: Annotated[
        int | None,
        typer.Option(
            help="How often to evaluate and save a checkpoint.",
            show_default="20",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    log_every: Annotated[
        int | None,
        typer.Option(
            help="Steps between logged rows.", show_default="50", rich_help_panel=TRAINING
        ),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            help="Side in pixels, of both domains.",
            show_default="the source's, 32 for a folder",
            rich_help_panel=PICTURES,
        ),
    ] = None,
    channels: Annotated[
        int | None,
        typer.Option(
            help="1 (grey) or 3 (colour).",
            show_default="the larger of the two domains'",
            rich_help_panel=PICTURES,
        ),
    ] = None,
    augmentation: Annotated[
        str | None,
        typer.Option(
            help="none, light, strong, digits or photos.",
            show_default="digits",
            rich_help_panel=PICTURES,
        ),
    ] = None,
    preprocessing: Annotated[
        str | None,
        typer.Option(
            help="mean, standard, per-image or none.",
            show_default="per-image",
            rich_help_panel=PICTURES,
        ),
    ] = None,
    memory_limit: Annotated[
        int | None,
        typer.Option(
            help="MiB of decoded pictures to keep; a larger domain is streamed.",
            show_default="2048",
            rich_help_panel=PICTURES,
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            help="Processes that decode a streamed domain.",
            show_default="2",
            rich_help_panel=PICTURES,
        ),
    ] = None,
    label: LabelOption = None,
    text: TextOption = None,
    drop: DropOption = None,
    id: IdOption = None,
    device: Annotated[
        str | None,
        typer.Option(help="auto, cpu, cuda or mps.", show_default="auto", rich_help_panel=MACHINE),
    ] = None,
    devices: Annotated[
        int | None,
        typer.Option(help="Processes, one per device.", show_default="1", rich_help_panel=MACHINE),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(help="auto, 32, bf16 or 16.", show_default="auto", rich_help_panel=MACHINE),
    ] = None,
) -> None:
    """Train on a labelled source and an unlabelled target; write a model, predictions, a report."""
    # first of all, while the only names here are the options
    given = {k: v for k, v in locals().items() if k not in _NOT_SETTINGS and v is not None}
    minutes = _minutes(given, budget, settings or [], baseline)
    if not unlabelled_target:
        del given["unlabelled_target"]
    from acclimate.cli.fit_result import say
    from acclimate.cli.processes import leave_group

    named = None if minutes is None else "auto"
    chosen, folder = _plan(resume, output, protocol, given, settings or [], named)
    if baseline is None:
        baseline = not (resume and _was_begun_with(folder, "--no-baseline"))
    way_on = f"acclimate fit --output {shlex.quote(str(folder))} --resume"
    if minutes is not None:
        # the candidates' runs are continued by the same command
        way_on = shlex.join(["acclimate", *sys.argv[1:]])
    console.set_way_on(way_on)
    record = _train(chosen, folder, baseline, resume, minutes)
    if leave_group():
        say(record, folder, predictions, report, json)


_NOT_SETTINGS = {
    "settings",
    "output",
    "resume",
    "protocol",
    "baseline",
    "predictions",
    "report",
    "json",
    "budget",
}


def _minutes(
    given: dict[str, Any], budget: float | None, assignments: list[str], baseline: bool | None
) -> float | None:
    """The budget where the algorithm is to be chosen, which is taken out of ``given``; else ``None``."""
    from acclimate.core.errors import ConfigurationError

    if given.get("algorithm") != "auto":
        if budget is not None:
            raise ConfigurationError("--budget is for --algorithm auto; give --steps or --epochs")
        return None
    given.pop("algorithm")
    contradicted = [
        f"--{name.replace('_', '-')}"
        for name in ("steps", "epochs", "start_from")
        if given.get(name) is not None
    ]
    contradicted += [f"--set {each}" for each in assignments if each.startswith("algorithm.")]
    if contradicted:
        raise ConfigurationError(
            f"--algorithm auto chooses algorithm and steps itself: leave out {', '.join(contradicted)}"
        )
    if baseline is False:
        raise ConfigurationError(
            "--algorithm auto holds its choice against source-only: leave out --no-baseline"
        )
    if given.get("devices", 1) > 1:
        raise ConfigurationError(
            "--algorithm auto compares its candidates in one process: leave out --devices, then train "
            "what it chose with them"
        )
    if budget is not None and not budget > 0:
        raise ConfigurationError(f"--budget {budget:g}: should be minutes, more than 0")
    return 30.0 if budget is None else budget


def _plan(
    resume: bool,
    output: Path | None,
    protocol: str | None,
    given: dict[str, Any],
    assignments: list[str],
    algorithm: str | None,
) -> tuple[FitSettings, Path]:
    """Settings and folder of a new run, or of the one that is to be continued."""
    from acclimate.cli.fit_settings import (
        check_folder,
        continued_settings,
        default_folder,
        new_settings,
    )
    from acclimate.core.errors import ConfigurationError

    if resume and not given.get("source") and not given.get("target"):
        if output is None:
            raise ConfigurationError("--resume needs --output, the folder of the run to go on with")
        return continued_settings(output, protocol, given, assignments), output
    chosen = new_settings(protocol, given, assignments)
    folder = output or default_folder(chosen, algorithm)
    check_folder(folder, chosen.sources)
    return chosen, folder


def _was_begun_with(folder: Path, option: str) -> bool:
    from acclimate.cli.fit_settings import said_in
    from acclimate.core.records import RECORD_NAME, read_record

    return (folder / RECORD_NAME).exists() and said_in(read_record(folder).command, option)


def _train(
    settings: FitSettings, folder: Path, baseline: bool, resume: bool, minutes: float | None
) -> RunRecord:
    from contextlib import nullcontext

    from acclimate.cli.processes import is_helper
    from acclimate.cli.watch import TerminalObserver
    from acclimate.training.fit import fit as train

    command = shlex.join(["acclimate", *sys.argv[1:]])
    watched: Any = nullcontext() if is_helper() else TerminalObserver()
    with watched as observer:
        if minutes is not None:
            from acclimate.training.auto import fit_auto

            return fit_auto(
                settings, folder, minutes, resume=resume, observer=observer, command=command
            )
        return train(
            settings, folder, baseline=baseline, resume=resume, observer=observer, command=command
        )
