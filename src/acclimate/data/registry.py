"""What a registered data set is: its facts, its files, and how it is read.

Nothing here or in ``sets`` imports torch before data is really loaded, so that listing the data
sets stays fast.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from acclimate.core.errors import ConfigurationError, UnknownNameError, near_miss
from acclimate.core.registry import Registry
from acclimate.data.download import Progress
from acclimate.data.files import FileFinder, Finding, RemoteFile, inspect_file

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from acclimate.data.domain import Domain, InMemory
    from acclimate.data.folders import Listing


class Arrays(NamedTuple):
    """One split as plain arrays.

    ``inputs``: uint8 (N, height, width, channels) or float32 (N, features), the latter CSR where
    they are to stay sparse.
    ``labels``: int64 (N,) in [0, classes). ``name``: where it differs from the data set's.
    ``item_names``: str (N,), a name for each item. ``groups``: int64 (N,), equal for items that are
    near-duplicates of each other, such as the frames of one video. ``skipped``: one line for each
    file that was left out. ``class_names``: where they differ from the data set's. ``notes``: how
    the items differ from those that the name promises.
    """

    inputs: np.ndarray | csr_matrix
    labels: np.ndarray
    name: str | None = None
    item_names: np.ndarray | None = None
    groups: np.ndarray | None = None
    skipped: tuple[str, ...] = ()
    class_names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()


Loader = Callable[[FileFinder, str], Arrays]
Lister = Callable[[FileFinder, str], "Listing"]
Findings = list[Finding]
Inspector = Callable[[FileFinder, bool], Findings]

ANY_SIZE = (3, 0, 0)
"""``input_shape`` of colour pictures that have each a size of their own."""
PHOTO_SIZE = 256
"""Side of the squares that such pictures become where no size is asked for."""
PEOPLE_SIZE = (128, 48)
"""(height, width) that pictures of people become where no size is asked for."""


@dataclass(frozen=True)
class IdentityProtocol:
    """How the identities of a data set are shared out between training and test.

    ``train_identities``: so many of those that both cameras have seen are drawn for training, the
    others are the test: ``probe_camera`` gives the probes, ``gallery_camera`` the gallery, where
    everybody whom that camera alone has seen is a distractor. ``None``: the train and test splits
    are the publisher's. ``published``: the test identities of published draws, of which a seed
    chooses one; empty where identities are drawn at random.
    """

    train_identities: int | None
    probe_camera: int | None
    gallery_camera: int | None
    published: tuple[frozenset[str], ...] = field(default=(), repr=False)


@dataclass(frozen=True, kw_only=True)
class GeneratorOption:
    """One option of a generator, a text; ``fonts`` is ``--fonts`` on the command line."""

    name: str
    help: str
    default: str


@dataclass(frozen=True, kw_only=True)
class Generator:
    """How a data set is drawn, in any number and with options of its own.

    ``generate(finder, split, count, *, seed, processes=None, **options)`` returns ``Arrays``;
    item ``i`` of a split depends on ``seed``, ``i`` and the options alone. ``counts``: the items
    of each split of the registered set. ``fingerprint(finder, split)``: changes with everything
    that the registered set is made of (recipe, fonts, photos); ``None`` where that is not at
    hand, and what was kept is good.
    """

    generate: Callable[..., Arrays] = field(repr=False)
    counts: Mapping[str, int]
    fingerprint: Callable[[FileFinder, str], str | None] = field(repr=False)
    options: tuple[GeneratorOption, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A data set known by name.

    ``input_shape`` is (channels, height, width) for images, (features,) for vectors, ``ANY_SIZE``
    for pictures that have each a size of their own. The latter are listed (``listing``: the files
    of a split) and decoded by whoever knows the size; everything else is read (``read``).
    ``remote_files`` is empty for data that is generated or ships inside a library. ``generator``:
    where more of it can be drawn, see ``acclimate.data.generation``.

    ``counts``: the items of each split as published, empty where ``data check`` compares
    checksums instead. ``address``: where its publisher offers it. ``transductive``: the published
    protocol adapts to all pictures of a target and is scored on the same ones, those of
    ``whole_split``; no picture is held out.

    ``identities``: how those of a set of people are shared out; ``None`` for sets with classes.
    Such a set has no ``class_names``: its labels are identities, which its files name.
    ``published_tests``: finds the test identities of draws that come with its files.
    """

    name: str
    description: str
    licence: str
    class_names: tuple[str, ...]
    input_shape: tuple[int, ...]
    splits: tuple[str, ...]
    read: Loader | None = field(default=None, repr=False)
    listing: Lister | None = field(default=None, repr=False)
    remote_files: tuple[RemoteFile, ...] = ()
    inspector: Inspector | None = field(default=None, repr=False)
    generator: Generator | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    address: str = ""
    transductive: bool = False
    identities: IdentityProtocol | None = None
    published_tests: Callable[[FileFinder], tuple[frozenset[str], ...]] | None = field(
        default=None, repr=False
    )

    def __post_init__(self) -> None:
        if (self.read is None) == (self.listing is None):
            raise ValueError(f"{self.name} must have either 'read' or 'listing'")

    @property
    def whole_split(self) -> str:
        """The split with all items: ``"all"`` where there is one, else ``"train"``."""
        return "all" if "all" in self.splits else "train"

    @property
    def shape_text(self) -> str:
        """``input_shape`` for people: ``3×28×28``, ``3, any size`` or ``vectors of 256``."""
        if self.listing is not None:
            return f"{self.input_shape[0]}, any size"
        times = "×".join(map(str, self.input_shape))
        return times if len(self.input_shape) == 3 else f"vectors of {times}"

    def load(
        self,
        root: Path | None = None,
        split: str = "train",
        *,
        size: int | None = None,
        width: int | None = None,
        download: bool = True,
        progress: Progress | None = None,
    ) -> Domain:
        """One split as a labelled ``Domain``; of a set of people labels and groups are identities.

        Files are looked for under ``root`` (default: the ``ACCLIMATE_DATA`` folder), then in the
        cache, then downloaded into the cache. ``size``: side of the squares that pictures of any
        size become, 256 if not given, or their height if ``width`` is given; pictures of people
        become 128×48 if neither is. Raises ``UnknownNameError`` for an unknown split,
        ``ConfigurationError`` for a ``size`` where items have one of their own, and ``DataError``
        where files are missing or damaged.
        """
        if self.listing is not None:
            files = self.list(root, split, download=download, progress=progress)
            return self._opened(files, size, width)
        if size is not None or width is not None:
            raise ConfigurationError(
                f"{self.name} has items of {self.shape_text}; a size is for pictures of any size"
            )
        self.check_split(split)
        assert self.read is not None
        arrays = self.read(FileFinder(root, download, progress), split)
        import torch

        from acclimate.data.domain import Domain

        def whole_numbers(values: np.ndarray) -> torch.Tensor:
            return torch.from_numpy(np.ascontiguousarray(values, dtype=np.int64))

        return Domain(
            name=arrays.name or self.name,
            store=_store(arrays.inputs),
            labels=whole_numbers(arrays.labels),
            class_names=self.class_names,
            item_names=None if arrays.item_names is None else tuple(arrays.item_names.tolist()),
            groups=None if arrays.groups is None else whole_numbers(arrays.groups),
            skipped=arrays.skipped,
            notes=arrays.notes,
        )

    def _opened(self, files: Listing, size: int | None, width: int | None) -> Domain:
        if self.identities is None:
            from acclimate.data.file_store import open_listing

            channels = self.input_shape[0]
            return open_listing(files, size=size or PHOTO_SIZE, width=width, channels=channels)
        from acclimate.data.identity_domains import open_identities

        if size is None and width is None:
            size, width = PEOPLE_SIZE
        return open_identities(
            files, size=size or PEOPLE_SIZE[0], width=width, channels=self.input_shape[0]
        )

    def identity_protocol(self, root: Path | None = None) -> IdentityProtocol | None:
        """``identities`` with the published draws, where the files that are at hand hold them."""
        if self.identities is None or self.published_tests is None:
            return self.identities
        found = self.published_tests(FileFinder(root, download=False))
        return replace(self.identities, published=found)

    def list(
        self,
        root: Path | None = None,
        split: str = "train",
        *,
        download: bool = True,
        progress: Progress | None = None,
    ) -> Listing:
        """The picture files of one split with their labels, for ``open_listing``.

        Files are in order of class, then in natural order of their names; those of people in
        natural order alone. Raises as ``load``
        does, and ``ConfigurationError`` for a data set that is no collection of picture files.
        """
        self.check_split(split)
        if self.listing is None:
            raise ConfigurationError(f"{self.name} is read as arrays; it has no files to list")
        return replace(self.listing(FileFinder(root, download, progress), split), name=self.name)

    def check_split(self, split: str) -> None:
        """Raise ``UnknownNameError`` when there is no such split."""
        if split not in self.splits:
            raise UnknownNameError(
                f"data set {self.name!r} has no split {split!r}.{near_miss(split, self.splits)}"
            )

    def inspect(self, root: Path | None = None, *, verify: bool = True) -> Findings:
        """Where its files are, or that they are missing; empty for generated data.

        ``verify`` compares checksums, which reads every byte.
        """
        finder = FileFinder(root, download=False)
        if self.inspector is not None:
            return self.inspector(finder, verify)
        return [inspect_file(finder, remote, verify) for remote in self.remote_files]

    def is_available(self, split: str = "train", root: Path | None = None) -> bool:
        """Whether ``split`` can be loaded without a download."""
        findings = self.inspect(root, verify=False)
        return not any(f.status == "missing" for f in findings if f.split in (split, "all"))


def _store(inputs: np.ndarray | csr_matrix) -> InMemory:
    import torch

    from acclimate.data.domain import ResidentStore, SparseStore

    if isinstance(inputs, np.ndarray):
        return ResidentStore(torch.from_numpy(np.ascontiguousarray(inputs)))
    return SparseStore(inputs)


datasets: Registry[Dataset] = Registry("data set")


def register(dataset: Dataset) -> Dataset:
    """Add ``dataset`` under its own name; a duplicate is a ``ValueError``."""
    return datasets.register(dataset.name)(dataset)


DIGIT_NAMES = tuple("0123456789")
