"""From what a user writes — a name, a folder, a file — to a ``Domain``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from acclimate.core.errors import ConfigurationError, DataError, UnknownNameError, near_miss
from acclimate.data import Dataset, datasets
from acclimate.data.domain import Domain, Labels, ResidentStore
from acclimate.data.download import Progress
from acclimate.data.file_store import RESIDENT_LIMIT, open_listing
from acclimate.data.folders import (
    Listing,
    check_class_names,
    list_class_folders,
    list_known_classes,
    list_plain,
    looks_like_classes,
)
from acclimate.data.images import check_options, harmonise
from acclimate.data.table_domains import Tables, is_table
from acclimate.data.tables import inputs_of, labels_of, read_npz

FOLDER_SIZE = 32
FOLDER_CHANNELS = 3
"""What a folder's images become when nothing is asked: colour, 32×32."""

PREFIX = "dataset:"
"""Says that a name means the registered data set, where a folder of that name exists too."""


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
) -> Domain:
    """A labelled domain of two or more classes.

    ``spec``: the name of a registered data set, a folder with a subfolder for each class, a
    ``.npz`` file with ``x`` and ``y``, or a table, whose rows become vectors as ``tables`` say.
    ``size``: side of the square images; ``None`` keeps a data set's own and makes a folder's 32.
    ``channels``: 1 grey, 3 colour, ``None`` as stored (a
    folder: 3). ``split`` and ``download`` concern registered data sets. A folder that
    needs more than ``resident_limit`` bytes is decoded on demand.

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

    @property
    def labels_needed(self) -> bool:
        return self.labels == "required"


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
    )
    found = resolve(spec)
    if isinstance(found, Dataset):
        return _open_dataset(found, request)
    if found.is_dir():
        return _open_folder(found, request)
    return _open_table(found, request) if is_table(found) else _open_npz(found, request)


def resolve(spec: str | Path) -> Dataset | Path:
    """The data set or the existing path that ``spec`` means.

    Raises ``UnknownNameError`` when it is neither, ``ConfigurationError`` when it is both.
    """
    text = str(spec)
    if text.startswith(PREFIX):
        return datasets.get(text.removeprefix(PREFIX))
    path = Path(text).expanduser()
    if isinstance(spec, str) and text in datasets:
        if path.exists():
            raise ConfigurationError(
                f"{text!r} is a registered data set and also a file or folder here: write "
                f"{PREFIX}{text} for the data set or ./{text} for the folder"
            )
        return datasets.get(text)
    if path.exists() and text:
        return path
    hint = near_miss(text, datasets.names())
    if "/" in text or "\\" in text or path.suffix:
        hint = " Check the spelling of the path."
    raise UnknownNameError(
        f"{text!r} is no existing folder or file, and no registered data set.{hint}"
    )


def has_test_split(spec: str | Path) -> bool:
    """Whether ``spec`` is a registered data set that comes with its own test split."""
    found = resolve(spec)
    return isinstance(found, Dataset) and "test" in found.splits


def _open_dataset(dataset: Dataset, request: _Request) -> Domain:
    domain = dataset.load(None, request.split, download=request.download, progress=request.progress)
    if isinstance(domain.store, ResidentStore):
        inputs = _harmonised(dataset.name, domain.store.tensor.numpy(), request)
        domain = replace(domain, store=ResidentStore(torch.from_numpy(inputs)))
    else:
        _refuse_pictures(dataset.name, domain.input_shape[0], request)
    if request.labels == "ignored":
        return replace(domain.unlabelled(), class_names=request.class_names or domain.class_names)
    if request.class_names is None:
        return domain
    return _mapped(domain, request.class_names, request.labels_needed)


def _mapped(domain: Domain, class_names: tuple[str, ...], labels_needed: bool) -> Domain:
    """The same items with labels that count into ``class_names``."""
    if domain.class_names == class_names or domain.labels is None:
        return domain
    check_class_names(domain.name, domain.class_names, class_names, labels_needed)
    table = torch.tensor([class_names.index(name) for name in domain.class_names])
    return replace(domain, labels=table[domain.labels], class_names=class_names)


def _open_folder(path: Path, request: _Request) -> Domain:
    listing = _list(path, request)
    domain = open_listing(
        listing,
        size=request.size or FOLDER_SIZE,
        channels=request.channels or FOLDER_CHANNELS,
        resident_limit=request.resident_limit,
    )
    return replace(domain, class_names=listing.class_names or request.class_names or ())


def _list(path: Path, request: _Request) -> Listing:
    plain = request.labels == "ignored" or (
        request.labels == "if present" and not looks_like_classes(path)
    )
    if plain:
        return list_plain(path)
    if request.class_names is not None:
        return list_known_classes(path, request.class_names, request.labels_needed)
    return list_class_folders(path)


def _open_npz(path: Path, request: _Request) -> Domain:
    if path.suffix.lower() != ".npz":
        raise DataError(
            f"{path} is a {path.suffix or 'plain'} file; give a folder of images, a .npz file with "
            "x and y, a table (.csv, .parquet, .svmlight), or a registered data set"
        )
    content = read_npz(path)
    inputs = _harmonised(str(path), inputs_of(path, content), request)
    store = ResidentStore(torch.from_numpy(np.ascontiguousarray(inputs)))
    if request.labels == "ignored":
        return Domain(path.stem, store, None, request.class_names or ())
    labels, names = labels_of(path, content, request.class_names, request.labels_needed)
    if labels is None and request.labels == "required":
        raise DataError(
            f"{path} has no array 'y' with labels; save it with np.savez(path, x=…, y=…)"
        )
    tensor = None if labels is None else torch.from_numpy(labels)
    return Domain(path.stem, store, tensor, names)


def _harmonised(name: str, inputs: np.ndarray, request: _Request) -> np.ndarray:
    if inputs.ndim == 4:
        return harmonise(inputs, request.size, request.channels)
    _refuse_pictures(name, inputs.shape[1], request)
    return inputs


def _open_table(path: Path, request: _Request) -> Domain:
    domain = (request.tables or Tables()).open(path, request.labels, request.class_names)
    _refuse_pictures(str(path), domain.input_shape[0], request)
    return domain


def _refuse_pictures(name: str, features: int, request: _Request) -> None:
    if request.size is not None or request.channels is not None:
        raise NotPicturesError(
            f"{name} holds vectors of {features} features, not pictures: --size and "
            "--channels do not apply to it, and source and target must be two of a kind"
        )
