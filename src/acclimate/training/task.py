"""A task: two domains opened, split, and brought to one shape."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from acclimate.algorithms import combination
from acclimate.core.errors import ConfigurationError, DataError
from acclimate.core.records import DomainSummary
from acclimate.core.types import Spec
from acclimate.data.domain import Domain
from acclimate.data.identity_splits import split_identities, split_retrieval_target
from acclimate.data.labelled_items import read_labelled_items
from acclimate.data.people import has_people_test, people_protocol
from acclimate.data.preprocessing import Preprocessing
from acclimate.data.specs import has_test_split, whole_split
from acclimate.data.splits import (
    SourceSplits,
    TargetSplits,
    split_source,
    split_target,
    whole_target,
)
from acclimate.data.table_domains import Tables
from acclimate.models import networks
from acclimate.training.frozen import PictureFeatures
from acclimate.training.opening import Opening, emptied, make_opening, opening_of_people
from acclimate.training.protocols import FOR_RETRIEVAL
from acclimate.training.settings import BY_DATA, FitSettings

FEW = 2000  # items; fewer than that need a larger share held out to measure anything


@dataclass(frozen=True)
class Task:
    """Source with labels, target without; both split, of one shape, with one set of classes.

    ``tables``: what made vectors of rows, where the domains are tables; ``features``: what made
    them of pictures, where a backbone is frozen.
    """

    source: SourceSplits
    target: TargetSplits
    spec: Spec
    preprocessing: Preprocessing
    summaries: tuple[DomainSummary, DomainSummary]
    tables: Tables | None = None
    features: PictureFeatures | None = None

    @property
    def oracle_labels(self) -> Tensor | None:
        """Labels of the target's evaluate part, for numbers called oracle; ``None`` without any."""
        return None if self.target.oracle is None else self.target.oracle.evaluate

    @property
    def source_shares(self) -> list[float]:
        """Share of each class among the source's training items; none where nothing is classified."""
        if not self.spec.class_count:
            return []
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
    if settings.objective == "retrieval":
        return _open_retrieval(settings)
    opening = make_opening(settings)
    source = opening.source()
    source_splits, first = _split_source(settings, source)
    # splits are copies: let go of the whole before the next one is opened
    source = emptied(source)
    split = whole_split(settings.target) if settings.transductive else "train"
    target = opening.target(source, split)
    _check_shapes(source, target)
    test = None
    if has_test_split(settings.target) and not settings.transductive:
        test = opening.target(source, "test")
    joined = _join(opening, source, (source_splits, first), target, test)
    return replace(joined, tables=opening.tables, features=opening.features)


def _open_retrieval(settings: FitSettings) -> Task:
    """People of two places: no identity is in two parts of either, and the target's are its own."""
    opening = opening_of_people(settings)
    source = opening.people(settings.sources[0], labels="required")
    target = opening.people(settings.target, labels=opening.target_labels)
    test = None
    if has_people_test(settings.target):
        test = opening.people(settings.target, split="test", labels=opening.target_labels)
    ours = split_identities(source, seed=settings.split_seed)
    protocol = None if target.labels is None else people_protocol(settings.target)
    theirs = split_retrieval_target(target, protocol, test=test, seed=settings.split_seed)
    # what was found in cutting belongs to what is said of the data
    source = replace(source, notes=(*source.notes, *ours.train.notes))
    target = replace(target, notes=(*target.notes, *theirs.adapt.notes))
    summaries = (
        _summarise(source, source, train=ours.train, validation=ours.validation),
        _summarise(target, target, adapt=theirs.adapt, evaluate=theirs.evaluate),
    )
    preprocessing = opening.preprocessing(ours.train, theirs.adapt)
    spec = Spec(source.input_shape, (), objective="retrieval")
    # names of people are no classes: hundreds of them would fill a record and say nothing
    without = tuple(
        each.model_copy(update={"class_names": [], "identities": len(domain.class_names) or None})
        for each, domain in zip(summaries, (source, target), strict=True)
    )
    return Task(ours, theirs, spec, preprocessing, (without[0], without[1]))


def _split_source(settings: FitSettings, source: Domain) -> tuple[SourceSplits, DomainSummary]:
    fraction = 0.2 if len(source) < FEW else 0.1
    parts = split_source(source, fraction=fraction, seed=settings.split_seed)
    return parts, _summarise(source, source, train=parts.train, validation=parts.validation)


def _join(
    opening: Opening,
    source: Domain,
    split: tuple[SourceSplits, DomainSummary],
    target: Domain,
    test: Domain | None,
) -> Task:
    """``source`` may be without its items by now: ``split`` has them."""
    settings = opening.settings
    few = settings.target_labels
    labelled = read_labelled_items(Path(few), target) if isinstance(few, str) else few
    if settings.transductive:
        parts = whole_target(target)
        summary = _summarise(target, source, all=parts.adapt)
    else:
        parts = split_target(target, test=test, seed=settings.split_seed, labelled=labelled)
        summary = _summarise(
            _with_test(target, test),
            source,
            adapt=parts.adapt,
            validation=parts.validation,
            evaluate=parts.evaluate,
        )
    preprocessing = opening.preprocessing(split[0].train, parts.adapt)
    shape = opening.seen(source.input_shape) if source.is_image else source.input_shape
    spec = Spec(shape, source.class_names, len(settings.sources))
    return Task(split[0], parts, spec, preprocessing, (split[1], summary))


def _with_test(target: Domain, test: Domain | None) -> Domain:
    """The target with what is to be said of its test items, for its summary."""
    if test is None:
        return target
    same = test.name == target.name
    return replace(
        target,
        name=target.name if same else f"{target.name} (test: {test.name})",
        skipped=(*target.skipped, *test.skipped),
        notes=tuple(dict.fromkeys((*target.notes, *test.notes))),
    )


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
    if settings.network in BY_DATA and spec.objective == "retrieval":
        settings = replace_settings(settings, network=FOR_RETRIEVAL)
    if settings.network in BY_DATA:
        for_pictures, for_vectors = BY_DATA[settings.network]
        chosen = for_vectors if len(spec.input_shape) == 1 else for_pictures
        settings = replace_settings(settings, network=chosen)
    algorithm = combination.make(settings.algorithm, settings.algorithm_options)
    if algorithm.keeps_domains_apart:
        apart = networks.get(settings.network).keeping_domains_apart
        options = {**apart, **settings.network_options}
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
    if len(task.target.adapt) == task.summaries[1].items.get("all"):
        raise ConfigurationError(
            "train-on-target would be measured on the very labels it learnt: leave out --transductive"
        )
    validation = replace(task.target.validation, labels=oracle.validation)
    return SourceSplits(oracle.training_domain(), validation)
