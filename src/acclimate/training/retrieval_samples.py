"""What the report of a retrieval run looks at: descriptors of some items, and never their pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from torch import Tensor

from acclimate.core.files import write_text_atomically
from acclimate.data.domain import Domain
from acclimate.training.stored import save_arrays, spread
from acclimate.training.task import Task


def write_retrieval_samples(folder: Path, task: Task, source: Tensor, target: Tensor) -> None:
    """Write ``samples.npz``, ``item_names.json`` and, where identities are known, ``oracle.npz``.

    ``source`` and ``target``: descriptors (N, D) of the whole held-out source and of the target's
    test part. At most 1,000 items of each are kept. Pictures of people stay where they are.
    """
    validation, evaluate = task.source.validation, task.target.evaluate
    ours, theirs = spread(len(validation)), spread(len(evaluate))
    assert validation.labels is not None
    arrays = {
        "source_labels": validation.labels[ours].numpy(),
        "source_features": source[ours].half().numpy(),
        "target_features": target[theirs].half().numpy(),
        "target_indices": theirs.numpy(),
        **_cameras("source", validation, ours),
        **_cameras("target", evaluate, theirs),
    }
    save_arrays(folder / "samples.npz", arrays)
    names = {
        "source": [validation.name_of(int(index)) for index in ours],
        "target": [evaluate.name_of(int(index)) for index in theirs],
    }
    write_text_atomically(folder / "item_names.json", json.dumps(names))
    if task.oracle_labels is not None:
        save_arrays(folder / "oracle.npz", {"target_labels": task.oracle_labels[theirs].numpy()})


def _cameras(side: str, domain: Domain, indices: Tensor) -> dict[str, np.ndarray]:
    return {} if domain.cameras is None else {f"{side}_cameras": domain.cameras[indices].numpy()}
