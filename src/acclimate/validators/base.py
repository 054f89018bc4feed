"""Label-free scores of a checkpoint: the protocol that every validator follows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from acclimate.core.registry import Registry


@dataclass(frozen=True)
class Evidence:
    """What may be looked at: held-out source items with labels, held-out target items without.

    ``*_features``: (N, D) float32 of the feature layer; ``*_logits``: (N, K) float32;
    ``source_labels``: (N,) int64. There is no place for target labels.
    """

    source_features: Tensor
    source_logits: Tensor
    source_labels: Tensor
    target_features: Tensor
    target_logits: Tensor


@dataclass(frozen=True)
class Validator:
    """A score of a checkpoint, higher is better; ``description`` names the paper."""

    name: str
    description: str
    score: Callable[[Evidence], float]


validators: Registry[Validator] = Registry("validator")


def validator(name: str) -> Callable[[Callable[[Evidence], float]], Callable[[Evidence], float]]:
    """Decorator: register a function of ``Evidence``; its docstring's first line describes it."""

    def store(function: Callable[[Evidence], float]) -> Callable[[Evidence], float]:
        first_line = (function.__doc__ or "").strip().splitlines()[0]
        validators.register(name)(Validator(name, first_line, function))
        return function

    return store
