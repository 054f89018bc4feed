"""How a finished run's model behaves on unlabelled target items: the evidence of the verdict."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from acclimate.core.records import Behaviour
from acclimate.training.inference import load_model
from acclimate.training.probes import changed_classes
from acclimate.training.task import Task
from acclimate.validators.class_shares import share_distance
from acclimate.validators.verdict import agreement

MOST = 2000  # items looked at
EARLIER = (0.6, 0.8)  # of training: the checkpoints that the last one is held against


def behaviour(task: Task, folder: Path) -> Behaviour:
    """Measure the chosen model in ``folder`` on the target's evaluate part, and its checkpoints."""
    model = load_model(folder)
    domain = task.target.evaluate
    if len(domain) > MOST:
        domain = domain.subset(torch.linspace(0, len(domain) - 1, MOST).round().long())
    logits, _ = model.outputs(domain)
    changed = changed_classes(model.network, model.preprocessing, domain)
    return Behaviour(
        share_distance=share_distance(logits, task.source_shares),
        consistency=float((changed == logits.argmax(1)).double().mean()),
        stability=stability(folder),
    )


def stability(folder: Path) -> float:
    """Agreement of the last checkpoint's predictions with those at 60 and 80 % of training."""
    paths = sorted((folder / "evaluations").glob("step-*.npz"))
    steps = np.array([int(path.stem.removeprefix("step-")) for path in paths])
    last = _target_logits(paths[-1])
    earlier = [int(np.abs(steps - share * steps[-1]).argmin()) for share in EARLIER]
    return float(np.mean([agreement(_target_logits(paths[index]), last) for index in earlier]))


def _target_logits(path: Path) -> Tensor:
    with np.load(path, allow_pickle=False) as stored:
        return torch.from_numpy(stored["target_logits"].astype(np.float32))
