"""What an objective is: the meaning of source labels, and the loss that follows from it."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from torch import Tensor

from acclimate.core.configuration import Options
from acclimate.core.registry import Registry
from acclimate.core.types import NetworkOutput

Said = tuple[dict[str, Tensor], dict[str, Any]]
"""Losses to be descended and what is only logged, by name, all 0-d."""


class Objective(Options):
    """A frozen configuration that turns what a network says of labelled items into a loss.

    Algorithms take the supervised part of their losses from it, and so need not know whether
    labels are classes or identities.
    """

    #: what its loss is called, the same in every algorithm
    term: ClassVar[str]
    #: what it logs beside the loss
    monitor: ClassVar[str]
    #: whether the loss is of pairs of a batch: several processes gather their items for it
    compares_items: ClassVar[bool] = False

    @abstractmethod
    def terms(self, output: NetworkOutput, labels: Tensor) -> Said:
        """The loss, called ``term``, and ``monitor`` of N items with ``labels`` (N,) int64."""

    @abstractmethod
    def said(self, output: NetworkOutput) -> Tensor:
        """(N, width) of the answer itself: logits, or descriptors."""


objectives: Registry[type[Objective]] = Registry("objective")
