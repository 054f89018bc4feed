"""The estimate that needs two models: how often runs that differ in their seed alone agree."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch

from acclimate.core.records import Estimate, RunRecord, read_record
from acclimate.training.evaluate import read_evidence
from acclimate.training.stored import kept_evidence_path
from acclimate.validators.estimate import AGREEMENT, estimate_by
from acclimate.validators.estimators import look


@dataclass(frozen=True)
class Agreement:
    """Runs alike but for the seed, and the accuracy on the target that their agreement tells of."""

    algorithm: str
    runs: list[Path]
    seeds: list[int]
    items: int
    estimate: Estimate


def agreements(runs: Sequence[Path]) -> list[Agreement]:
    """One for each group of finished runs whose settings differ in nothing but the seed.

    Jiang et al., "Assessing generalization of SGD via disagreement", 2022. An item counts the share of
    the pairs of runs that predict the same class for it, so that the interval, which tells of the
    number of items alone, is of items and not of pairs. Runs without classes have no predictions
    that could agree.
    """
    twins: dict[str, list[tuple[Path, RunRecord]]] = {}
    for run in dict.fromkeys(runs):
        record = read_record(run)
        if record.chosen is not None and record.objective == "classification":
            twins.setdefault(_but_for_the_seed(record), []).append((run, record))
    return [found for group in twins.values() if (found := _agreement(group)) is not None]


def _but_for_the_seed(record: RunRecord) -> str:
    settings: dict[str, Any] = {**record.settings, "seed": None, "method": record.method}
    # a second stage begins with another model for each seed
    settings["start_from"] = settings.get("start_from") is not None
    return json.dumps(settings, sort_keys=True, default=str)


def _agreement(group: Sequence[tuple[Path, RunRecord]]) -> Agreement | None:
    """``None`` for a single run, and where the runs did not store the same items."""
    if len({record.settings["seed"] for _, record in group}) < 2:
        return None
    evidence = [
        read_evidence(kept_evidence_path(run, record.chosen.step))
        for run, record in group
        if record.chosen is not None
    ]
    predictions = [each.target_logits.argmax(1) for each in evidence]
    if len({len(each) for each in predictions}) > 1:
        return None
    agreed = np.mean([(a == b).double().numpy() for a, b in combinations(predictions, 2)], axis=0)
    first = evidence[0]
    seen = look(
        first.source_logits,
        first.source_labels,
        first.target_logits,
        agreed=torch.from_numpy(agreed),
    )
    return Agreement(
        group[0][1].algorithm,
        [run for run, _ in group],
        [int(record.settings["seed"]) for _, record in group],
        len(agreed),
        estimate_by(AGREEMENT, seen),
    )
