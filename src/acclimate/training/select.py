"""Checkpoints of finished runs scored anew, by any validator, from what was stored of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acclimate.core.errors import ConfigurationError, RunError
from acclimate.core.records import RunRecord, read_record
from acclimate.core.registry import Registry
from acclimate.training.evaluate import read_evidence
from acclimate.training.evaluators import score_names
from acclimate.training.retrieval_evaluator import read_retrieval_evidence
from acclimate.training.stored import evidence_path, kept_evidence_path
from acclimate.validators.ensemble import ensemble

#: the rule for the kept models of several runs
STEADINESS = "steadiness"
#: what agreement with neighbours counts there beside consistency, see docs/validators.md
NEIGHBOURS = 0.5
ENSEMBLE = "ensemble"
#: the two that lost least among algorithms in the selection benchmark; ranks keep the latter's share
DEFAULT_ENSEMBLE = ("default", "knn")
#: of identities the parts of the default score, by rank instead of by sum
RETRIEVAL_ENSEMBLE = ("source-map", "consistency", "reciprocity")


@dataclass(frozen=True)
class Candidate:
    """One checkpoint of one run. ``kept``: whether it is the model that lies in the run's folder.

    ``oracle_target_accuracy``: of retrieval the share of probes found at rank 1.
    """

    run: Path
    algorithm: str
    seed: int
    step: int
    scores: dict[str, float]
    score: float
    kept: bool
    oracle_target_accuracy: float | None
    objective: str = "classification"


def select(runs: Sequence[Path], names: Sequence[str] = ()) -> list[Candidate]:
    """Every stored checkpoint of ``runs``, the best first by the validators called ``names``.

    One validator: by its score. Several, or ``"ensemble"``: by the mean of their ranks.
    ``"steadiness"``: the models that the runs kept, and no other checkpoint, by ``steadiness``.
    Without ``names``: that, or the default score for a single run and for one that is not finished. Nothing
    is trained and no target label is used. Raises ``RunError`` where a folder holds nothing to
    score, an oracle, or a run of another task or objective than the first, and where a validator
    can say nothing of any of them.
    """
    records = [read_record(run) for run in runs]
    for run, record in zip(runs, records, strict=True):
        check_comparable(run, record, records[0])
    objective = records[0].objective
    if not names:
        comparable = len(runs) > 1 and all(each.target_consistency is not None for each in records)
        names = [STEADINESS if comparable else "default"]
    if STEADINESS in names:
        return _by_steadiness(runs, records, names)
    registry, chosen = score_names(objective), _chosen(names, objective)
    found = [
        _candidate(run, record, step, chosen, registry)
        for run, record in zip(runs, records, strict=True)
        for step in _stored(run)
    ]
    if len(chosen) == 1:
        scores = [each.scores[chosen[0]] for each in found]
        if all(map(math.isnan, scores)):
            raise RunError(
                f"validator {chosen[0]} can say nothing of these checkpoints, its score is not a number; "
                "choose another one"
            )
    else:
        scores = ensemble({name: [each.scores[name] for each in found] for name in chosen})
    scored = [
        Candidate(**{**vars(each), "score": score})
        for each, score in zip(found, scores, strict=True)
    ]
    # of equal ones the later, as in training; what has no score comes last
    return sorted(scored, key=lambda each: (math.isnan(each.score), -each.score, -each.step))


def _by_steadiness(
    runs: Sequence[Path], records: Sequence[RunRecord], names: Sequence[str]
) -> list[Candidate]:
    if len(set(names)) > 1:
        raise ConfigurationError(
            f"{STEADINESS} compares the models that runs kept, a validator any checkpoint: give one of both"
        )
    found = []
    for run, record in zip(runs, records, strict=True):
        if record.target_consistency is None or record.chosen is None:
            raise RunError(
                f"{run} has no consistency on target items, which is measured when a run of classes has "
                "ended: finish it with --resume, or give --validator default"
            )
        kept = _candidate(run, record, record.chosen.step, ["knn"], score_names(record.objective))
        score = steadiness(record.target_consistency, kept.scores["knn"])
        scores = {
            "target-consistency": record.target_consistency,
            **kept.scores,
            STEADINESS: score,
        }
        found.append(Candidate(**{**vars(kept), "scores": scores, "score": score}))
    return sorted(found, key=lambda each: (math.isnan(each.score), -each.score))


def steadiness(target_consistency: float, neighbours: float) -> float:
    """By which the kept models of several runs are compared, in [-1, 1.5].

    How steady predictions on the target are under small changes of the input, beyond chance, and
    half as much how far they agree with the labels of the nearest source items (``knn``). For models
    that a label-free score has chosen within their run.

    >>> steadiness(0.9, 0.5)
    1.15
    """
    return target_consistency + NEIGHBOURS * neighbours


def _chosen(names: Sequence[str], objective: str) -> list[str]:
    registry = score_names(objective)
    together = RETRIEVAL_ENSEMBLE if objective == "retrieval" else DEFAULT_ENSEMBLE
    chosen = [part for name in names for part in (together if name == ENSEMBLE else (name,))]
    for name in chosen:
        registry.get(name)
    return list(dict.fromkeys(chosen))


def check_comparable(run: Path, record: RunRecord, first: RunRecord) -> None:
    """Raise ``RunError`` for an oracle, and for a run of another task or objective than ``first``."""
    if record.uses_target_labels:
        raise RunError(
            f"{run} is of {record.algorithm}, an oracle: it used target labels and cannot be chosen; "
            "leave it out"
        )
    if record.objective != first.objective:
        raise RunError(
            f"{run} is a run of {record.objective}, the first of {first.objective}: their scores do not "
            "compare; give runs of one objective"
        )
    tasks = [(each.source.name, each.target.name) for each in (record, first)]
    if tasks[0] != tasks[1]:
        raise RunError(
            f"{run} is from {tasks[0][0]} to {tasks[0][1]}, the first run from {tasks[1][0]} to "
            f"{tasks[1][1]}: scores compare models of one task only"
        )


def _stored(run: Path) -> list[int]:
    paths = sorted((run / "evaluations").glob("step-*.npz"))
    if not paths:
        raise RunError(f"{run} has stored no checkpoint yet; nothing can be scored")
    return [int(path.stem.removeprefix("step-")) for path in paths]


def _candidate(
    run: Path, record: RunRecord, step: int, names: Sequence[str], registry: Registry[Any]
) -> Candidate:
    kept = record.chosen is not None and record.chosen.step == step
    path = kept_evidence_path(run, step) if kept else evidence_path(run, step)
    read = read_retrieval_evidence if record.objective == "retrieval" else read_evidence
    evidence = read(path)
    try:
        scores = {name: registry.get(name).score(evidence) for name in names}
    except ConfigurationError as error:
        raise RunError(f"{path}: {error}") from error
    return Candidate(
        run,
        record.algorithm,
        int(record.settings["seed"]),
        step,
        scores,
        0.0,
        kept,
        _known(record, step, kept),
        record.objective,
    )


def _known(record: RunRecord, step: int, kept: bool) -> float | None:
    """The oracle's accuracy after ``step`` steps; of the kept model's own last layer, where it has one."""
    if kept and record.last_layer is not None and record.oracle_target_metrics is not None:
        return record.oracle_target_metrics.accuracy
    seen = {each.step: each.oracle_target_accuracy for each in record.evaluations}
    return seen.get(step)
