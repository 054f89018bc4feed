"""What an algorithm is: a frozen configuration that turns views of two domains into losses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

from torch import Tensor, nn

from acclimate.core.configuration import Options
from acclimate.core.registry import Registry
from acclimate.core.types import NO_BLEND, Batch, Blend, Views
from acclimate.models.network import Network


class Terms(NamedTuple):
    """``losses`` are summed and descended; ``monitors`` are only logged (0-d tensors or floats)."""

    losses: dict[str, Tensor]
    monitors: dict[str, Tensor | float]


class LastLayer(NamedTuple):
    """A linear last layer: ``weight`` (K, D) and ``bias`` (K,), float32; ``note`` says how it was made."""

    weight: Tensor
    bias: Tensor
    note: str


class LastLayerMaterial(NamedTuple):
    """What a last layer can be made from, once training has ended.

    ``source_features`` (S, D), ``source_labels`` (S,) and ``target_features`` (T, D) are the
    network's last hidden layer on items of the training parts, float32 on the host;
    ``source_labels`` are int64 in [0, ``class_count``), where a class may be without items.
    ``score`` is the label-free score of a candidate on held-out items: larger is better.
    """

    source_features: Tensor
    source_labels: Tensor
    target_features: Tensor
    class_count: int
    score: Callable[[LastLayer], float]
    seed: int


class Phase(NamedTuple):
    """One of the optimiser steps that make up a training step.

    ``trains`` names what moves: ``"network"`` or a part of it, ``"network.head"``, and keys of the
    algorithm's modules; ``None`` = all. Where nothing of the network moves, its forward pass
    keeps no graph.
    """

    name: str
    trains: tuple[str, ...] | None = None

    def moves(self, parameter: str) -> bool:
        """Whether the parameter called ``"network.head.weight"`` or ``"critic.0.bias"`` moves."""
        return self.trains is None or any(f"{parameter}.".startswith(f"{t}.") for t in self.trains)

    @property
    def moves_network(self) -> bool:
        return self.trains is None or any(t.partition(".")[0] == "network" for t in self.trains)


#: what works with classes and with identities: it looks at features alone
ANY_LABELS = ("classification", "retrieval")


class Algorithm(Options):
    """Base of all algorithms. A new one is one file with a subclass, and one import line.

    An algorithm sees what the network says of source and target (``Views``), never a loader, a
    device or a file, and no class label of the target: ``Views`` has no place for one.
    """

    #: needs a labelled stand-in for the target: an oracle, and named so wherever it is shown
    oracle: ClassVar[bool] = False
    #: whether it looks at target items
    uses_target: ClassVar[bool] = True
    #: whether its losses depend on target items; without, only BatchNorm statistics do
    learns_from_target: ClassVar[bool] = True
    #: whether it does so in ``last_layer`` alone: the losses see no target, no batches are drawn
    target_after_training: ClassVar[bool] = False
    #: whether the averaged network looks at weak views of the target: ``views.teacher_logits``
    uses_teacher: ClassVar[bool] = False
    #: whether a loss is a statistic of the whole batch: several processes gather their items for it
    compares_items: ClassVar[bool] = False
    #: whether it draws numbers in a step, from torch's global generator, which the loop seeds
    draws: ClassVar[bool] = False
    #: the objectives it works with; not inherited: whoever builds on one that works without class
    #: logits may well look at them, and so says so for itself
    objectives: ClassVar[tuple[str, ...]] = ("classification",)
    #: whether it puts target items into ``clusters``, by which their batches are drawn then
    forms_clusters: ClassVar[bool] = False
    #: whether descriptors are compared without what a camera does to all of its pictures
    centres_cameras: ClassVar[bool] = False
    #: whether it decides how much the source's labels count; of others they always count in full
    weighs_source: ClassVar[bool] = False
    #: whether the network has to keep BatchNorm statistics of source and target apart
    keeps_domains_apart: ClassVar[bool] = False

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if "objectives" not in cls.__dict__:
            cls.objectives = ("classification",)

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The optimiser steps that make up a training step."""
        return (Phase("all"),)

    @property
    def members(self) -> tuple[Algorithm, ...]:
        """The algorithms this one is made of: itself, unless it is a combination."""
        return (self,)

    @property
    def first_stage(self) -> str | None:
        """What may have trained the model that it has to start from; ``None`` where any weights do."""
        return None

    @property
    def source_blend(self) -> Blend:
        """What source pictures take from target ones; nothing, unless a method says otherwise."""
        return NO_BLEND

    def modules(self, network: Network) -> Mapping[str, nn.Module]:
        """Trainable parts beside the network, by name; fresh weights from torch's global generator.

        Raises ``ConfigurationError`` where the options do not fit the network.
        """
        return {}

    def prepare(self, batch: Batch, progress: float) -> Batch:
        """``batch`` with changed inputs, where a method works on inputs; nothing is changed in place."""
        return batch

    def extra_inputs(self, batch: Batch, progress: float) -> Mapping[str, Tensor]:
        """Further inputs, name → (N, ...), for the joint forward pass; they come back as ``views.extra``."""
        return {}

    def losses(self, views: Views, modules: nn.ModuleDict, phase: str) -> Terms:
        """The weighted losses of one step and what to log beside them."""
        raise NotImplementedError

    def clusters(self, descriptors: Tensor, cameras: Tensor | None) -> Tensor:
        """Groups of target items that seem to be of one identity: (N,) int64, -1 for those left out.

        Asked for at the start of each round, of an algorithm that ``forms_clusters`` alone.
        ``descriptors``: (N, D) float32 on the host, of all items that are adapted to; ``cameras``:
        (N,) int64, ``None`` where unknown.
        """
        raise NotImplementedError

    def last_layer(self, material: LastLayerMaterial) -> LastLayer | None:
        """A last layer to put in the place of the trained one at the end; ``None`` keeps that."""
        return None

    @classmethod
    def description(cls) -> str:
        return (cls.__doc__ or "").strip().splitlines()[0]


algorithms: Registry[type[Algorithm]] = Registry("algorithm")


def names_for(objective: str) -> tuple[str, ...]:
    """Those that work with an objective, ``"classification"`` or ``"retrieval"``."""
    return tuple(name for name, kind in algorithms.items() if objective in kind.objectives)
