"""Adaptive batch normalisation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import nn

from acclimate.algorithms.base import ANY_LABELS, algorithms
from acclimate.algorithms.source_only import SourceOnly
from acclimate.core.errors import ConfigurationError
from acclimate.layers.domain_norm import DomainBatchNorm
from acclimate.models.network import Network


@algorithms.register("adabn")
class AdaBn(SourceOnly):
    """Source-only training, with the target's own BatchNorm statistics at prediction.

    Li et al., "Revisiting batch normalization for practical domain adaptation", 2016, algorithm 1.
    Deviation: the target's statistics are running means over training instead of one pass over all
    target items at its end. No weight learns from the target.
    """

    uses_target: ClassVar[bool] = True
    objectives: ClassVar[tuple[str, ...]] = ANY_LABELS
    learns_from_target: ClassVar[bool] = False
    compares_items: ClassVar[bool] = True
    keeps_domains_apart: ClassVar[bool] = True

    def modules(self, network: Network) -> Mapping[str, nn.Module]:
        if not any(isinstance(module, DomainBatchNorm) for module in network.modules()):
            raise ConfigurationError(
                "adabn needs a network with BatchNorm for each domain: give --set "
                "network.normalisation=domain (a backbone: --batch-norm domain), or leave it out"
            )
        return {}
