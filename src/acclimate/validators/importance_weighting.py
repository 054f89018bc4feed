"""Held-out source items count by how much they look like the target's."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from acclimate.validators.base import Evidence, validator
from acclimate.validators.density_ratio import log_density_ratio
from acclimate.validators.items import in_order, only_finite

Floats = NDArray[np.float64]


@validator("importance-weighted-accuracy", at_every_checkpoint=False)
@only_finite
def importance_weighted_accuracy(evidence: Evidence) -> float:
    """Source accuracy, each item weighed by its density ratio, in [0, 1] (Sugiyama et al., 2007).

    Importance-weighted validation with accuracy for the loss. Deviation: the weights sum to 1, so
    that it is the accuracy of a sample.
    """
    items = in_order(evidence)
    ratio = _source_ratio(items)
    correct = (items.source_logits.argmax(1) == items.source_labels).double().numpy()
    weights = np.exp(ratio - ratio.max())
    return float(weights @ correct / weights.sum())


@validator("dev", at_every_checkpoint=False)
@only_finite
def deep_embedded_validation(evidence: Evidence) -> float:
    """−weighted cross-entropy of source items with a control variate, DEV (You et al., 2019).

    Deviation: the domain classifier is logistic regression, on the features' held-out items in
    five folds, where the paper has a small network on training items.
    """
    items = in_order(evidence)
    return -control_variate_risk(np.exp(_source_ratio(items)), _losses(items))


@validator("devn", at_every_checkpoint=False)
@only_finite
def normalised_deep_embedded_validation(evidence: Evidence) -> float:
    """DEV with weights divided by their largest and moved to mean 1, ≤ 0 (Musgrave et al., 2022)."""
    items = in_order(evidence)
    ratio = _source_ratio(items)
    weights = np.exp(ratio - ratio.max())
    return -control_variate_risk(weights - weights.mean() + 1, _losses(items))


def control_variate_risk(weights: Floats, losses: Floats) -> float:
    """Mean of weight · loss, less what the weights' distance from their expectation of 1 explains.

    You et al., "Towards accurate model selection in deep unsupervised domain adaptation", 2019:
    mean(w · l) + η mean(w) − η with η = −cov(w · l, w) / var(w). Arguments are (N,); weights that
    are all equal explain nothing.

    >>> control_variate_risk(np.array([1.0, 3.0]), np.array([1.0, 1.0]))
    1.0
    """
    weighted = weights * losses
    variance = weights.var()
    if variance <= np.finfo(np.float64).eps * np.square(weights).mean():
        return float(weighted.mean())
    covariance = ((weighted - weighted.mean()) * (weights - weights.mean())).mean()
    return float(weighted.mean() - covariance / variance * (weights.mean() - 1))


def _source_ratio(items: Evidence) -> Floats:
    return log_density_ratio(items.source_features.numpy(), items.target_features.numpy())[0]


def _losses(items: Evidence) -> Floats:
    losses: Floats = torch.nn.functional.cross_entropy(
        items.source_logits, items.source_labels, reduction="none"
    ).numpy()
    return losses
