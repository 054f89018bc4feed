"""The few types that travel through the whole house: domain → batch → step → record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

from torch import Tensor

PROBE, GALLERY = 1, 2
"""Bits of what an item of a retrieval test is for; 3 for both."""


@dataclass(frozen=True)
class Spec:
    """What a network has to fit.

    ``input_shape`` is (channels, height, width) for images, (features,) for vectors.
    ``source_count``: how many sources are pooled. ``objective``: what source labels mean,
    ``"classification"`` or ``"retrieval"``; the latter has no classes, and the network no logits.
    """

    input_shape: tuple[int, ...]
    class_names: tuple[str, ...]
    source_count: int = 1
    objective: str = "classification"

    @property
    def class_count(self) -> int:
        return len(self.class_names)


class LabelledBatch(NamedTuple):
    """``inputs``: (L, ...) float, preprocessed and augmented; ``labels``: (L,) int64."""

    inputs: Tensor
    labels: Tensor


class Blend(NamedTuple):
    """What source pictures take from target ones while they train; labels stay as they are.

    ``largest``: largest share of a target picture in a source picture, in [0, 1). ``difference``:
    share of the source pictures, in [0, 1], that become the distance to a target texture instead,
    where the augmentation inverts pictures: a negative is the distance to plain white, so this is
    an inversion by places, and means as little to the class.
    """

    largest: float = 0.0
    difference: float = 0.0


NO_BLEND = Blend()


class Batch(NamedTuple):
    """One step's input; the only target labels in it are those given for training.

    ``source``: (S, ...) float, preprocessed and augmented; ``source_labels``: (S,) int64.
    ``target``: (T, ...) float, augmented like the source, or ``None`` for algorithms that use none.
    ``target_weak``: (T, ...) float, the same items hardly augmented, where a teacher looks at them.
    ``labelled_target``: the few labelled items of a run that was given some; no algorithm sees them.
    ``source_places``: (S,) int64, which of several sources an item is from; ``None`` for one source.
    ``target_clusters``: (T,) int64, groups that the target's own descriptors were put into; ``None``
    unless the algorithm forms clusters.
    """

    source: Tensor
    source_labels: Tensor
    target: Tensor | None
    target_weak: Tensor | None
    labelled_target: LabelledBatch | None = None
    source_places: Tensor | None = None
    target_clusters: Tensor | None = None


class NetworkOutput(NamedTuple):
    """``layers``: name → (N, width) activations that an algorithm may attach to; ``logits``: (N, classes).

    Where nothing is classified ``logits`` is (N, 0), and the network's feature layer, the last of
    ``layers``, is the descriptor.
    """

    layers: dict[str, Tensor]
    logits: Tensor

    def rows(self, start: int, stop: int) -> NetworkOutput:
        """The part of a joint forward pass that belongs to items ``start`` to ``stop``."""
        layers = {name: tensor[start:stop] for name, tensor in self.layers.items()}
        return NetworkOutput(layers, self.logits[start:stop])


_NOTHING: Mapping[str, NetworkOutput] = MappingProxyType({})


class Views(NamedTuple):
    """What an algorithm's losses see: one joint forward pass, split by domain.

    ``teacher_logits``: (T, classes) of the averaged network on the weak target view, where asked;
    of retrieval its descriptors (T, D).
    ``batch`` gives the inputs themselves, without labelled target items; ``progress`` is the share
    of training done, in [0, 1]. ``network`` is there for a second look: its head on changed
    features, or all of it on changed inputs. ``teacher`` is its weight average, ``None`` where
    none is kept. ``extra``: what the network says of the algorithm's own ``extra_inputs``.
    ``objective``: what source labels mean; ``None`` stands for classification.
    """

    source: NetworkOutput
    source_labels: Tensor
    target: NetworkOutput | None
    teacher_logits: Tensor | None
    batch: Batch
    progress: float
    network: Any  # a models.Network, which nothing in core can name
    teacher: Any = None
    extra: Mapping[str, NetworkOutput] = _NOTHING
    objective: Any = None  # an objectives.Objective
