"""Label-free scores of a checkpoint: the protocol that every validator follows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from torch import Tensor

from acclimate.core.errors import ConfigurationError
from acclimate.core.registry import Registry

#: share of the first of two items in a mixed input
MIXED_SHARE = 0.55


@dataclass(frozen=True)
class Evidence:
    """What may be looked at: held-out source items with labels, held-out target items without.

    ``*_features``: (N, D) float32 of the feature layer; ``*_logits``: (N, K) float32;
    ``source_labels``: (N,) int64. There is no place for target labels.

    Some target items, at the indices ``probed`` (M,) int64, are looked at again:
    ``changed_logits`` (M, K) of the inputs after a small random change, ``mixed_logits`` (M, K) of
    0.55 · input i + 0.45 · input i − 1, the one before it in ``probed``. ``None`` where nobody did.
    """

    source_features: Tensor
    source_logits: Tensor
    source_labels: Tensor
    target_features: Tensor
    target_logits: Tensor
    probed: Tensor | None = None
    changed_logits: Tensor | None = None
    mixed_logits: Tensor | None = None


Looked = TypeVar("Looked")


@dataclass(frozen=True)
class Validator(Generic[Looked]):
    """A score of a checkpoint, higher is better; ``description`` names the paper.

    ``Looked``: the evidence, ``Evidence`` where items are classified, and ``RetrievalEvidence`` of
    ``validators.retrieval`` where identities are told apart. ``needs``: fields of it that may be
    missing. ``at_every_checkpoint``: cheap enough to
    be computed whenever a run is evaluated; the others are when they are asked for.
    """

    name: str
    description: str
    function: Callable[[Looked], float]
    needs: tuple[str, ...] = ()
    at_every_checkpoint: bool = True

    def score(self, evidence: Looked) -> float:
        """The score; raises ``ConfigurationError`` where the evidence lacks what it needs."""
        missing = [name for name in self.needs if getattr(evidence, name) is None]
        if missing:
            raise ConfigurationError(
                f"validator {self.name} needs {' and '.join(missing)}, which were not stored with "
                "this checkpoint; train anew, or choose another validator"
            )
        return self.function(evidence)


validators: Registry[Validator[Evidence]] = Registry("validator")


def validator(
    name: str, *, needs: tuple[str, ...] = (), at_every_checkpoint: bool = True
) -> Callable[[Callable[[Evidence], float]], Callable[[Evidence], float]]:
    """Decorator: register a function of ``Evidence``; its docstring's first line describes it."""
    return registering(validators, name, needs, at_every_checkpoint)


def registering(
    registry: Registry[Validator[Looked]],
    name: str,
    needs: tuple[str, ...],
    at_every_checkpoint: bool,
) -> Callable[[Callable[[Looked], float]], Callable[[Looked], float]]:
    """Decorator: put a function into ``registry``, described by its docstring's first line."""

    def store(function: Callable[[Looked], float]) -> Callable[[Looked], float]:
        first_line = (function.__doc__ or "").strip().splitlines()[0]
        registry.register(name)(Validator(name, first_line, function, needs, at_every_checkpoint))
        return function

    return store
