"""What a registered data set is: its facts, its files, and how it is read.

Nothing here or in ``sets`` imports torch before data is really loaded, so that listing the data
sets stays fast.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from acclimate.core.errors import UnknownNameError, near_miss
from acclimate.core.registry import Registry
from acclimate.data.download import Progress
from acclimate.data.files import FileFinder, Finding, RemoteFile, inspect_file

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from acclimate.data.domain import Domain, InMemory


class Arrays(NamedTuple):
    """One split as plain arrays.

    ``inputs``: uint8 (N, height, width, channels) or float32 (N, features), the latter CSR where
    they are to stay sparse.
    ``labels``: int64 (N,) in [0, classes). ``name``: where it differs from the data set's.
    ``item_names``: str (N,), a name for each item. ``groups``: int64 (N,), equal for items that are
    near-duplicates of each other, such as the frames of one video. ``skipped``: one line for each
    file that was left out. ``class_names``: where they differ from the data set's.
    """

    inputs: np.ndarray | csr_matrix
    labels: np.ndarray
    name: str | None = None
    item_names: np.ndarray | None = None
    groups: np.ndarray | None = None
    skipped: tuple[str, ...] = ()
    class_names: tuple[str, ...] | None = None


Loader = Callable[[FileFinder, str], Arrays]
Inspector = Callable[[FileFinder, bool], list[Finding]]


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

    ``input_shape`` is (channels, height, width) for images, (features,) for vectors.
    ``remote_files`` is empty for data that is generated or ships inside a library. ``generator``:
    where more of it can be drawn, see ``acclimate.data.generation``.
    """

    name: str
    description: str
    licence: str
    class_names: tuple[str, ...]
    input_shape: tuple[int, ...]
    splits: tuple[str, ...]
    read: Loader = field(repr=False)
    remote_files: tuple[RemoteFile, ...] = ()
    inspector: Inspector | None = field(default=None, repr=False)
    generator: Generator | None = None

    def load(
        self,
        root: Path | None = None,
        split: str = "train",
        *,
        download: bool = True,
        progress: Progress | None = None,
    ) -> Domain:
        """One split as a labelled ``Domain``.

        Files are looked for under ``root`` (default: the ``ACCLIMATE_DATA`` folder), then in the
        cache, then downloaded into the cache. Raises ``UnknownNameError`` for an unknown split
        and ``DataError`` where files are missing or damaged.
        """
        self.check_split(split)
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
        )

    def check_split(self, split: str) -> None:
        """Raise ``UnknownNameError`` when there is no such split."""
        if split not in self.splits:
            raise UnknownNameError(
                f"data set {self.name!r} has no split {split!r}.{near_miss(split, self.splits)}"
            )

    def inspect(self, root: Path | None = None, *, verify: bool = True) -> list[Finding]:
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
