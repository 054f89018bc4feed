"""What scores of descriptors look at, and how they are registered."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from acclimate.core.registry import Registry
from acclimate.validators.base import Validator, registering

#: similarities are told apart by so many digits: what is equal but for rounding is a tie
_DIGITS = 9


@dataclass(frozen=True)
class RetrievalEvidence:
    """What may be looked at: held-out source pictures with identities, target pictures without.

    ``*_descriptors``: (N, D) and (M, D) float32, by whose inner products pictures are compared: unit
    vectors, or the mean of a picture's and its mirror image's. ``source_labels``: (N,) int64
    identities. ``*_cameras``: (N,) and (M,) int64, ``None`` where unknown. There is no place for
    target labels.

    Some target pictures, at the indices ``probed`` (P,) int64, are looked at again:
    ``changed_descriptors`` (P, D) after a small random change. ``None`` where nobody did.
    """

    source_descriptors: Tensor
    source_labels: Tensor
    source_cameras: Tensor | None
    target_descriptors: Tensor
    target_cameras: Tensor | None
    probed: Tensor | None = None
    changed_descriptors: Tensor | None = None


Score = Callable[[RetrievalEvidence], float]

retrieval_validators: Registry[Validator[RetrievalEvidence]] = Registry("retrieval validator")


def retrieval_validator(
    name: str, *, needs: tuple[str, ...] = (), at_every_checkpoint: bool = True
) -> Callable[[Score], Score]:
    """Decorator: register a function of ``RetrievalEvidence``, whose first line describes it.

    The score of descriptors that are not all finite is NaN, not an error or a good score.
    """

    def store(function: Score) -> Score:
        @functools.wraps(function)
        def score(evidence: RetrievalEvidence) -> float:
            parts = [value for value in vars(evidence).values() if value is not None]
            finite = all(bool(torch.isfinite(part).all()) for part in parts)
            return function(evidence) if finite else math.nan

        return registering(retrieval_validators, name, needs, at_every_checkpoint)(score)

    return store


def similarities(first: Tensor, second: Tensor) -> Tensor:
    """(N, M) float64 of (N, D) with (M, D) descriptors, to nine digits, so that ties are ties."""
    return (first.double() @ second.double().T).round(decimals=_DIGITS)


def among_others(descriptors: Tensor) -> Tensor:
    """(N, N) similarities of each item with all others; −∞ with itself."""
    return similarities(descriptors, descriptors).fill_diagonal_(-math.inf)
