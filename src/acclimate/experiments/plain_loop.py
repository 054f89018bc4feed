"""DANN as one writes it by hand in PyTorch: what our engine is measured against.

Contiguous tensors, two forward passes, eager, float32. No part of it is ours but the gradient reversal.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from acclimate.data.domain import Domain, ResidentStore
from acclimate.layers.gradient_reversal import reverse_gradient


def plain_network(input_shape: tuple[int, ...], class_count: int) -> nn.ModuleList:
    """The paper's MNIST network (JMLR 2016, figure 4): features, label head, domain head.

    ``input_shape``: (channels, height, width), at least 16 pixels a side.
    """
    features = nn.Sequential(
        nn.Conv2d(input_shape[0], 32, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 48, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
    )  # fmt: skip
    with torch.no_grad():
        width = features(torch.zeros(1, *input_shape)).shape[1]
    label_head = nn.Sequential(
        nn.Linear(width, 100), nn.ReLU(),
        nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, class_count),
    )  # fmt: skip
    return nn.ModuleList([features, label_head, plain_domain_head(width)])


def plain_domain_head(width: int) -> nn.Sequential:
    """One hidden layer and one logit."""
    return nn.Sequential(nn.Linear(width, 100), nn.ReLU(), nn.Linear(100, 1))


def plain_loss(
    network: nn.ModuleList, source: Tensor, labels: Tensor, target: Tensor, weight: float
) -> Tensor:
    """Cross-entropy on the source plus the domain loss behind a reversal of ``weight``.

    ``source``, ``target``: float inputs; ``labels``: int64. Returns a scalar.
    """
    features, label_head, domain_head = network
    source_features, target_features = features(source), features(target)
    loss = F.cross_entropy(label_head(source_features), labels)
    source_domain = domain_head(reverse_gradient(source_features, weight))
    target_domain = domain_head(reverse_gradient(target_features, weight))
    zeros, ones = torch.zeros_like(source_domain), torch.ones_like(target_domain)
    loss = loss + 0.5 * F.binary_cross_entropy_with_logits(source_domain, zeros)
    return loss + 0.5 * F.binary_cross_entropy_with_logits(target_domain, ones)


def contiguous(domain: Domain, device: torch.device) -> Tensor:
    """All items as stored, pictures as uint8 (N, C, H, W), on the device."""
    assert isinstance(domain.store, ResidentStore)
    stored = domain.store.tensor
    return (stored.permute(0, 3, 1, 2) if domain.is_image else stored).contiguous().to(device)


def synchronise(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
