"""Several algorithms at once: their losses are added, each with its own weight."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import SerializeAsAny
from torch import Tensor, nn

from acclimate.algorithms.base import (
    Algorithm,
    LastLayer,
    LastLayerMaterial,
    Terms,
    algorithms,
)
from acclimate.core.configuration import Options
from acclimate.core.errors import ConfigurationError, near_miss
from acclimate.core.types import Batch, Blend, NetworkOutput, Views
from acclimate.models.network import Network
from acclimate.objectives import objectives

SEPARATOR = "+"

#: what is the same thing in every part, and so counted and logged once
COMMON = tuple(name for _, kind in objectives.items() for name in (kind.term, kind.monitor))


class Combination(Algorithm):
    """The sum of several algorithms' losses, of which what the source's labels teach counts once:
    in full, or as the part says that weighs it.

    Any other name that two parts give belongs to the first of them; the second one's is called
    ``part.name``. Modules belong to one part each and are stored as ``part.module``.
    """

    parts: dict[str, SerializeAsAny[Algorithm]]

    @property
    def members(self) -> tuple[Algorithm, ...]:
        return tuple(self.parts.values())

    @property
    def oracle(self) -> bool:  # type: ignore[override]
        return any(part.oracle for part in self.parts.values())

    @property
    def uses_target(self) -> bool:  # type: ignore[override]
        return any(part.uses_target for part in self.parts.values())

    @property
    def uses_teacher(self) -> bool:  # type: ignore[override]
        return any(part.uses_teacher for part in self.parts.values())

    @property
    def forms_clusters(self) -> bool:  # type: ignore[override]
        return any(part.forms_clusters for part in self.parts.values())

    @property
    def centres_cameras(self) -> bool:  # type: ignore[override]
        return any(part.centres_cameras for part in self.parts.values())

    @property
    def draws(self) -> bool:  # type: ignore[override]
        return any(part.draws for part in self.parts.values())

    @property
    def keeps_domains_apart(self) -> bool:  # type: ignore[override]
        return any(part.keeps_domains_apart for part in self.parts.values())

    @property
    def first_stage(self) -> str | None:
        return next((part.first_stage for part in self.parts.values() if part.first_stage), None)

    @property
    def source_blend(self) -> Blend:
        blends = [part.source_blend for part in self.parts.values()]
        return Blend(
            max(blend.largest for blend in blends), max(blend.difference for blend in blends)
        )

    def modules(self, network: Network) -> Mapping[str, nn.Module]:
        # a ModuleDict's keys must not hold a dot: each part's modules are a dictionary of their own
        found = {name: part.modules(network) for name, part in self.parts.items()}
        return {name: nn.ModuleDict(dict(modules)) for name, modules in found.items() if modules}

    def prepare(self, batch: Batch, progress: float) -> Batch:
        for part in self.parts.values():
            batch = part.prepare(batch, progress)
        return batch

    def extra_inputs(self, batch: Batch, progress: float) -> Mapping[str, Tensor]:
        return {
            f"{name}.{key}": inputs
            for name, part in self.parts.items()
            for key, inputs in part.extra_inputs(batch, progress).items()
        }

    def losses(self, views: Views, modules: nn.ModuleDict, phase: str) -> Terms:
        losses: dict[str, Tensor] = {}
        monitors: dict[str, Tensor | float] = {}
        for name, part in self.parts.items():
            own = modules[name] if name in modules else nn.ModuleDict()
            assert isinstance(own, nn.ModuleDict)
            terms = part.losses(views._replace(extra=_own(views.extra, name)), own, phase)
            if part.weighs_source:
                losses.update((key, terms.losses[key]) for key in COMMON if key in terms.losses)
            _add(losses, terms.losses, name)
            _add(monitors, terms.monitors, name)
        return Terms(losses, monitors)

    def last_layer(self, material: LastLayerMaterial) -> LastLayer | None:
        for part in self.parts.values():
            layer = part.last_layer(material)
            if layer is not None:
                return layer
        return None


def _own(extra: Mapping[str, NetworkOutput], part: str) -> dict[str, NetworkOutput]:
    start = f"{part}."
    return {key.removeprefix(start): each for key, each in extra.items() if key.startswith(start)}


def _add(found: dict[str, Any], terms: Mapping[str, Any], part: str) -> None:
    for key, value in terms.items():
        if key not in found:
            found[key] = value
        elif key not in COMMON:
            found[f"{part}.{key}"] = value


def make(name: str, options: Mapping[str, Any]) -> Algorithm:
    """The algorithm called ``name``, or the combination ``"dann+mi"``, with its options.

    A combination's options are written ``part.key``; without the part where only one has such a
    key. Raises ``UnknownNameError`` and ``ConfigurationError``.

    >>> made = make("dann+mi", {"mi.weight": 0.3, "threshold": 0.95})
    >>> made.parts["mi"].weight, made.parts["mi"].threshold, made.parts["dann"].weight
    (0.3, 0.95, 1.0)
    """
    return assemble(name, options, lambda kind, own, part: kind.build(f"algorithm {part}", own))


def assemble(
    name: str,
    options: Mapping[str, Any],
    build: Callable[[type[Algorithm], Mapping[str, Any], str], Options],
) -> Algorithm:
    """As ``make``, with the caller's own way to build a part, for complaints in its own words."""
    names = [part.strip() for part in name.split(SEPARATOR)]
    kinds = {part: algorithms.get(part) for part in names}
    if len(kinds) < len(names):
        raise ConfigurationError(f"algorithm {name} names one of its parts twice")
    shares = _shared_out(name, options, kinds) if len(names) > 1 else {names[0]: dict(options)}
    parts: dict[str, Any] = {part: build(kinds[part], shares[part], part) for part in names}
    if len(names) == 1:
        made: Algorithm = parts[names[0]]
        return made
    several = next((name for name, part in parts.items() if len(part.phases) > 1), None)
    if several is not None:
        raise ConfigurationError(
            f"algorithm {name}: {several} takes several optimiser steps at a time and cannot be combined"
        )
    alone = next((name for name, part in parts.items() if part.phases[0].trains), None)
    if alone is not None:
        raise ConfigurationError(
            f"algorithm {name}: {alone} trains a part of the network only and cannot be combined"
        )
    weighing = [name for name, part in parts.items() if part.weighs_source]
    if len(weighing) > 1:
        raise ConfigurationError(
            f"algorithm {name}: {' and '.join(weighing)} each weigh the source's labels and cannot be combined"
        )
    if any(kind.oracle for kind in kinds.values()):
        raise ConfigurationError(f"algorithm {name}: an oracle cannot be combined with others")
    return Combination(parts=parts)


def _shared_out(
    name: str, options: Mapping[str, Any], kinds: Mapping[str, type[Algorithm]]
) -> dict[str, dict[str, Any]]:
    """Each part's own options."""
    shares: dict[str, dict[str, Any]] = {part: {} for part in kinds}
    for key, value in options.items():
        part, own = _owner(name, key, kinds)
        if own in shares[part]:
            raise ConfigurationError(
                f"algorithm {name}: {own} of {part} is given twice, as {own} and as {part}.{own}"
            )
        shares[part][own] = value
    return shares


def _owner(name: str, key: str, kinds: Mapping[str, type[Algorithm]]) -> tuple[str, str]:
    """The part that option ``key`` is for, and what it is called there."""
    part, dot, own = key.partition(".")
    if dot:
        if part not in kinds:
            raise ConfigurationError(
                f"algorithm {name}: option {key!r} names no part of it.{near_miss(part, kinds)}"
            )
        return part, own
    owners = [part for part, kind in kinds.items() if key in kind.model_fields]
    if len(owners) > 1:
        spelt = " or ".join(f"--set algorithm.{part}.{key}" for part in owners)
        raise ConfigurationError(
            f"algorithm {name}: {' and '.join(owners)} have an option {key!r}; give {spelt}"
        )
    if not owners:
        known = [f"{part}.{field}" for part, kind in kinds.items() for field in kind.model_fields]
        raise ConfigurationError(
            f"algorithm {name}: none of its parts has an option {key!r}.{near_miss(key, known)}"
        )
    return owners[0], key
