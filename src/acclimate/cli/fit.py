"""``acclimate fit``: the main job."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from acclimate.cli import console
from acclimate.cli.options import JsonOption
from acclimate.core.errors import ConfigurationError

if TYPE_CHECKING:
    from acclimate.core.records import RunRecord
    from acclimate.training.settings import FitSettings

EXAMPLE = "Example: acclimate fit --source photos/studio --target photos/phone --output runs/phone"


def register(app: typer.Typer) -> None:
    app.command("fit", epilog=EXAMPLE)(fit)


def fit(
    source: Annotated[
        str | None, typer.Option(help="Labelled: a data set, a folder of class folders, .npz.")
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="Unlabelled: a data set, a folder of pictures, .npz.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="The run's folder; must be new.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in --output.")
    ] = False,
    protocol: Annotated[
        str, typer.Option(help="Where defaults come from: default, or paper (JMLR 2016).")
    ] = "default",
    algorithm: Annotated[str | None, typer.Option(help="See 'acclimate list'.")] = None,
    network: Annotated[str | None, typer.Option(help="See 'acclimate list'.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="An option of a part: algorithm.weight=0.5. Repeatable."),
    ] = None,
    size: Annotated[int | None, typer.Option(help="Side of the pictures in pixels.")] = None,
    channels: Annotated[int | None, typer.Option(help="1 or 3.")] = None,
    augmentation: Annotated[str | None, typer.Option(help="none, light, digits or photos.")] = None,
    preprocessing: Annotated[
        str | None, typer.Option(help="mean, standard, per-image or none.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Optimiser steps; 2000 if not given.")] = None,
    epochs: Annotated[
        float | None, typer.Option(help="Instead of steps: passes over the source.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Items of each domain in a step.")] = None,
    learning_rate: Annotated[float | None, typer.Option("--lr", help="Learning rate.")] = None,
    schedule: Annotated[str | None, typer.Option(help="paper, cosine or constant.")] = None,
    optimiser: Annotated[str | None, typer.Option(help="sgd, adam or adamw.")] = None,
    momentum: Annotated[float | None, typer.Option(help="Of SGD; β₁ of Adam.")] = None,
    weight_decay: Annotated[float | None, typer.Option(help="Weight decay.")] = None,
    averaging: Annotated[
        float | None, typer.Option(help="Decay of the weight average; 0 = none.")
    ] = None,
    gradient_clip: Annotated[float | None, typer.Option(help="Largest gradient norm.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of everything random in training.")] = None,
    memory_limit: Annotated[
        int | None, typer.Option(help="MiB of decoded pictures to keep; more are streamed.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes that decode a streamed domain.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")] = None,
    devices: Annotated[int | None, typer.Option(help="Processes, one per device.")] = None,
    precision: Annotated[str | None, typer.Option(help="32, bf16 or 16.")] = None,
    validator: Annotated[
        str | None, typer.Option(help="Label-free score that chooses the checkpoint.")
    ] = None,
    evaluations: Annotated[
        int | None, typer.Option(help="How often to evaluate and save a checkpoint.")
    ] = None,
    log_every: Annotated[int | None, typer.Option(help="Steps between logged rows.")] = None,
    unlabelled_target: Annotated[
        bool, typer.Option("--unlabelled-target", help="Its folders are no classes.")
    ] = False,
    baseline: Annotated[
        bool, typer.Option(help="Train source-only too, to hold the verdict against.")
    ] = True,
    report: Annotated[bool, typer.Option(help="Write report.html.")] = True,
    json: JsonOption = False,
) -> None:
    """Train on a labelled source and an unlabelled target; write a model, predictions, a report."""
    # first of all, while the only names here are the options
    given = {k: v for k, v in locals().items() if k not in _NOT_SETTINGS and v is not None}
    from acclimate.cli.watch import TerminalObserver
    from acclimate.training.fit import fit as train

    chosen = _settings(resume, output, protocol, given, settings or [])
    folder = output or _default_folder(chosen)
    command = shlex.join(["acclimate", *sys.argv[1:]])
    console.set_way_on(f"acclimate fit --output {shlex.quote(str(folder))} --resume")
    with TerminalObserver() as observer:
        record = train(
            chosen, folder, baseline=baseline, resume=resume, observer=observer, command=command
        )
    _say(record, folder, report, json)


_NOT_SETTINGS = {
    "settings",
    "output",
    "resume",
    "protocol",
    "baseline",
    "report",
    "json",
}


def _settings(
    resume: bool, output: Path | None, protocol: str, given: dict[str, Any], assignments: list[str]
) -> FitSettings:
    """Settings from the options, or of the run that is to be continued."""
    from acclimate.cli.assignments import parse_assignments
    from acclimate.core.records import read_record
    from acclimate.training.parts import make_algorithm
    from acclimate.training.settings import FitSettings, make_settings

    if not given.get("unlabelled_target"):
        given.pop("unlabelled_target", None)
    if resume and output is None:
        raise ConfigurationError("--resume needs --output, the folder of the run to go on with")
    if resume and not given.get("source") and not given.get("target"):
        assert output is not None
        return FitSettings.build("settings", read_record(output).settings)
    for side in ("source", "target"):
        if not given.get(side):
            raise ConfigurationError(
                f"--{side} is missing: give a data set, a folder or an .npz file"
            )
    made = make_settings(protocol, **given, **parse_assignments(assignments))
    make_algorithm(made)
    return made


def _default_folder(settings: FitSettings) -> Path:
    parts = [Path(settings.source).stem, "to", Path(settings.target).stem, settings.algorithm]
    return Path("acclimate-runs") / "-".join([*parts, f"seed{settings.seed}"])


def _say(record: RunRecord, folder: Path, report: bool, json: bool) -> None:
    """Everything that comes after training: page, table, verdict."""
    from acclimate.core.records import read_record
    from acclimate.report.html import write_report
    from acclimate.report.table import comparison_rows, text_table

    for domain in (record.source, record.target):
        for line in domain.skipped:
            console.warn(f"{domain.name}: skipped {line}")
    page = write_report([folder], folder / "report.html") if report else None
    records = [record]
    if record.baseline:
        records.insert(0, read_record(folder / record.baseline))
    rows = comparison_rows(records)
    if json:
        result = {"run": str(folder), "report": str(page) if page else None, **rows[-1].as_dict()}
        result["rows"] = [row.as_dict() for row in rows]
        console.print_json(result)
        return
    headings, cells = text_table(rows)
    console.print_table(headings, cells)
    if record.verdict:
        console.print_line(f"{record.verdict.outcome}: {record.verdict.reason}")
    console.print_line(f"run: {folder}" + (f"\nreport: {page}" if page else ""))
