"""Criteria over several sources and one target."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from acclimate.layers.full_precision import full_precision


def domain_weights(places: Tensor, count: int) -> Tensor:
    """(count, N) float32: row k averages over the items of domain k; a row without items is 0.

    Args:
        places: (N,) int64 in [0, count), the domain of each item.
        count: how many domains there are.

    >>> domain_weights(torch.tensor([0, 0, 1]), 3).tolist()
    [[0.5, 0.5, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
    """
    member = (places == torch.arange(count, device=places.device)[:, None]).float()
    return member / member.sum(1, keepdim=True).clamp_min(1)


@full_precision
def domain_cross_entropy(logits: Tensor, places: Tensor) -> Tensor:
    """Cross-entropy of "which domain is this from?", each domain that is there weighing the same.

    Args:
        logits: (N, domains).
        places: (N,) int64 in [0, domains).

    >>> logits, places = torch.zeros(3, 2), torch.tensor([0, 0, 1])
    >>> round(domain_cross_entropy(logits, places).item(), 4)
    0.6931
    """
    weights = domain_weights(places, logits.shape[1])
    each = F.cross_entropy(logits, places, reduction="none")
    there = (weights.sum(1) > 0).sum()
    return (weights.to(each) @ each).sum() / there


@full_precision
def domain_accuracies(logits: Tensor, places: Tensor) -> Tensor:
    """Mean over the domains of the share of their items that are recognised, in [0, 1]."""
    weights = domain_weights(places, logits.shape[1])
    right = (logits.detach().argmax(1) == places).float()
    return (weights @ right).sum() / (weights.sum(1) > 0).sum()


@full_precision
def moment_distance(features: Tensor, places: Tensor, count: int, moments: int = 2) -> Tensor:
    """Distances of the sources' moments from the target's and from each other's.

    Peng et al., "Moment matching for multi-source domain adaptation", 2019, equation 1: for each
    order k the mean over sources of ‖E Sᵏ − E Tᵏ‖ plus the mean over pairs of sources of
    ‖E Sᵢᵏ − E Sⱼᵏ‖, summed over k. A domain without items in the batch takes no part.

    Args:
        features: (N, D).
        places: (N,) int64 in [0, count); the last is the target.
        count: how many domains there are, the target included.
        moments: the largest order.

    >>> features = torch.tensor([[0.0], [2.0], [5.0]])
    >>> moment_distance(features, torch.tensor([0, 0, 1]), 2, moments=1).item()
    4.0
    """
    weights = domain_weights(places, count)
    there = weights.sum(1) > 0
    pairs = torch.triu(there[:, None] & there, diagonal=1).float()
    with_target = torch.zeros_like(pairs)
    with_target[:, -1] = pairs[:, -1]
    among_sources = pairs - with_target
    total = features.new_zeros(())
    for order in range(1, moments + 1):
        means = weights.to(features) @ features**order
        difference = means[:, None] - means
        # the root has no gradient at 0, where two means are the same or a domain meets itself
        distance = (difference.square().sum(2) + 1e-12).sqrt()
        for chosen in (with_target, among_sources):
            total = total + (chosen * distance).sum() / chosen.sum().clamp_min(1)
    return total
