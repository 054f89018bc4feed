"""Circle loss: each pair is weighted by how far its similarity is from where it should be."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from acclimate.losses.pairs import cosine_similarities, mean_where, pairs_of


def circle(
    descriptors: Tensor, labels: Tensor, *, margin: float = 0.25, scale: float = 64.0
) -> Tensor:
    """mean log(1 + Σ e^{γ[s + m]₊(s − m)} · Σ e^{γ[1 + m − s]₊(1 − m − s)}) over the items, 0-d.

    Sun et al., "Circle loss", 2020, equations 5 and 6, with the optima 1 + m and −m and the margins
    1 − m and m of section 3.2, for pairs: the first sum runs over an item's cosine similarities s
    to items of other identities, the second over those to others of its own. The factors [·]₊ take
    no gradient, as in the paper's own derivative. Computed in float32 at least. Items without
    another of their identity, or without any of another, do not count; 0 where none counts.

    Deviation: (1) the default γ is 64; the paper takes 128 for person re-identification.

    Args:
        descriptors: (N, D), of any length, N at least 1.
        labels: (N,) int64 identities; pairs with an item labelled -1 are left out.
        margin: the relaxation m, in [0, 1].
        scale: γ, above 0.

    >>> descriptors = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> loss = circle(descriptors, torch.tensor([0, 0, 1]), margin=0.0, scale=1.0)
    >>> round(loss.item(), 4)  # nothing left to gain: log(1 + e⁰ · e⁰)
    0.6931
    """
    similarities = cosine_similarities(descriptors)
    pairs = pairs_of(labels)
    detached = similarities.detach()
    apart = (detached + margin).relu() * (similarities - margin)
    together = (1 + margin - detached).relu() * (1 - margin - similarities)
    exponent = _log_sum(scale * apart, pairs.negative) + _log_sum(scale * together, pairs.positive)
    return mean_where(F.softplus(exponent), pairs.positive.any(1) & pairs.negative.any(1))


def _log_sum(exponents: Tensor, chosen: Tensor) -> Tensor:
    """log Σ exp of the ``chosen`` in each row; where none is, finite with a finite gradient."""
    return exponents.masked_fill(~chosen, torch.finfo(exponents.dtype).min / 4).logsumexp(1)
