"""What the report looks at: pictures, logits and features of some held-out items."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from acclimate.core.files import replace_atomically, write_text_atomically
from acclimate.data.domain import Domain
from acclimate.training.evaluate import STORED
from acclimate.training.task import Task

THUMBNAIL = 64  # pixels


def write_samples(
    folder: Path, task: Task, source: tuple[Tensor, Tensor], target: tuple[Tensor, Tensor]
) -> None:
    """Write ``samples.npz``, ``item_names.json`` and, where labels exist, ``oracle.npz``.

    ``source`` and ``target``: logits (N, K) and features (N, D) of the whole held-out source and
    of the target's evaluate part. At most 1,000 items of each are kept, the same for every run of
    a task.
    """
    validation, evaluate = task.source.validation, task.target.evaluate
    assert validation.labels is not None
    ours, theirs = _pick(len(validation)), _pick(len(evaluate))
    arrays = {
        "source_labels": validation.labels[ours].numpy(),
        "source_logits": source[0][ours].half().numpy(),
        "source_features": source[1][ours].half().numpy(),
        "target_logits": target[0][theirs].half().numpy(),
        "target_features": target[1][theirs].half().numpy(),
        "target_indices": theirs.numpy(),
        **_thumbnails("source", validation, ours),
        **_thumbnails("target", evaluate, theirs),
    }
    _save(folder / "samples.npz", arrays)
    names = {
        "source": [validation.name_of(int(index)) for index in ours],
        "target": [evaluate.name_of(int(index)) for index in theirs],
    }
    write_text_atomically(folder / "item_names.json", json.dumps(names))
    if task.oracle_labels is not None:
        _save(folder / "oracle.npz", {"target_labels": task.oracle_labels[theirs].numpy()})


def _pick(count: int) -> Tensor:
    return torch.linspace(0, count - 1, min(count, STORED)).round().long()


def _thumbnails(side: str, domain: Domain, indices: Tensor) -> dict[str, np.ndarray]:
    if not domain.is_image:
        return {}
    stored = domain.store.gather(indices).cpu()
    if max(stored.shape[1:3]) > THUMBNAIL:
        small = F.interpolate(stored.permute(0, 3, 1, 2).float(), size=THUMBNAIL, mode="area")
        stored = small.round().to(torch.uint8).permute(0, 2, 3, 1)
    return {f"{side}_inputs": stored.numpy()}


def _save(path: Path, arrays: dict[str, np.ndarray]) -> None:
    with replace_atomically(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
