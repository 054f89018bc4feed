"""How far apart the inputs of two domains lie before any network has seen them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import sparse

from acclimate.core.files import write_text_atomically
from acclimate.data.domain import Domain, SparseStore
from acclimate.training.task import Task
from acclimate.validators.domain_classifier import lowest_error

FILE_NAME = "features.json"
MOST = 2000  # items of each domain looked at
SHOWN = 10

Rows = Any  # (N, D): an array, or a CSR matrix


def write_shift(folder: Path, task: Task) -> None:
    """Write ``features.json`` for vectors; nothing for pictures, whose pixels have no names.

    Looks at what is trained on: the source's training items and the target's adapt part, at most
    2,000 of each, and at no label.
    """
    if len(task.spec.input_shape) != 1:
        return
    source, target = _rows(task.source.train), _rows(task.target.adapt)
    names = task.tables.feature_names if task.tables else None
    differences = mean_differences(source, target)
    most = np.argsort(-np.abs(differences), kind="stable")[:SHOWN]
    found = {
        "proxy_a_distance": 2 * (1 - 2 * min(0.5, lowest_error(source, target))),
        "items": {"source": source.shape[0], "target": target.shape[0]},
        "features": source.shape[1],
        "most_shifted": [
            {
                "name": names[index] if names else f"feature {index}",
                "difference": float(differences[index]),
            }
            for index in most
        ],
    }
    write_text_atomically(folder / FILE_NAME, json.dumps(found, indent=2) + "\n")


def mean_differences(source: Rows, target: Rows) -> Any:
    """Target's mean − source's mean of each feature, over its deviation in both together: in [-2, 2].

    Both domains weigh the same. A feature that is constant in each and differs is at ±2; one that
    is the same constant in both at 0.

    >>> mean_differences(np.array([[0.0, 1.0]]), np.array([[3.0, 1.0]]))
    array([2., 0.])
    """
    first, second = _moments(source), _moments(target)
    mean, square = (first + second) / 2
    deviation = np.sqrt(np.clip(square - mean**2, 0, None))
    change = second[0] - first[0]
    return np.divide(change, deviation, out=np.zeros_like(change), where=deviation > 1e-9)


def _moments(rows: Rows) -> np.ndarray[Any, Any]:
    """(2, D) float64: mean and mean square."""
    if sparse.issparse(rows):
        return np.stack([np.asarray(part.mean(axis=0)).ravel() for part in (rows, rows.power(2))])
    return np.stack([rows.mean(axis=0), (rows**2).mean(axis=0)])


def _rows(domain: Domain) -> Rows:
    """Some items of a domain of vectors, float64; sparse where they are kept so."""
    indices = torch.linspace(0, len(domain) - 1, min(len(domain), MOST)).round().long()
    if isinstance(domain.store, SparseStore):
        return domain.store.matrix[indices.numpy()].astype(np.float64)
    return domain.store.gather(indices).cpu().numpy().astype(np.float64)
