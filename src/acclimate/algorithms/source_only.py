"""No adaptation, and its opposite: the two rows that every table needs."""

from __future__ import annotations

from typing import ClassVar

from torch import nn

from acclimate.algorithms.base import ANY_LABELS, Algorithm, Terms, algorithms
from acclimate.core.types import Views
from acclimate.objectives import supervised


@algorithms.register("source-only")
class SourceOnly(Algorithm):
    """Train on the labelled source alone: what adaptation has to beat."""

    uses_target: ClassVar[bool] = False
    objectives: ClassVar[tuple[str, ...]] = ANY_LABELS

    def losses(self, views: Views, modules: nn.ModuleDict, phase: str) -> Terms:
        return Terms(*supervised(views))


@algorithms.register("train-on-target")
class TrainOnTarget(SourceOnly):
    """Oracle: train on the target's own labels, the upper end of the scale.

    The run's labelled domain is the target's adapt split, handed out by ``data.splits``.
    """

    oracle: ClassVar[bool] = True
    objectives: ClassVar[tuple[str, ...]] = ANY_LABELS
