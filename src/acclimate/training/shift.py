"""How far apart the inputs of two domains lie before any network has seen them."""

from __future__ import annotations

import json
import warnings
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
SHOWN = 10  # features
NAMED = 5  # items of the largest and of the smallest weights
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)

Rows = Any  # (N, D): an array, or a CSR matrix


def write_shift(folder: Path, task: Task) -> None:
    """Write ``features.json`` for vectors; nothing for pictures, whose pixels have no names.

    Looks at what is trained on: the source's training items and the target's adapt part, at most
    2,000 of each, and at no label. ``weights`` say how like the target each source row is, 1 on
    average: the effective share of rows, quantiles, and which rows are most and least so, and their
    mean before they were scaled; ``null`` for a domain of a single row.
    """
    if len(task.spec.input_shape) != 1:
        return
    source, target = (_rows(part, _some(part)) for part in (task.source.train, task.target.adapt))
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
        "weights": _weights(task.source.train, source, target),
    }
    write_text_atomically(folder / FILE_NAME, json.dumps(found, indent=2) + "\n")


def importance_weights(source: Rows, target: Rows) -> tuple[Any, float]:
    """(S,) float64 > 0 of mean 1, how much likelier each source row is in the target; their mean before.

    The odds by logistic regression of standardised features, of each row by a classifier that was
    fitted without it (Bickel et al., 2007); (S, D) and (T, D), two rows or more of each. A mean that
    was far below 1 says that hardly any row of the source is like the target.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from acclimate.shallow.discriminator_weights import DiscriminatorWeights

    scaler = StandardScaler(with_mean=not sparse.issparse(source))
    # where the domains lie apart, more steps make sure classifiers surer and cost a minute
    classifier = make_pipeline(scaler, LogisticRegression(max_iter=100))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        weighting = DiscriminatorWeights(classifier, random_state=0).fit(source, X_target=target)
    return weighting.weights_, weighting.mean_ratio_


def effective_share(weights: Any) -> float:
    """(Σw)² / Σw² of (S,) weights over S, in [1 / S, 1]: rows that would say as much unweighted.

    >>> effective_share(np.array([1.0, 1.0, 0.0, 0.0]))
    0.5
    """
    return float(weights.sum() ** 2 / (weights**2).sum() / len(weights))


def _weights(domain: Domain, source: Rows, target: Rows) -> dict[str, Any] | None:
    """What ``features.json`` says of the weights of ``source``, the rows at ``_some(domain)``."""
    if min(source.shape[0], target.shape[0]) < 2:
        return None
    weights, mean = importance_weights(source, target)
    indices = _some(domain)
    order = np.argsort(-weights, kind="stable")
    # of few rows none is both
    named = min(NAMED, len(order) // 2)

    def rows(places: Any) -> list[dict[str, Any]]:
        return [
            {"name": domain.name_of(int(indices[place])), "weight": float(weights[place])}
            for place in places
        ]

    return {
        "mean_ratio": mean,
        "effective_share": effective_share(weights),
        "quantiles": {str(share): float(np.quantile(weights, share)) for share in QUANTILES},
        "largest": rows(order[:named]),
        "smallest": rows(order[::-1][:named]),
    }


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


def _some(domain: Domain) -> torch.Tensor:
    """The items that are looked at: at most ``MOST``, evenly spaced."""
    return torch.linspace(0, len(domain) - 1, min(len(domain), MOST)).round().long()


def _rows(domain: Domain, indices: torch.Tensor) -> Rows:
    """Those items of a domain of vectors, float64; sparse where they are kept so."""
    if isinstance(domain.store, SparseStore):
        return domain.store.matrix[indices.numpy()].astype(np.float64)
    return domain.store.gather(indices).cpu().numpy().astype(np.float64)
