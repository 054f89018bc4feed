"""Putting another last layer on a trained network, where an algorithm makes one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from acclimate.algorithms.base import Algorithm, LastLayer, LastLayerMaterial
from acclimate.core.seeding import derive_seed, generator
from acclimate.data.domain import Domain
from acclimate.models.network import Network
from acclimate.training.evaluate import Evaluator
from acclimate.training.evaluators import LooksAtCheckpoints
from acclimate.training.parts import makers_of_last_layers
from acclimate.training.settings import FitSettings
from acclimate.validators import validators

#: items of each domain that a last layer is made from; more hardly change it and cost minutes
MAXIMUM = 10_000


def replace_last_layer(
    network: Network,
    algorithm: Algorithm,
    labelled: Domain,
    evaluator: LooksAtCheckpoints,
    settings: FitSettings,
) -> str | None:
    """Let ``algorithm`` replace the last layer of ``network``; returns its note, or ``None``.

    The features are those of the trained network on the items it was trained on, without
    augmentation; candidates are scored by the run's validator on the held-out parts.
    """
    if not makers_of_last_layers(algorithm):
        return None
    assert isinstance(evaluator, Evaluator)  # whoever makes a last layer classifies
    source = _some(labelled, settings.seed, "source")
    target = _some(evaluator.task.target.adapt, settings.seed, "target")
    assert source.labels is not None
    material = LastLayerMaterial(
        evaluator.source_outputs(network, source)[1],
        source.labels,
        evaluator.outputs(network, target)[1],
        network.spec.class_count,
        _scorer(evaluator, network, settings.validator),
        derive_seed(settings.seed, "last layer"),
    )
    layer = algorithm.last_layer(material)
    if layer is None:
        return None
    assert isinstance(network.head, torch.nn.Linear)
    with torch.no_grad():
        network.head.weight.copy_(layer.weight)
        network.head.bias.copy_(layer.bias)
    return layer.note


def _scorer(evaluator: Evaluator, network: Network, validator: str) -> Callable[[LastLayer], float]:
    """The validator's score of a last layer on held-out features."""
    score = validators.get(validator).score
    evidence = evaluator.evidence(network)
    changed, mixed = evaluator.probed_features(network)

    def of(layer: LastLayer) -> float:
        def said(features: Tensor) -> Tensor:
            return torch.addmm(layer.bias, features, layer.weight.T)

        # all of it: what the head that goes says of anything would favour layers that resemble it
        return score(
            replace(
                evidence,
                source_logits=said(evidence.source_features),
                target_logits=said(evidence.target_features),
                changed_logits=said(changed),
                mixed_logits=said(mixed),
            )
        )

    return of


def _some(domain: Domain, seed: int, purpose: str) -> Domain:
    if len(domain) <= MAXIMUM:
        return domain
    order = torch.randperm(len(domain), generator=generator(seed, "last layer", purpose))
    return domain.subset(order[:MAXIMUM].sort().values)
