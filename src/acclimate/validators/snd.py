"""Soft neighbourhood density of the target's predictions."""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn.functional import normalize

from acclimate.validators.base import Evidence, validator
from acclimate.validators.items import only_finite

TEMPERATURE = 0.05


@validator("snd", at_every_checkpoint=False)
@only_finite
def soft_neighbourhood_density(evidence: Evidence) -> float:
    """Entropy of each target item's similarities to the others / log(N − 1), in [0, 1] (Saito et al., 2021).

    High where every item has many neighbours with the same prediction. The paper's is not divided
    by log(N − 1).
    """
    items = len(evidence.target_logits)
    if items < 3:
        return 0.0
    density = neighbourhood_density(evidence.target_logits.double().softmax(1))
    return float(density) / math.log(items - 1)


def neighbourhood_density(probabilities: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """Mean entropy in nats of the softmax over cosines with all other items; (N, K) to a scalar.

    Saito et al., "Tune it the right way", 2021, the entropy of equation 2.
    """
    unit = normalize(probabilities, dim=1)
    similarities = unit @ unit.T / temperature
    others = similarities.clone().fill_diagonal_(-math.inf)
    total = others.logsumexp(1, keepdim=True)
    # −Σ p log p with the item itself left out, whose p is 0
    entropies = total.squeeze(1) - ((others - total).exp() * similarities).sum(1)
    return entropies.mean()
