"""What the report looks at: pictures, logits and features of some held-out items."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from acclimate.core.files import write_text_atomically
from acclimate.data.domain import Domain, Store
from acclimate.training.stored import save_arrays, spread
from acclimate.training.task import Task

THUMBNAIL = 64  # pixels of the longer side
LARGE = 112  # of the pictures that a person is shown one by one
LARGE_FROM = 128  # pixels of a stored picture; a smaller one has nothing more to show
CANDIDATES = 40  # for each strip of the report, which shows fewer
_AT_ONCE = 32  # pictures that are decoded and shrunk together


def write_samples(
    folder: Path, task: Task, source: tuple[Tensor, Tensor], target: tuple[Tensor, Tensor]
) -> None:
    """Write ``samples.npz``, ``item_names.json`` and, where labels exist, ``oracle.npz``.

    ``source`` and ``target``: logits (N, K) and features (N, D) of the whole held-out source and
    of the target's evaluate part. At most 1,000 items of each are kept, the same for every run of
    a task. Of pictures of 128 pixels or more, up to 80 target items worth a look are kept larger.
    """
    validation, evaluate = task.source.validation, task.target.evaluate
    assert validation.labels is not None
    ours, theirs = spread(len(validation)), spread(len(evaluate))
    labels = None if task.oracle_labels is None else task.oracle_labels[theirs]
    logits = target[0][theirs].half()
    arrays = {
        "source_labels": validation.labels[ours].numpy(),
        "source_logits": source[0][ours].half().numpy(),
        "source_features": source[1][ours].half().numpy(),
        "target_logits": logits.numpy(),
        "target_features": target[1][theirs].half().numpy(),
        "target_indices": theirs.numpy(),
        **_thumbnails("source", validation, ours),
        **_thumbnails("target", evaluate, theirs),
        **_large("target", evaluate, theirs, worth_a_look(logits, labels)),
    }
    save_arrays(folder / "samples.npz", arrays)
    names = {
        "source": [validation.name_of(int(index)) for index in ours],
        "target": [evaluate.name_of(int(index)) for index in theirs],
    }
    write_text_atomically(folder / "item_names.json", json.dumps(names))
    if labels is not None:
        save_arrays(folder / "oracle.npz", {"target_labels": labels.numpy()})


def worth_a_look(logits: Tensor, labels: Tensor | None) -> Tensor:
    """Items that the report may show one by one: the least certain and the surest mistakes.

    ``logits``: (N, K); ``labels``: (N,) or ``None``. Returns ascending indices into N, at most 80.
    """
    # as the report reads them: in double precision, since saturated confidences are ties in single
    finite = logits.isfinite().all(dim=1, keepdim=True)
    known = torch.where(finite, logits.double(), 0.0)
    confidence, predicted = torch.softmax(known, dim=1).max(dim=1)
    chosen = confidence.argsort(stable=True)[:CANDIDATES]
    if labels is not None:
        wrong = (predicted != labels).nonzero().flatten()
        surest = confidence[wrong].argsort(descending=True, stable=True)[:CANDIDATES]
        chosen = torch.cat([chosen, wrong[surest]])
    return torch.unique(chosen)  # type: ignore[no-any-return]


def _pictures(domain: Domain) -> Store | None:
    """What a person sees of the items: the inputs, or the pictures that features were made of."""
    if domain.pictures is not None:
        return domain.pictures
    return domain.store if domain.is_image else None


def _thumbnails(side: str, domain: Domain, indices: Tensor) -> dict[str, np.ndarray]:
    pictures = _pictures(domain)
    return {} if pictures is None else {f"{side}_inputs": _shrunk(pictures, indices, THUMBNAIL)}


def _large(side: str, domain: Domain, indices: Tensor, some: Tensor) -> dict[str, np.ndarray]:
    """Larger pictures of the items at ``some`` of ``indices``, with their places among these."""
    pictures = _pictures(domain)
    if pictures is None or max(pictures.shape[1:3]) < LARGE_FROM:
        return {}
    return {
        f"{side}_large": _shrunk(pictures, indices[some], LARGE),
        f"{side}_large_indices": some.numpy(),
    }


def _shrunk(pictures: Store, indices: Tensor, longest: int) -> np.ndarray:
    """(K, h, w, C) uint8: the longer side at most ``longest``, the ratio of the sides kept."""
    height, width = pictures.shape[1:3]
    scale = min(1.0, longest / max(height, width))
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    parts = [torch.empty(0, *size, pictures.shape[3], dtype=torch.uint8)]
    for some in indices.split(_AT_ONCE):
        stored = pictures.gather(some).cpu()
        if scale < 1:
            small = F.interpolate(stored.permute(0, 3, 1, 2).float(), size=size, mode="area")
            stored = small.round().to(torch.uint8).permute(0, 2, 3, 1)
        parts.append(stored)
    return torch.cat(parts).numpy()
