"""``acclimate fit``: the main job."""

from __future__ import annotations

import math
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from acclimate.cli import console
from acclimate.cli.backbone_options import (
    BackboneOption,
    BatchNormOption,
    FreezeOption,
    WeightsOption,
)
from acclimate.cli.machine_options import (
    DeviceOption,
    DevicesOption,
    JointLossesOption,
    NodesOption,
    PrecisionOption,
    StrategyOption,
    SyncBatchNormOption,
)
from acclimate.cli.method_options import (
    AlgorithmOption,
    BudgetOption,
    NetworkOption,
    ObjectiveOption,
    ProtocolOption,
    SettingsOption,
    StartFromOption,
    ValidatorOption,
)
from acclimate.cli.options import JsonOption, ThreadsOption, use_threads
from acclimate.cli.picture_options import (
    AugmentationOption,
    ChannelsOption,
    ClassesOption,
    FitOption,
    MemoryLimitOption,
    PreprocessingOption,
    ResizeOption,
    SizeOption,
    WidthOption,
    WorkersOption,
)
from acclimate.cli.table_options import (
    DropOption,
    IdOption,
    LabelOption,
    TextFeaturesOption,
    TextOption,
)
from acclimate.cli.training_options import (
    AveragingOption,
    BatchSizeOption,
    EpochsOption,
    EvaluationsOption,
    GradientClipOption,
    LearningRateOption,
    LogEveryOption,
    LoggerOption,
    MomentumOption,
    OptimiserOption,
    ScheduleOption,
    SharpnessOption,
    StepsOption,
    WeightDecayOption,
)

if TYPE_CHECKING:
    from acclimate.core.records import RunRecord
    from acclimate.training.settings import FitSettings

EXAMPLE = "Example: acclimate fit --source photos/studio --target photos/phone --output runs/phone"


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
    transductive: Annotated[
        bool,
        typer.Option(
            "--transductive",
            help="Adapt to all target items and evaluate on the same, as the literature on photos does.",
        ),
    ] = False,
    classes: ClassesOption = None,
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
    objective: ObjectiveOption = None,
    protocol: ProtocolOption = None,
    algorithm: AlgorithmOption = None,
    budget: BudgetOption = None,
    start_from: StartFromOption = None,
    network: NetworkOption = None,
    backbone: BackboneOption = None,
    weights: WeightsOption = None,
    freeze: FreezeOption = None,
    batch_norm: BatchNormOption = None,
    settings: SettingsOption = None,
    validator: ValidatorOption = None,
    steps: StepsOption = None,
    epochs: EpochsOption = None,
    batch_size: BatchSizeOption = None,
    learning_rate: LearningRateOption = None,
    schedule: ScheduleOption = None,
    optimiser: OptimiserOption = None,
    momentum: MomentumOption = None,
    weight_decay: WeightDecayOption = None,
    averaging: AveragingOption = None,
    gradient_clip: GradientClipOption = None,
    sharpness: SharpnessOption = None,
    evaluations: EvaluationsOption = None,
    log_every: LogEveryOption = None,
    logger: LoggerOption = None,
    size: SizeOption = None,
    width: WidthOption = None,
    resize: ResizeOption = None,
    fit: FitOption = None,
    channels: ChannelsOption = None,
    augmentation: AugmentationOption = None,
    preprocessing: PreprocessingOption = None,
    memory_limit: MemoryLimitOption = None,
    workers: WorkersOption = None,
    label: LabelOption = None,
    text: TextOption = None,
    text_features: TextFeaturesOption = None,
    drop: DropOption = None,
    id: IdOption = None,
    device: DeviceOption = None,
    devices: DevicesOption = None,
    nodes: NodesOption = None,
    strategy: StrategyOption = None,
    joint_losses: JointLossesOption = None,
    sync_batch_norm: SyncBatchNormOption = None,
    precision: PrecisionOption = None,
    threads: ThreadsOption = None,
) -> None:
    """Train on a labelled source and an unlabelled target; write a model, predictions, a report."""
    # first of all, while the only names here are the options
    given = {k: v for k, v in locals().items() if k not in _NOT_SETTINGS and v is not None}
    from acclimate.cli.processes import started_together

    started = started_together()
    if started is not None:
        # torchrun or srun has started them already
        given.setdefault("devices", started[0])
        given.setdefault("nodes", started[1])
    searches = _searches(given, budget, settings or [], baseline)
    for name in ("unlabelled_target", "transductive"):
        if not given[name]:
            del given[name]
    from acclimate.cli.fit_result import say
    from acclimate.cli.processes import leave_group

    named = "auto" if searches else None
    chosen, folder = _plan(resume, output, protocol, given, settings or [], named)
    if baseline is None:
        baseline = not (resume and _was_begun_with(folder, "--no-baseline"))
    way_on = f"acclimate fit --output {shlex.quote(str(folder))} --resume"
    if searches:
        # the candidates' runs are continued by the same command
        again = [] if resume else ["--resume"]
        way_on = shlex.join(["acclimate", *sys.argv[1:], *again])
    console.set_way_on(way_on)
    use_threads(_threads_of(folder) if resume and threads is None else threads)
    record = _train(chosen, folder, baseline, resume, searches, budget)
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
    "threads",
}


def _searches(
    given: dict[str, Any], budget: float | None, assignments: list[str], baseline: bool | None
) -> bool:
    """Whether the algorithm is to be chosen; its ``auto`` is then taken out of ``given``."""
    from acclimate.core.errors import ConfigurationError

    if given.get("algorithm") != "auto":
        if budget is not None:
            raise ConfigurationError("--budget is for --algorithm auto; give --steps or --epochs")
        return False
    from acclimate.algorithms import DEFAULT

    # the candidates take its place; named, so that no protocol puts its own there
    given["algorithm"] = DEFAULT
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
    if given.get("devices", 1) * given.get("nodes", 1) > 1:
        raise ConfigurationError(
            "--algorithm auto compares its candidates in one process: leave out --devices and --nodes, "
            "then train what it chose with them"
        )
    if budget is not None and not 0 < budget < math.inf:
        raise ConfigurationError(f"--budget {budget:g}: should be minutes, more than 0")
    return True


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


def _threads_of(folder: Path) -> int | None:
    """Those that a run began with: with others sums are taken in another order, and results differ."""
    from acclimate.core.records import RECORD_NAME, read_record

    if not (folder / RECORD_NAME).exists():
        return None
    return read_record(folder).environment.threads


def _suggest_freezing(settings: FitSettings) -> None:
    """Without a GPU a step of a whole backbone takes seconds; say what takes none."""
    import torch

    from acclimate.cli.processes import is_helper
    from acclimate.training.opening import is_frozen

    whole = settings.network == "backbone" and not is_frozen(settings)
    gpu = torch.cuda.is_available() or torch.backends.mps.is_available()
    if whole and not is_helper() and (settings.device == "cpu" or not gpu):
        console.note(
            "no GPU: a step of the whole backbone takes seconds here; with --freeze backbone its "
            "features are made once and heads are trained in seconds"
        )


def _train(
    settings: FitSettings,
    folder: Path,
    baseline: bool,
    resume: bool,
    searches: bool,
    budget: float | None,
) -> RunRecord:
    from contextlib import nullcontext

    from acclimate.cli.processes import is_helper
    from acclimate.cli.watch import TerminalObserver
    from acclimate.training.fit import fit as train

    command = shlex.join(["acclimate", *sys.argv[1:]])
    _suggest_freezing(settings)
    watched: Any = nullcontext() if is_helper() else TerminalObserver()
    with watched as observer:
        if searches:
            from acclimate.training.auto import fit_auto

            return fit_auto(
                settings, folder, budget, resume=resume, observer=observer, command=command
            )
        return train(
            settings, folder, baseline=baseline, resume=resume, observer=observer, command=command
        )
