"""Nuclear norm of the target's predictions."""

from __future__ import annotations

import math

from acclimate.losses.nuclear_norm import mean_nuclear_norm
from acclimate.validators.base import Evidence, validator
from acclimate.validators.items import only_finite


@validator("bnm")
@only_finite
def nuclear_norm(evidence: Evidence) -> float:
    """Certain and varied predictions: nuclear norm over √(N · min(N, K)), in [0, 1] (Cui et al., 2020).

    As a validator: Musgrave et al., 2022, who leave the scale out. It is 1 where every item is
    certain and all classes are as frequent.
    """
    items, classes = evidence.target_logits.shape
    norm = float(mean_nuclear_norm(evidence.target_logits.double()))
    return norm * math.sqrt(items / min(items, classes))
