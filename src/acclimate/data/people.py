"""From what a user writes to a domain of people: a data set, a folder, a CSV file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from acclimate.core.errors import ConfigurationError, DataError, UnknownNameError, near_miss
from acclimate.data import Dataset, datasets
from acclimate.data.domain import Domain, Labels
from acclimate.data.download import Progress
from acclimate.data.file_store import RESIDENT_LIMIT
from acclimate.data.folders import Listing
from acclimate.data.identity_domains import open_identities
from acclimate.data.identity_folders import has_market_layout, list_market, list_people
from acclimate.data.identity_names import WAYS
from acclimate.data.identity_tables import read_people
from acclimate.data.images import check_options, check_width
from acclimate.data.picture_cache import default_picture_cache
from acclimate.data.picture_tables import PictureTable
from acclimate.data.registry import PEOPLE_SIZE, IdentityProtocol
from acclimate.data.sources import Cache
from acclimate.data.specs import resolve

ALL, TRAIN, TEST = "all", "train", "test"


def open_people(
    spec: str | Path,
    *,
    size: tuple[int, int] = PEOPLE_SIZE,
    channels: int = 3,
    split: str | None = None,
    labels: Labels = "if present",
    download: bool = True,
    resident_limit: int = RESIDENT_LIMIT,
    progress: Progress | None = None,
    cache: Cache = "default",
) -> Domain:
    """Pictures of people, uint8 (N, height, width, channels), with identities where known.

    ``spec``: a registered set of people; a folder whose file names say who was seen by which
    camera (``0002_c1s1_000451_03.jpg``), one with a folder for each camera
    (``cam_a/person_0002.png``), one laid out as Market-1501 is, or plain pictures; or a CSV file
    with columns ``path``, ``identity``, ``camera`` and, for some, ``split``. ``size``: (height,
    width). ``split``: of what has several, else ``"all"``; ``None``: everything, or the training
    part. ``labels``: *required* ones are an error where there are none; *ignored* ones are left
    out. The rest as in ``sources.open_source``.

    ``labels`` and ``groups`` of the domain are identities, counted into ``class_names``; items are
    named by their path; ``cameras`` are given wherever they are known, ``roles`` for a test split
    that has probes and a gallery. Raises ``UnknownNameError``, ``ConfigurationError`` and
    ``DataError``, each in one line.
    """
    height, width = size
    check_options(height, channels)
    check_width("squash", width)
    found = _find(spec, labels)
    chosen = found.check_split(split)
    listing = found.list(chosen, labels, download, progress)
    if labels == "ignored":
        listing = replace(listing, labels=None, class_names=())
    if labels == "required" and listing.labels is None:
        raise DataError(f"{spec} does not say who is on its pictures; {WAYS}")
    return open_identities(
        listing,
        size=height,
        width=width,
        channels=channels,
        resident_limit=resident_limit,
        cache=default_picture_cache() if cache == "default" else cache,
    )


def people_protocol(spec: str | Path) -> IdentityProtocol | None:
    """How the identities of a registered set are shared out; ``None`` for a user's own pictures."""
    found = _find(spec, "ignored")
    return found.dataset.identity_protocol() if isinstance(found, _Registered) else None


def has_people_test(spec: str | Path) -> bool:
    """Whether ``spec`` comes with a split ``"test"`` of its own, of probes and a gallery."""
    return TEST in _find(spec, "ignored").splits


class _People:
    """What a user's text means."""

    name: str
    splits: tuple[str, ...]

    def list(
        self, split: str, labels: Labels, download: bool, progress: Progress | None
    ) -> Listing:
        raise NotImplementedError

    def check_split(self, split: str | None) -> str:
        """The split that is meant; ``UnknownNameError`` where there is no such one."""
        if split is None:
            return ALL if ALL in self.splits else TRAIN
        if split not in self.splits:
            raise UnknownNameError(
                f"{self.name} has no split {split!r}.{near_miss(split, self.splits)}"
            )
        return split


@dataclass
class _Registered(_People):
    dataset: Dataset

    def __post_init__(self) -> None:
        self.name, self.splits = self.dataset.name, self.dataset.splits

    def list(
        self, split: str, labels: Labels, download: bool, progress: Progress | None
    ) -> Listing:
        return self.dataset.list(None, split, download=download, progress=progress)


@dataclass
class _Folder(_People):
    root: Path

    def __post_init__(self) -> None:
        self.name = str(self.root)
        self.splits = (TRAIN, TEST) if has_market_layout(self.root) else (ALL,)

    def list(
        self, split: str, labels: Labels, download: bool, progress: Progress | None
    ) -> Listing:
        return list_people(self.root, labels) if split == ALL else list_market(self.root, split)


@dataclass
class _Table(_People):
    path: Path
    labels: Labels

    def __post_init__(self) -> None:
        self.name = str(self.path)
        self.table = read_people(self.path, self.labels)
        self.splits = (TRAIN, TEST) if self.table.has_test else (ALL,)

    def list(
        self, split: str, labels: Labels, download: bool, progress: Progress | None
    ) -> Listing:
        return self.table.listing(split)


def _find(spec: str | Path, labels: Labels) -> _People:
    found = resolve(spec)
    if isinstance(found, Dataset):
        if found.identities is None:
            known = ", ".join(name for name, other in datasets.items() if other.identities)
            raise ConfigurationError(
                f"{found.name} has classes, not people seen by several cameras; sets of people are: "
                f"{known}"
            )
        return _Registered(found)
    if isinstance(found, PictureTable):
        if found.choice:
            raise ConfigurationError(
                f"{spec}: ':{found.choice}' chooses nothing in a list of people; leave it out, and "
                "say train, query and gallery in a column 'split'"
            )
        return _Table(found.path, labels)
    if isinstance(found, Path) and found.is_dir():
        return _Folder(found)
    raise ConfigurationError(
        f"{spec} holds no pictures of people: give a folder, a CSV file with path,identity,camera, or "
        "a registered set of people"
    )
