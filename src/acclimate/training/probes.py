"""Target items looked at a second time: slightly changed, and mixed with one another."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from acclimate.core.seeding import generator
from acclimate.core.types import NetworkOutput
from acclimate.data.augmentation import Augmentation
from acclimate.data.domain import Domain
from acclimate.data.preprocessing import Preprocessing
from acclimate.models.network import Network
from acclimate.training.inference import fitting_batch
from acclimate.validators.base import MIXED_SHARE

#: small enough that a person would not change their mind
SMALL_CHANGE = Augmentation(rotation=15, scale=0.15, shift=0.1, contrast=0.3, brightness=0.15)
VECTOR_NOISE = 0.1  # of each feature's deviation
_DRAWS = 3  # of small changes, where one would leave too much to luck
_BATCH = 512

Look = Callable[[Tensor], Tensor]


def changed_logits(
    network: Network,
    preprocessing: Preprocessing,
    domain: Domain,
    *,
    draw: int = 0,
    device: torch.device | str = "cpu",
) -> Tensor:
    """(N, K) float32 on the host: logits of every item after a small change of its own."""
    change = _small_change(preprocessing, domain, draw)
    return _outputs(network, preprocessing, domain, change, device).logits


def changed_classes(
    network: Network,
    preprocessing: Preprocessing,
    domain: Domain,
    *,
    device: torch.device | str = "cpu",
) -> Tensor:
    """(3, N) int64 on the host: the class predicted of every item after each of three small changes."""
    looks = [
        changed_logits(network, preprocessing, domain, draw=draw, device=device)
        for draw in range(_DRAWS)
    ]
    return torch.stack(looks).argmax(2)


def changed_descriptors(
    network: Network,
    preprocessing: Preprocessing,
    domain: Domain,
    *,
    draw: int = 0,
    device: torch.device | str = "cpu",
) -> Tensor:
    """(N, D) float32 on the host: the feature layer of every item after a small change of its own."""
    change = _small_change(preprocessing, domain, draw)
    return _outputs(network, preprocessing, domain, change, device).layers[network.feature_layer]


def _small_change(preprocessing: Preprocessing, domain: Domain, draw: int) -> Look:
    random = generator(0, "consistency", draw)

    def changed(stored: Tensor) -> Tensor:
        unit = preprocessing.to_unit(stored)
        if domain.is_image:
            return preprocessing.normalise(SMALL_CHANGE(unit, random, preprocessing.crop))
        inputs = preprocessing.normalise(unit)
        return inputs + VECTOR_NOISE * torch.randn(inputs.shape, generator=random)

    return changed


def mixed_logits(
    network: Network,
    preprocessing: Preprocessing,
    domain: Domain,
    *,
    device: torch.device | str = "cpu",
) -> Tensor:
    """(N, K) float32 on the host: logits of 0.55 · item i + 0.45 · item i − 1.

    Hu et al., "MixVal", 2023. Pictures are mixed before they are normalised, as light mixes.
    """
    return _mixed(network, preprocessing, domain, device).logits


def mixed_descriptors(
    network: Network,
    preprocessing: Preprocessing,
    domain: Domain,
    *,
    device: torch.device | str = "cpu",
) -> Tensor:
    """(N, D) float32 on the host: the feature layer of what ``mixed_logits`` looks at."""
    return _mixed(network, preprocessing, domain, device).layers[network.feature_layer]


def _mixed(
    network: Network, preprocessing: Preprocessing, domain: Domain, device: torch.device | str
) -> NetworkOutput:
    before = domain.subset(torch.arange(len(domain)).roll(1))
    start = 0

    def centre(stored: Tensor) -> Tensor:
        return preprocessing.to_unit(preprocessing.centred(stored))

    def mixed(stored: Tensor) -> Tensor:
        nonlocal start
        stop = start + len(stored)
        unit, others = centre(stored), centre(before.store.gather(torch.arange(start, stop)))
        start = stop
        return preprocessing.normalise(others.lerp(unit, MIXED_SHARE))

    return _outputs(network, preprocessing, domain, mixed, device)


@torch.no_grad()
def _outputs(
    network: Network,
    preprocessing: Preprocessing,
    domain: Domain,
    change: Look,
    device: torch.device | str,
) -> NetworkOutput:
    """Logits and feature layer of every item as ``change`` makes it, float32 on the host."""
    was_training = network.training
    network.eval()
    logits, features = [], []
    size = fitting_batch(domain.store.shape) if domain.is_image else _BATCH
    for indices in torch.split(torch.arange(len(domain)), size):
        # changed on the host, whose generators draw the same numbers everywhere
        output = network(change(domain.store.gather(indices)).to(device))
        logits.append(output.logits.float().cpu())
        features.append(output.layers[network.feature_layer].float().cpu())
    network.train(was_training)
    return NetworkOutput({network.feature_layer: torch.cat(features)}, torch.cat(logits))
