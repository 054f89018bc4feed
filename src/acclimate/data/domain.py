"""A domain: inputs from one place, with labels where there are any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from acclimate.core.errors import DataError

Labels = Literal["required", "if present", "ignored"]
"""What a domain is opened with; *required* ones are an error where there are none."""


class Store(Protocol):
    """Inputs that can be gathered by index, resident or not.

    Images are uint8 (N, height, width, channels); vectors are float32 (N, features).
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, height, width, channels) or (N, features)."""
        ...

    def gather(self, indices: Tensor) -> Tensor:
        """The items at ``indices`` (K,) int64, as (K, ...) in the store's dtype."""
        ...


@dataclass(frozen=True)
class ResidentStore:
    """All inputs in one contiguous tensor, channels last: a batch is one ``index_select``."""

    tensor: Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.tensor.shape)

    def gather(self, indices: Tensor) -> Tensor:
        return self.tensor.index_select(0, indices.to(self.tensor.device))

    def subset(self, indices: Tensor) -> ResidentStore:
        return ResidentStore(self.gather(indices))

    def to(self, device: torch.device) -> ResidentStore:
        return ResidentStore(self.tensor.to(device))


@dataclass(frozen=True)
class SparseStore:
    """Rows of a CSR matrix (N, features) float32: a batch is made dense as it is gathered."""

    matrix: sparse.csr_matrix

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.matrix.shape)

    def gather(self, indices: Tensor) -> Tensor:
        rows = self.matrix[indices.cpu().numpy()].toarray()
        return torch.from_numpy(rows.astype(np.float32, copy=False))

    def subset(self, indices: Tensor) -> SparseStore:
        return SparseStore(self.matrix[indices.cpu().numpy()])

    def to(self, device: torch.device) -> SparseStore:
        """Itself: its batches are small beside it, and moved as they come."""
        return self


InMemory = ResidentStore | SparseStore
"""Stores that need no worker processes, and whose subsets are copies."""


@dataclass(frozen=True)
class Domain:
    """Inputs of one place and, where known, their labels.

    ``labels``: (N,) int64 in [0, classes) or ``None``. ``item_names``: a name for each item (a
    path, an index) for predictions and reports. ``skipped``: one line for each file left out;
    ``notes``: one for whatever else should be said of the data.
    ``groups``: (N,) int64, equal for near-duplicates (the frames of one video), which no split
    may put into two parts; ``None`` where every item stands for itself. ``places``: (N,) int64,
    which of the pooled domains (``place_names``) an item comes from; ``None`` for a single one.
    ``weights``: (N,) float64 above 0, how often an item is drawn; ``None`` where all are alike.
    ``cameras``: (N,) int64, which camera took an item, where identities are told apart; ``roles``:
    (N,) int64 of a test set, ``PROBE``, ``GALLERY`` or both; ``None`` where every item is both.
    ``pictures``: what people are shown of items that are vectors made of pictures, in their order.
    ``origins``: where each item stood in the whole that this is a part of, which is what
    items without names are called by; ``None`` of a whole.
    """

    name: str
    store: Store
    labels: Tensor | None
    class_names: tuple[str, ...]
    item_names: tuple[str, ...] | None = None
    skipped: tuple[str, ...] = field(default=())
    groups: Tensor | None = None
    places: Tensor | None = None
    place_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    weights: Tensor | None = None
    pictures: Store | None = None
    cameras: Tensor | None = None
    roles: Tensor | None = None
    origins: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.groups is not None and self.groups.shape != (len(self),):
            raise DataError(
                f"{self.name}: {len(self)} items but groups {tuple(self.groups.shape)}; "
                "each item belongs to one"
            )
        if self.labels is not None:
            _check_labels(self.name, self.labels, len(self), self.class_names)

    def __len__(self) -> int:
        return self.store.shape[0]

    @property
    def is_image(self) -> bool:
        return len(self.store.shape) == 4

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(channels, height, width) or (features,)."""
        if self.is_image:
            _, height, width, channels = self.store.shape
            return (channels, height, width)
        return self.store.shape[1:]

    def unlabelled(self) -> Domain:
        """The same domain without its labels."""
        return replace(self, labels=None)

    def name_of(self, index: int) -> str:
        """What an item is called: its name, or the domain's with the place of the item in the whole."""
        if self.item_names:
            return self.item_names[index]
        return f"{self.name}/{index if self.origins is None else self.origins[index]}"

    def subset(self, indices: Tensor) -> Domain:
        """The items at ``indices`` (K,) int64, in that order; resident data is copied."""
        return replace(
            self,
            store=_some(self.store, indices),
            labels=None if self.labels is None else self.labels[indices],
            item_names=tuple(self.name_of(int(i)) for i in indices) if self.item_names else None,
            skipped=(),
            notes=(),
            groups=None if self.groups is None else self.groups[indices],
            places=None if self.places is None else self.places[indices],
            weights=None if self.weights is None else self.weights[indices],
            # a view: pictures are looked at after training, and copies would be kept till then
            pictures=None if self.pictures is None else SubsetStore(self.pictures, indices),
            cameras=None if self.cameras is None else self.cameras[indices],
            roles=None if self.roles is None else self.roles[indices],
            origins=tuple(indices.tolist())
            if self.origins is None
            else tuple(self.origins[index] for index in indices.tolist()),
        )


def _some(store: Store, indices: Tensor) -> Store:
    return store.subset(indices) if isinstance(store, InMemory) else SubsetStore(store, indices)


def pool(domains: Sequence[Domain]) -> Domain:
    """Several labelled domains as one, which remembers where each item comes from.

    Raises ``DataError`` where their classes or the shapes of their items differ.
    """
    first = domains[0]
    for other in domains[1:]:
        if other.input_shape != first.input_shape:
            raise DataError(
                f"sources {first.name} and {other.name} have items of shapes {first.input_shape} and "
                f"{other.input_shape}: they must have the same"
            )
        if other.class_names != first.class_names:
            raise DataError(
                f"sources {first.name} and {other.name} have different classes: "
                f"{', '.join(first.class_names)} and {', '.join(other.class_names)}"
            )
    sizes = torch.tensor([len(domain) for domain in domains])
    labels = [domain.labels for domain in domains if domain.labels is not None]
    names = [domain.name_of(index) for domain in domains for index in range(len(domain))]
    shown = [domain.pictures for domain in domains if domain.pictures is not None]
    return Domain(
        " + ".join(domain.name for domain in domains),
        _joined([domain.store for domain in domains]),
        torch.cat(labels) if len(labels) == len(domains) else None,
        first.class_names,
        tuple(names) if any(domain.item_names for domain in domains) else None,
        tuple(line for domain in domains for line in domain.skipped),
        _pooled_groups(domains),
        torch.arange(len(domains)).repeat_interleave(sizes),
        tuple(domain.name for domain in domains),
        tuple(line for domain in domains for line in domain.notes),
        pictures=Chain(shown) if len(shown) == len(domains) else None,
    )


def _joined(stores: list[Store]) -> Store:
    resident = [store.tensor for store in stores if isinstance(store, ResidentStore)]
    if len(resident) == len(stores):
        return ResidentStore(torch.cat(resident))
    thin = [store.matrix for store in stores if isinstance(store, SparseStore)]
    return SparseStore(sparse.vstack(thin).tocsr()) if len(thin) == len(stores) else Chain(stores)


def _pooled_groups(domains: Sequence[Domain]) -> Tensor | None:
    """Groups of all domains, none shared by two; an item without a group is one of its own."""
    if all(domain.groups is None for domain in domains):
        return None
    found: list[Tensor] = []
    for domain in domains:
        own = torch.arange(len(domain)) if domain.groups is None else domain.groups
        start = int(found[-1].max()) + 1 if found else 0
        found.append(own - own.min() + start)
    return torch.cat(found)


class Chain:
    """Several stores, one behind the other."""

    def __init__(self, stores: Sequence[Store]) -> None:
        self.stores = tuple(stores)
        self.stops = torch.tensor([store.shape[0] for store in stores]).cumsum(0)

    @property
    def shape(self) -> tuple[int, ...]:
        return (int(self.stops[-1]), *self.stores[0].shape[1:])

    def gather(self, indices: Tensor) -> Tensor:
        owner = torch.searchsorted(self.stops, indices.cpu(), right=True)
        parts: list[Tensor] = []
        for number, store in enumerate(self.stores):
            start = int(self.stops[number]) - store.shape[0]
            parts.append(store.gather(indices[owner == number] - start))
        # back into the order that was asked for
        return torch.cat(parts)[owner.argsort(stable=True).argsort()]


@dataclass(frozen=True)
class SubsetStore:
    """Some items of a store that is too large to copy."""

    parent: Store
    indices: Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.indices), *self.parent.shape[1:])

    def gather(self, indices: Tensor) -> Tensor:
        return self.parent.gather(self.indices[indices.to(self.indices.device)])


def _check_labels(name: str, labels: Tensor, count: int, class_names: tuple[str, ...]) -> None:
    if labels.dtype != torch.int64 or labels.ndim != 1:
        raise DataError(
            f"{name}: labels must be a vector of whole numbers, not {labels.dtype} {tuple(labels.shape)}"
        )
    if len(labels) != count:
        raise DataError(f"{name}: {count} items but {len(labels)} labels; each item needs one")
    if count and (int(labels.min()) < 0 or int(labels.max()) >= len(class_names)):
        wrong = int(labels.min()) if int(labels.min()) < 0 else int(labels.max())
        raise DataError(
            f"{name}: label {wrong} is out of range; with {len(class_names)} classes labels run "
            f"from 0 to {len(class_names) - 1}"
        )
