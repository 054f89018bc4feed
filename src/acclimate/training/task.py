"""A task: two domains opened, split, and brought to one shape."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from acclimate.algorithms import combination
from acclimate.core.errors import ConfigurationError, DataError
from acclimate.core.records import DomainSummary
from acclimate.core.types import Spec
from acclimate.data.domain import Domain, ResidentStore, pool
from acclimate.data.labelled_items import read_labelled_items
from acclimate.data.preprocessing import Kind, Preprocessing, fit_preprocessing
from acclimate.data.sources import (
    has_test_split,
    open_domain,
    open_source,
    open_target,
    resolve,
)
from acclimate.data.splits import SourceSplits, TargetSplits, split_source, split_target
from acclimate.data.table_domains import Tables, learn_tables
from acclimate.training.settings import BY_DATA, FitSettings

FEW = 2000  # items; fewer than that need a larger share held out to measure anything


@dataclass(frozen=True)
class Task:
    """Source with labels, target without; both split, of one shape, with one set of classes.

    ``tables``: what made vectors of rows, where the domains are tables.
    """

    source: SourceSplits
    target: TargetSplits
    spec: Spec
    preprocessing: Preprocessing
    summaries: tuple[DomainSummary, DomainSummary]
    tables: Tables | None = None

    @property
    def oracle_labels(self) -> Tensor | None:
        """Labels of the target's evaluate part, for numbers called oracle; ``None`` without any."""
        return None if self.target.oracle is None else self.target.oracle.evaluate

    @property
    def source_shares(self) -> list[float]:
        """Share of each class among the source's training items."""
        return class_shares(self.source.train, self.spec.class_count)


def class_shares(domain: Domain, class_count: int) -> list[float]:
    """Share of each class among the labels of a labelled domain."""
    assert domain.labels is not None
    counts = torch.bincount(domain.labels, minlength=class_count).double()
    shares: list[float] = (counts / counts.sum()).tolist()
    return shares


def open_task(settings: FitSettings) -> Task:
    """Open both domains, bring them to one size and number of channels, and split them.

    Raises ``AcclimateError`` for whatever is wrong with them, before anything is written.
    """
    tables = _learn_tables(settings)
    size, channels = _common_shape(settings, tables)
    source = _open_source(settings, size, channels, tables)
    source_splits, first = _split_source(settings, source)
    # splits are copies: let go of the whole before the next one is opened
    source = _emptied(source)
    target = _open_target(settings, source, size, channels, "train", tables)
    _check_shapes(source, target)
    test = None
    if has_test_split(settings.target):
        test = _open_target(settings, source, size, channels, "test")
    joined = _join(settings, source, (source_splits, first), target, test)
    return replace(joined, tables=tables)


def _learn_tables(settings: FitSettings) -> Tables | None:
    found = [resolve(spec) for spec in (*settings.sources, settings.target)]
    *sources, target = [place if isinstance(place, Path) else None for place in found]
    return learn_tables(sources, target, settings.table_options)


def _split_source(settings: FitSettings, source: Domain) -> tuple[SourceSplits, DomainSummary]:
    fraction = 0.2 if len(source) < FEW else 0.1
    parts = split_source(source, fraction=fraction, seed=settings.split_seed)
    return parts, _summarise(source, source, train=parts.train, validation=parts.validation)


def _join(
    settings: FitSettings,
    source: Domain,
    split: tuple[SourceSplits, DomainSummary],
    target: Domain,
    test: Domain | None,
) -> Task:
    """``source`` may be without its items by now: ``split`` has them."""
    few = settings.target_labels
    labelled = read_labelled_items(Path(few), target) if isinstance(few, str) else few
    parts = split_target(target, test=test, seed=settings.split_seed, labelled=labelled)
    summary = _summarise(
        target, source, adapt=parts.adapt, validation=parts.validation, evaluate=parts.evaluate
    )
    preprocessing = fit_preprocessing(
        settings.preprocessing if source.is_image else _for_vectors(settings.preprocessing),
        split[0].train,
        parts.adapt,
    )
    spec = Spec(source.input_shape, source.class_names, len(settings.sources))
    return Task(split[0], parts, spec, preprocessing, (split[1], summary))


def _common_shape(settings: FitSettings, tables: Tables | None) -> tuple[int | None, int | None]:
    """Size and channels for both domains: as set, else the source's side and colour if one has it."""
    size, channels = settings.size, settings.channels
    if tables is not None or (size is not None and channels is not None):
        return size, channels
    shapes: list[tuple[int, ...]] = []
    for source in _each_source(settings, size, channels):
        if not source.is_image:
            return size, channels
        shapes.append(source.input_shape)
        named = _emptied(source)
    common = channels or max(shape[0] for shape in shapes)
    if common == 1 and channels is None:
        target = _open_target(settings, named, None, None, "train")
        common = target.input_shape[0] if target.is_image else 1
    return size or max(shapes[0][1:]), common


def _emptied(domain: Domain) -> Domain:
    """Name, shape and classes of a domain without its items."""
    store = ResidentStore(torch.empty(0, *domain.store.shape[1:]))
    return replace(domain, store=store, labels=None, item_names=None, groups=None, places=None)


def _open_source(
    settings: FitSettings, size: int | None, channels: int | None, tables: Tables | None
) -> Domain:
    sources = list(_each_source(settings, size, channels, tables))
    source = pool(sources) if len(sources) > 1 else sources[0]
    return replace(source, notes=(*source.notes, *(tables.notes if tables else ())))


def _each_source(
    settings: FitSettings, size: int | None, channels: int | None, tables: Tables | None = None
) -> Iterator[Domain]:
    """The sources one after the other; the first one's classes are everybody's."""
    first, *others = settings.sources
    common: Any = {
        "size": size,
        "channels": channels,
        "resident_limit": settings.memory_limit << 20,
        "tables": tables,
    }
    source = open_source(first, **common)
    yield source
    names = source.class_names
    del source
    for other in others:
        yield open_domain(other, labels="required", class_names=names, **common)


def _open_target(
    settings: FitSettings,
    source: Domain,
    size: int | None,
    channels: int | None,
    split: str,
    tables: Tables | None = None,
) -> Domain:
    return open_target(
        settings.target,
        class_names=source.class_names,
        size=size,
        channels=channels,
        split=split,
        unlabelled=settings.unlabelled_target,
        tables=tables,
        resident_limit=settings.memory_limit << 20,
    )


def _for_vectors(kind: Kind) -> Kind:
    return "standard" if kind == "per-image" else kind


def _check_shapes(source: Domain, target: Domain) -> None:
    if source.is_image != target.is_image:
        kinds = ["pictures" if domain.is_image else "vectors" for domain in (source, target)]
        raise DataError(
            f"source {source.name} holds {kinds[0]} and target {target.name} {kinds[1]}: give two of a kind"
        )
    if source.input_shape != target.input_shape:
        raise DataError(
            f"source {source.name} has {_shape(source)} and target {target.name} has {_shape(target)}: "
            "they must have the same"
        )


def _shape(domain: Domain) -> str:
    if domain.is_image:
        return "pictures of channels × height × width " + "×".join(map(str, domain.input_shape))
    return f"{domain.input_shape[0]} features"


def _summarise(domain: Domain, source: Domain, **parts: Domain) -> DomainSummary:
    return DomainSummary(
        name=domain.name,
        shape=domain.input_shape,
        class_names=list(source.class_names),
        items={name: len(part) for name, part in parts.items()},
        skipped=list(domain.skipped),
        notes=list(domain.notes),
    )


def choose_network(settings: FitSettings, spec: Spec) -> FitSettings:
    """Settle ``auto``, which takes our network for the data, and ``paper``, which takes the paper's.

    An algorithm that keeps the domains' statistics apart gets a network that does.
    """
    if settings.network in BY_DATA:
        for_pictures, for_vectors = BY_DATA[settings.network]
        chosen = for_vectors if len(spec.input_shape) == 1 else for_pictures
        settings = replace_settings(settings, network=chosen)
    algorithm = combination.make(settings.algorithm, settings.algorithm_options)
    if algorithm.keeps_domains_apart:
        options = {"normalisation": "domain", **settings.network_options}
        settings = replace_settings(settings, network_options=options)
    return settings


def replace_settings(settings: FitSettings, **changes: object) -> FitSettings:
    """A copy with ``changes``, validated again."""
    return FitSettings.build("settings", {**settings.model_dump(), **changes})


def oracle_source(task: Task) -> SourceSplits:
    """What the oracle learns from in the source's place: the target's own labelled items.

    Raises ``ConfigurationError`` when the target has no labels to train on.
    """
    oracle = task.target.oracle
    if oracle is None:
        raise ConfigurationError(
            "train-on-target is an oracle and needs a target with labels; this target has none"
        )
    validation = replace(task.target.validation, labels=oracle.validation)
    return SourceSplits(oracle.training_domain(), validation)
