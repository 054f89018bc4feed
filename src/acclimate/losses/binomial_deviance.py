"""Binomial deviance of cosine similarities: matching pairs above a margin, all others below."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from acclimate.losses.pairs import cosine_similarities, mean_where, pairs_of


def binomial_deviance(
    descriptors: Tensor,
    labels: Tensor,
    *,
    steepness: float = 2.0,
    margin: float = 0.5,
    negative_cost: float = 2.0,
) -> Tensor:
    """mean log(1 + e^{−α(s − β)}) of matching pairs + mean log(1 + e^{αc(s − β)}) of others, 0-d.

    Yi, Lei and Li, "Deep metric learning for practical person re-identification", 2014: its weights
    of pairs are one over the number of pairs of their kind. Ganin et al., JMLR 17(59), 2016, 5.3.2,
    take α = 2, β = 0.5 and c = 2. s is the cosine of two descriptors, in float32 at least. Without
    pairs of one kind its mean is 0.

    Deviation: (1) all pairs of the batch are compared, as JMLR has it, whichever camera they are
    from; Yi et al. compare those across two cameras.

    Args:
        descriptors: (N, D), of any length, N at least 1.
        labels: (N,) int64 identities; pairs with an item labelled -1 are left out.
        steepness: α, above 0.
        margin: β, the similarity at which a pair weighs log 2, whichever kind it is.
        negative_cost: c, above 0, the factor of the exponent in pairs of two identities.

    >>> import torch
    >>> descriptors = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]])
    >>> loss = binomial_deviance(descriptors, torch.tensor([0, 0, 1]))
    >>> round(loss.item(), 4)  # log(1 + e⁻¹) + log(1 + e⁻²)
    0.4402
    """
    above = steepness * (cosine_similarities(descriptors) - margin)
    pairs = pairs_of(labels)
    alike = mean_where(F.softplus(-above), pairs.positive)
    unlike = mean_where(F.softplus(negative_cost * above), pairs.negative)
    return alike + unlike
