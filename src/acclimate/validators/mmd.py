"""Maximum mean discrepancy of the domains' features."""

from __future__ import annotations

import torch
from torch import Tensor

from acclimate.losses.distances import squared_distances
from acclimate.validators.base import Evidence, validator
from acclimate.validators.items import only_finite

_DOUBLINGS = 5


@validator("mmd", at_every_checkpoint=False)
@only_finite
def negative_discrepancy(evidence: Evidence) -> float:
    """−squared maximum mean discrepancy of the features, in [-2, 0] (Gretton et al., 2012).

    JMLR 13(25), equation 5, which is 0 for equal sets. The kernel is the mean of five Gaussian ones
    exp(−‖x − y‖² / b), with ¼, ½, 1, 2 and 4 times the mean squared distance of two items for b.
    """
    source, target = evidence.source_features.double(), evidence.target_features.double()
    pooled = torch.cat([source, target])
    # Σ‖x − y‖² over all pairs is 2N times that of the distances from the mean
    spread = (pooled - pooled.mean(0)).square().sum() * 2 / (len(pooled) - 1)
    within = _similarity(source, source, spread) + _similarity(target, target, spread)
    return min(0.0, 2 * _similarity(source, target, spread) - within)


def _similarity(first: Tensor, second: Tensor, spread: Tensor) -> float:
    """Mean of the kernel over all pairs. Set by set, since that of all items at once is large."""
    # items that are all the same have no scale; their kernel is 1 with any
    widest = 4 * spread.clamp_min(torch.finfo(spread.dtype).tiny ** 0.5)
    kernel = (-squared_distances(first, second) / widest).exp()
    total = 0.0
    for _ in range(_DOUBLINGS):
        total += float(kernel.mean())
        kernel = kernel.square()  # half the width
    return total / _DOUBLINGS
