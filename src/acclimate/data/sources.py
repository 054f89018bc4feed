"""From what a user writes — a name, a folder, a file — to a ``Domain``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from acclimate.core.errors import ConfigurationError, DataError
from acclimate.data import Dataset, picture_tables, tar_shards
from acclimate.data.chosen_classes import with_classes
from acclimate.data.domain import Domain, Labels, ResidentStore
from acclimate.data.download import Progress
from acclimate.data.file_store import RESIDENT_LIMIT, open_listing
from acclimate.data.folders import (
    Listing,
    class_folders_of,
    join_names,
    list_class_folders,
    list_known_classes,
    list_plain,
    looks_like_classes,
)
from acclimate.data.found_pictures import FoundPictures
from acclimate.data.images import Fit, check_options, harmonise
from acclimate.data.picture_cache import PictureCache, default_picture_cache
from acclimate.data.picture_tables import PictureTable
from acclimate.data.registry import PHOTO_SIZE
from acclimate.data.specs import resolve
from acclimate.data.table_domains import Tables, is_table
from acclimate.data.tables import inputs_of, labels_of, read_npz
from acclimate.data.tar_shards import Shards

FOLDER_SIZE = 32
FOLDER_CHANNELS = 3
"""What a folder's images become when nothing is asked: colour, 32×32."""

Cache = PictureCache | Literal["default"] | None
"""Where decoded pictures are kept: beside downloads, elsewhere, or nowhere."""


class NotPicturesError(ConfigurationError):
    """Vectors, where a size or a number of channels was asked for."""


def open_source(
    spec: str | Path,
    *,
    size: int | None = None,
    channels: int | None = None,
    split: str = "train",
    download: bool = True,
    resident_limit: int = RESIDENT_LIMIT,
    progress: Progress | None = None,
    tables: Tables | None = None,
    fit: Fit = "squash",
    only_classes: Sequence[str] | None = None,
    cache: Cache = "default",
) -> Domain:
    """A labelled domain of two or more classes.

    ``spec``: the name of a registered data set, a folder with a subfolder for each class, a CSV
    file that lists pictures (``FILE.csv:DOMAIN/SPLIT``), .tar shards, a ``.npz`` file with ``x``
    and ``y``, or a table, whose rows become vectors as ``tables`` say.
    ``size``: side of the square images; ``None`` keeps a data set's own, makes a folder's 32 and
    those of a data set of photos 256. ``fit``: what is done with pictures that are not square, see
    ``images.decode``. ``channels``: 1 grey, 3 colour, ``None`` as stored (files: 3). ``split`` and
    ``download`` concern registered data sets. ``only_classes``: items of all others are left out.
    Decoded files are kept in ``cache`` for later runs; what needs more than ``resident_limit``
    bytes is read from there, or decoded, when it is needed.

    Raises ``UnknownNameError``, ``ConfigurationError`` and ``DataError``, each in one line.
    """
    domain = open_domain(
        spec,
        labels="required",
        size=size,
        channels=channels,
        split=split,
        download=download,
        resident_limit=resident_limit,
        progress=progress,
        tables=tables,
        fit=fit,
        only_classes=only_classes,
        cache=cache,
    )
    if len(domain.class_names) < 2:
        raise DataError(
            f"{spec} has a single class, {domain.class_names[0]!r}; a source needs two or more"
        )
    return domain


def open_target(
    spec: str | Path,
    *,
    class_names: tuple[str, ...],
    size: int | None = None,
    channels: int | None = None,
    split: str = "train",
    unlabelled: bool = False,
    download: bool = True,
    resident_limit: int = RESIDENT_LIMIT,
    progress: Progress | None = None,
    tables: Tables | None = None,
    fit: Fit = "squash",
    only_classes: Sequence[str] | None = None,
    cache: Cache = "default",
) -> Domain:
    """A domain to adapt to; its labels, where there are any, follow ``class_names``.

    A folder whose images all lie in two or more immediate subfolders has classes: their
    names must be among ``class_names``. Any other folder is plain images, found recursively,
    without labels; ``unlabelled`` takes every ``spec`` so. The rest as in ``open_source``.
    """
    return open_domain(
        spec,
        labels="ignored" if unlabelled else "if present",
        class_names=class_names,
        size=size,
        channels=channels,
        split=split,
        download=download,
        resident_limit=resident_limit,
        progress=progress,
        tables=tables,
        fit=fit,
        only_classes=only_classes,
        cache=cache,
    )


@dataclass(frozen=True, kw_only=True)
class _Request:
    """What ``open_domain`` was asked for."""

    labels: Labels
    class_names: tuple[str, ...] | None
    size: int | None
    channels: int | None
    split: str
    download: bool
    resident_limit: int
    progress: Progress | None
    tables: Tables | None
    fit: Fit
    only_classes: Sequence[str] | None
    cache: Cache

    @property
    def labels_needed(self) -> bool:
        return self.labels == "required"

    @property
    def names_at_once(self) -> tuple[str, ...] | None:
        """The classes that labels are mapped to while a file is read: all of it must have them."""
        return self.class_names if self.only_classes is None else None

    def classes_of(self, domain: Domain) -> Domain:
        return with_classes(domain, self.class_names, self.only_classes, self.labels_needed)

    def open(self, listing: Listing, default_size: int = FOLDER_SIZE) -> Domain:
        domain = open_listing(
            listing,
            size=self.size or default_size,
            channels=self.channels or FOLDER_CHANNELS,
            fit=self.fit,
            resident_limit=self.resident_limit,
            cache=default_picture_cache() if self.cache == "default" else self.cache,
        )
        return replace(domain, class_names=listing.class_names or self.class_names or ())


def open_domain(
    spec: str | Path,
    *,
    labels: Labels = "if present",
    class_names: tuple[str, ...] | None = None,
    size: int | None = None,
    channels: int | None = None,
    split: str = "train",
    download: bool = True,
    resident_limit: int = RESIDENT_LIMIT,
    progress: Progress | None = None,
    tables: Tables | None = None,
    fit: Fit = "squash",
    only_classes: Sequence[str] | None = None,
    cache: Cache = "default",
) -> Domain:
    """Any domain. ``labels``: *required* (an error where there are none; a folder's subfolders are
    its classes), *if present*, or *ignored*. ``class_names``: the classes that labels are mapped
    to by name, ``None`` for the domain's own. The rest as in ``open_source``.
    """
    check_options(size, channels)
    request = _Request(
        labels=labels,
        class_names=class_names,
        size=size,
        channels=channels,
        split=split,
        download=download,
        resident_limit=resident_limit,
        progress=progress,
        tables=tables,
        fit=fit,
        only_classes=only_classes,
        cache=cache,
    )
    found = resolve(spec)
    if isinstance(found, Dataset):
        return _open_dataset(found, request)
    if isinstance(found, PictureTable | Shards):
        pictures = _pictures_of(found)
        return request.open(pictures.listing(labels, class_names, only_classes))
    if found.is_dir():
        return request.open(_list(found, request))
    return _open_table(found, request) if is_table(found) else _open_npz(found, request)


def shared_classes(
    specs: Sequence[str | Path],
    *,
    split: str = "train",
    download: bool = True,
    progress: Progress | None = None,
    tables: Tables | None = None,
) -> tuple[str, ...]:
    """The classes that all of ``specs`` have, in the order of the first: ``only_classes`` for each.

    Labels are read for it, those of a target too. Raises ``DataError`` where one has no classes,
    or they share fewer than two.
    """
    options: dict[str, Any] = {"split": split, "download": download, "progress": progress}
    each = [_classes_of(spec, tables=tables, **options) for spec in specs]
    without = next((spec for spec, names in zip(specs, each, strict=True) if not names), None)
    if without is not None:
        raise DataError(f"{without} has no classes, so that it shares none; leave --classes out")
    shared = tuple(name for name in each[0] if all(name in names for names in each))
    if len(shared) < 2:
        said = "; ".join(f"{spec}: {join_names(n)}" for spec, n in zip(specs, each, strict=True))
        raise DataError(
            f"the domains share {'one' if shared else 'no'} class and need two or more ({said}); "
            "rename classes that mean the same"
        )
    return shared


def _classes_of(spec: str | Path, **options: Any) -> tuple[str, ...]:
    found = resolve(spec)
    if isinstance(found, Dataset):
        return found.class_names
    if isinstance(found, PictureTable | Shards):
        return _pictures_of(found).class_names
    if found.is_dir():
        return class_folders_of(found)
    return open_domain(spec, **options).class_names


def _pictures_of(found: PictureTable | Shards) -> FoundPictures:
    if isinstance(found, PictureTable):
        return picture_tables.find_pictures(found)
    return tar_shards.find_pictures(found)


def _open_dataset(dataset: Dataset, request: _Request) -> Domain:
    if dataset.identities is not None:
        raise ConfigurationError(
            f"{dataset.name} shows people seen by several cameras, who are no classes: give "
            "--objective retrieval"
        )
    given: Any = {"download": request.download, "progress": request.progress}
    if dataset.listing is not None:
        listing = dataset.list(None, request.split, **given)
        domain = replace(request.open(listing, PHOTO_SIZE), name=dataset.name)
    else:
        domain = dataset.load(None, request.split, **given)
        if isinstance(domain.store, ResidentStore):
            inputs = _harmonised(dataset.name, domain.store.tensor.numpy(), request)
            domain = replace(domain, store=ResidentStore(torch.from_numpy(inputs)))
        else:
            _refuse_pictures(dataset.name, domain.input_shape[0], request)
    if request.labels == "ignored":
        return replace(domain.unlabelled(), class_names=request.class_names or domain.class_names)
    return request.classes_of(domain)


def _list(path: Path, request: _Request) -> Listing:
    plain = request.labels == "ignored" or (
        request.labels == "if present" and not looks_like_classes(path)
    )
    if plain:
        return list_plain(path)
    if request.class_names is not None:
        return list_known_classes(
            path, request.class_names, request.labels_needed, request.only_classes
        )
    return list_class_folders(path, request.only_classes)


def _open_npz(path: Path, request: _Request) -> Domain:
    if path.suffix.lower() != ".npz":
        raise DataError(
            f"{path} is a {path.suffix or 'plain'} file; give a folder of images, .tar shards, a .npz "
            "file with x and y, a table (.csv, .parquet, .svmlight), or a registered data set"
        )
    content = read_npz(path)
    inputs = _harmonised(str(path), inputs_of(path, content), request)
    store = ResidentStore(torch.from_numpy(np.ascontiguousarray(inputs)))
    if request.labels == "ignored":
        return Domain(path.stem, store, None, request.class_names or ())
    labels, names = labels_of(path, content, request.names_at_once, request.labels_needed)
    if labels is None and request.labels == "required":
        raise DataError(
            f"{path} has no array 'y' with labels; save it with np.savez(path, x=…, y=…)"
        )
    tensor = None if labels is None else torch.from_numpy(labels)
    return request.classes_of(Domain(path.stem, store, tensor, names))


def _harmonised(name: str, inputs: np.ndarray, request: _Request) -> np.ndarray:
    if inputs.ndim == 4:
        return harmonise(inputs, request.size, request.channels, request.fit)
    _refuse_pictures(name, inputs.shape[1], request)
    return inputs


def _open_table(path: Path, request: _Request) -> Domain:
    tables = request.tables or Tables()
    domain = tables.open(path, request.labels, request.names_at_once)
    _refuse_pictures(str(path), domain.input_shape[0], request)
    return request.classes_of(domain)


def _refuse_pictures(name: str, features: int, request: _Request) -> None:
    if request.size is not None or request.channels is not None:
        raise NotPicturesError(
            f"{name} holds vectors of {features} features, not pictures: --size and "
            "--channels do not apply to it, and source and target must be two of a kind"
        )
