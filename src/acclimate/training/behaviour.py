"""How a finished run's model behaves on unlabelled target items: the evidence of the verdict."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from acclimate.core.records import RECORD_NAME, Behaviour, read_record
from acclimate.training.inference import load_model
from acclimate.training.probes import changed_classes
from acclimate.training.run_folder import difference
from acclimate.training.stored import read_stored
from acclimate.training.task import Task
from acclimate.validators.class_shares import (
    effective_classes,
    far_fewer,
    predicted_shares,
    share_distance,
)
from acclimate.validators.verdict import agreement

MOST = 2000  # items looked at
LOGITS = "target_logits"
EARLIER = (0.6, 0.8)  # of training: the checkpoints that the last one is held against


def behaviour(task: Task, folder: Path, stability: float) -> Behaviour:
    """Measure the chosen model in ``folder`` on the target's evaluate part; its ``stability`` is known."""
    model = load_model(folder)
    domain = task.target.evaluate
    if len(domain) > MOST:
        domain = domain.subset(torch.linspace(0, len(domain) - 1, MOST).round().long())
    logits, _ = model.outputs(domain)
    changed = changed_classes(model.network, model.preprocessing, domain)
    predicted, expected = (
        effective_classes(shares) for shares in (predicted_shares(logits), task.source_shares)
    )
    return Behaviour(
        few_classes=far_fewer(predicted, expected),
        share_distance=share_distance(logits, task.source_shares),
        consistency=float((changed == logits.argmax(1)).double().mean()),
        stability=stability,
    )


def stabilities(baseline: Path, adapted: Path) -> tuple[float, float]:
    """The stability of both runs; where one has none, that of the other, so that it tells nothing."""
    before, after = stability(baseline), stability(adapted)
    known = [each for each in (before, after) if each is not None] or [1.0]
    return known[0] if before is None else before, known[0] if after is None else after


def stability(folder: Path) -> float | None:
    """Agreement of the last checkpoint's predictions with those at 60 and 80 % of training.

    A run that trained nothing has that of the run on the same domains whose model it began with.
    ``None`` where there is one checkpoint only, which always agrees with itself.
    """
    paths = sorted((folder / "evaluations").glob("step-*.npz"))
    if len(paths) < 2:
        begun = _begun_with(folder)
        return None if begun is None else stability(begun)
    steps = np.array([int(path.stem.removeprefix("step-")) for path in paths])
    last = read_stored(paths[-1], LOGITS)
    earlier = [int(np.abs(steps - share * steps[-1]).argmin()) for share in EARLIER]
    return float(np.mean([agreement(read_stored(paths[index], LOGITS), last) for index in earlier]))


def _begun_with(folder: Path) -> Path | None:
    """The run that the one in ``folder`` took its model from, where it changed no weight of it."""
    record = read_record(folder)
    start = record.settings.get("start_from")
    if record.steps_done > 0 or start is None or not (Path(start) / RECORD_NAME).exists():
        return None
    before = read_record(Path(start))
    return Path(start) if difference(before, (record.source, record.target)) is None else None
