"""Reverse validation: is the way back from the target's predicted labels a good one?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from acclimate.core.errors import ConfigurationError, RunError
from acclimate.core.records import RunRecord, read_record
from acclimate.data.domain import Domain
from acclimate.data.splits import OracleLabels, SourceSplits, TargetSplits
from acclimate.training.devices import make_fabric
from acclimate.training.inference import LoadedModel, load_model
from acclimate.training.observer import Observer
from acclimate.training.run import Run
from acclimate.training.select import Candidate, check_comparable
from acclimate.training.settings import FitSettings
from acclimate.training.task import Task, open_task, replace_settings

REVERSE = "reverse"
NAME = "reverse-validation"


def select_by_reverse(
    runs: Sequence[Path], *, observer: Observer | None = None, command: str = ""
) -> list[Candidate]:
    """The kept models of ``runs`` by reverse validation, the best first.

    Ganin et al., JMLR 2016, section 5.1.2: the model labels the target; a second one is trained by the
    same algorithm and budget, begun with the first one's weights, from there to the source without
    its labels, its checkpoint chosen on held-out self-labelled items; the score is that second model's
    accuracy on the held-out source. Every run is as long again, in ``RUN/reverse``, and one that is
    finished is not repeated.

    Raises ``RunError`` and ``ConfigurationError`` for runs that cannot be reversed.
    """
    records = [read_record(run) for run in runs]
    for run, record in zip(runs, records, strict=True):
        check_comparable(run, record, records[0])
        if record.objective == "retrieval":
            raise RunError(
                f"{run} tells identities apart; --reverse trains on predicted classes: choose with "
                "--validator"
            )
        if record.status != "finished":
            raise RunError(f"{run} is {record.status}; finish it first, with --resume")
    found = []
    for run, record in zip(runs, records, strict=True):
        score = reverse_accuracy(run, record, observer=observer, command=command)
        assert record.chosen is not None
        truth = record.oracle_target_metrics
        found.append(
            Candidate(
                run,
                record.algorithm,
                int(record.settings["seed"]),
                record.chosen.step,
                {NAME: score},
                score,
                True,
                None if truth is None else truth.accuracy,
            )
        )
    return sorted(found, key=lambda each: -each.score)


def reverse_accuracy(
    run: Path, record: RunRecord, *, observer: Observer | None = None, command: str = ""
) -> float:
    """Accuracy on the held-out source, in [0, 1], of the model trained on the way back."""
    settings = FitSettings.build("settings", record.settings)
    if len(settings.sources) > 1:
        raise ConfigurationError(
            f"{run} has {len(settings.sources)} sources, and the way back leads to one: give runs "
            "with a single source"
        )
    task = open_task(settings)
    back = replace_settings(
        settings,
        start_from=str(run),
        validator="source-accuracy",
        target_labels=None,
        steps=settings.step_count(len(task.source.train)),
        epochs=None,
        devices=1,
        nodes=1,
    )
    model = load_model(run)
    fabric = make_fabric(back)
    fabric.launch()
    way_back = Run(_reversed(task, model), back, run / REVERSE, fabric, observer, command)
    way_back.claim(resume=True)
    metrics = way_back.execute(resume=True).oracle_target_metrics
    assert metrics is not None
    return metrics.accuracy


def _reversed(task: Task, model: LoadedModel) -> Task:
    """The target with predicted labels as the source, the source without labels as the target.

    The labels of the held-out source are what the way back is measured by, as an oracle's would be.
    """
    source, target = task.source, task.target
    bare = source.validation.unlabelled()
    return replace(
        task,
        source=SourceSplits(_labelled(target.adapt, model), _labelled(target.validation, model)),
        target=TargetSplits(
            source.train.unlabelled(),
            bare,
            bare,
            OracleLabels(source.train, source.validation.labels, source.validation.labels),
        ),
        preprocessing=model.preprocessing,
        summaries=(task.summaries[1], task.summaries[0]),
    )


def _labelled(domain: Domain, model: LoadedModel) -> Domain:
    logits, _ = model.outputs(domain)
    return replace(domain, labels=logits.argmax(1))
