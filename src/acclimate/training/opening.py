"""Opening the domains of a task alike: one size, one cut, one set of classes, one way to make vectors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from acclimate.core.errors import ConfigurationError
from acclimate.data import Dataset
from acclimate.data.domain import Domain, Labels, ResidentStore, pool
from acclimate.data.people import open_people
from acclimate.data.preprocessing import Given, Preprocessing, fit_preprocessing
from acclimate.data.sources import (
    FOLDER_CHANNELS,
    FOLDER_SIZE,
    open_domain,
    open_source,
    open_target,
    shared_classes,
)
from acclimate.data.specs import item_folder, resolve
from acclimate.data.table_domains import Tables, learn_tables
from acclimate.models.network import InputFacts, NetworkOptions, networks
from acclimate.training.frozen import PictureFeatures, features_of
from acclimate.training.settings import FitSettings


@dataclass(frozen=True)
class Opening:
    """How a run opens its domains.

    ``size`` and ``channels``: of pictures as they are kept; ``None`` as they come. ``crop``: the side
    that a network sees of them, ``None`` for all. ``given``: mean and deviation that a pretrained
    network was used to. ``tables`` and ``features`` make vectors of rows and of pictures.
    """

    settings: FitSettings
    size: int | None
    channels: int | None
    crop: int | None = None
    given: Given | None = None
    tables: Tables | None = None
    features: PictureFeatures | None = None
    only_classes: tuple[str, ...] | None = None

    def source(self) -> Domain:
        """The source, or several as one."""
        each = list(self._each_source())
        source = pool(each) if len(each) > 1 else each[0]
        return replace(source, notes=(*source.notes, *(self.tables.notes if self.tables else ())))

    def _each_source(self) -> Iterator[Domain]:
        """One after the other; the first one's classes are everybody's."""
        first, *others = self.settings.sources
        source = self._vectors(open_source(first, **self._common))
        yield source
        names = source.class_names
        del source
        for other in others:
            yield self._vectors(
                open_domain(other, labels="required", class_names=names, **self._common)
            )

    def target(self, source: Domain, split: str = "train") -> Domain:
        """The target's ``split``, with labels that count into the classes of ``source``."""
        return self._vectors(
            open_target(
                self.settings.target,
                class_names=source.class_names,
                split=split,
                unlabelled=self.settings.unlabelled_target,
                **self._common,
            )
        )

    def people(self, spec: str, *, split: str | None = None, labels: Labels) -> Domain:
        """Pictures of people, of the height and width that the settings ask for."""
        return open_people(
            spec,
            size=self.settings.person_size,
            channels=self.channels or 3,
            split=split,
            labels=labels,
            resident_limit=self.settings.memory_limit << 20,
        )

    @property
    def target_labels(self) -> Labels:
        return "ignored" if self.settings.unlabelled_target else "if present"

    def preprocessing(self, *domains: Domain) -> Preprocessing:
        """Fitted to the parts that are trained on."""
        kind = self.settings.preprocessing
        if not domains[0].is_image:
            return fit_preprocessing(
                "standard" if kind in ("per-image", "network") else kind, *domains
            )
        if kind == "network" and self.given is None and self.settings.network == "backbone":
            kind = "standard"  # random weights were used to nothing yet
        return fit_preprocessing(
            kind, *domains, given=self.given, crop=self.crop, fit=self.settings.fit
        )

    def seen(self, stored: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of what a network sees of items of a ``stored`` shape."""
        return stored if self.crop is None else (stored[0], self.crop, self.crop)

    @property
    def _common(self) -> dict[str, Any]:
        return {
            "size": self.size,
            "channels": self.channels,
            "fit": self.settings.fit,
            "resident_limit": self.settings.memory_limit << 20,
            "tables": self.tables,
            "only_classes": self.only_classes,
        }

    def _vectors(self, domain: Domain) -> Domain:
        if self.features is None or not domain.is_image:
            return domain
        return self.features.open(domain)


def make_opening(settings: FitSettings) -> Opening:
    """How the domains of ``settings`` are to be opened; looks at what is needed to know it.

    Raises ``AcclimateError`` for whatever is wrong with the settings or with what they name.
    """
    tables = _learn_tables(settings)
    network = network_options(settings)
    facts = None if network is None else network.input_facts()
    size, crop = _sides(settings, facts)
    only = None
    if settings.classes == "shared":
        only = shared_classes([*settings.sources, settings.target], tables=tables)
    opening = Opening(
        settings,
        size,
        settings.channels,
        crop,
        None if facts is None else (facts.mean, facts.deviation),
        tables,
        only_classes=only,
    )
    opening = _with_common_shape(opening, facts)
    if network is not None and is_frozen(settings):
        features = features_of(
            settings.network_options,
            crop=opening.crop or opening.size,
            stored=opening.size,
            fit=settings.fit,
        )
        opening = replace(opening, features=features)
    return opening


def opening_of_people(settings: FitSettings) -> Opening:
    """How pictures of people are to be opened, whose sides differ and are not cut."""
    network = network_options(settings)
    facts = None if network is None else network.input_facts()
    given = None if facts is None else (facts.mean, facts.deviation)
    return Opening(settings, None, settings.channels, given=given)


def is_frozen(settings: FitSettings) -> bool:
    """Whether a backbone that is not trained makes vectors of pictures."""
    return settings.network == "backbone" and settings.network_options.get("freeze") == "backbone"


def network_options(settings: FitSettings) -> NetworkOptions | None:
    """The options of the network where it is named; ``None`` where the data decide on it."""
    if settings.network not in networks:
        return None
    return networks.get(settings.network).build(
        f"network {settings.network}", settings.network_options
    )


def _learn_tables(settings: FitSettings) -> Tables | None:
    *sources, target = [_place(spec) for spec in (*settings.sources, settings.target)]
    return learn_tables(sources, target, settings.table_options)


def _place(spec: str) -> Path | int | None:
    """A file, the number of features of a registered set of vectors, ``None`` for anything else."""
    found = resolve(spec)
    if isinstance(found, Dataset):
        return found.input_shape[0] if len(found.input_shape) == 1 else None
    return found if isinstance(found, Path) else None


def _sides(settings: FitSettings, facts: InputFacts | None) -> tuple[int | None, int | None]:
    """The side that pictures are kept at, and the one that is cut out of it, ``None`` for all of it."""
    seen = settings.size or (facts.size if facts else None)
    kept = settings.resize
    if kept is None:
        # the usual of pretrained networks: 256 for 224
        kept = seen if seen is None or facts is None else round(seen * 8 / 7)
    elif seen is None:
        raise ConfigurationError(
            f"--resize {kept} says what pictures are kept at: give --size, what is cut out of it, too"
        )
    if kept is not None and seen is not None and kept < seen:
        raise ConfigurationError(
            f"--resize {kept} is smaller than --size {seen}: give {seen} or more"
        )
    return kept, None if kept == seen else seen


def _with_common_shape(opening: Opening, facts: InputFacts | None) -> Opening:
    """Size and channels for both domains: as set, else the source's side and colour if one has it."""
    size, channels = opening.size, opening.channels
    if facts is not None and channels is None:
        channels = len(facts.mean)
    if opening.tables is not None or (size is not None and channels is not None):
        return replace(opening, channels=channels)
    settings = opening.settings
    shapes: list[tuple[int, ...]] = []
    named: Domain | None = None
    for spec in settings.sources:
        if _of_any_size(spec):
            shapes.append((FOLDER_CHANNELS, FOLDER_SIZE, FOLDER_SIZE))
            continue
        source = open_source(spec, **{**opening._common, "only_classes": None})
        if not source.is_image:
            return replace(opening, channels=channels)
        shapes.append(source.input_shape)
        named = named or emptied(source)
    common = channels or max(shape[0] for shape in shapes)
    if common == 1 and channels is None and named is not None:
        whole = replace(opening, size=None, channels=None)
        target = whole.target(named)
        common = target.input_shape[0] if target.is_image else 1
    return replace(opening, size=size or max(shapes[0][1:]), channels=common)


def _of_any_size(spec: str) -> bool:
    """Whether ``spec`` is of picture files, whose own sizes differ and are not asked for."""
    found = resolve(spec)
    listed = isinstance(found, Dataset) and found.listing is not None
    return listed or item_folder(spec) is not None


def emptied(domain: Domain) -> Domain:
    """Name, shape and classes of a domain without its items."""
    store = ResidentStore(torch.empty(0, *domain.store.shape[1:]))
    return replace(
        domain, store=store, labels=None, item_names=None, groups=None, places=None, pictures=None
    )
