"""Batches as a function of the step: resident in one gather, read ahead, or decoded by processes.

Item ``i`` of the endless sequence of shuffled epochs belongs to step ``i // batch_size``. The
sequence follows from (seed, purpose), so a run can start at any step and see what it would have
seen. With several processes the joint batch is dealt out in turn, so that the data do not depend
on their number.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from acclimate.core.errors import ConfigurationError
from acclimate.core.seeding import generator
from acclimate.data.domain import Chain, Domain, InMemory, Store, SubsetStore
from acclimate.data.identity_order import IdentityOrder

_AHEAD = 3  # batches that a thread reads beyond the one that was asked for


class StoredBatch(NamedTuple):
    """``items``: as stored, uint8 (B, H, W, C) or float32 (B, D); ``labels``: (B,) int64 or ``None``.

    ``places``: (B,) int64, which of several pooled domains each item is from; else ``None``.
    """

    items: Tensor
    labels: Tensor | None
    places: Tensor | None = None


class Order:
    """Which items make up a step: shuffled epochs laid end to end, none dropped."""

    def __init__(self, count: int, batch_size: int, seed: int, purpose: str) -> None:
        self.count, self.batch_size = count, batch_size
        self.seed, self.purpose = seed, purpose
        self._epoch: tuple[int, Tensor] | None = None

    def at(self, step: int) -> Tensor:
        """Indices (batch_size,) int64 of ``step``."""
        return self.between(step * self.batch_size, (step + 1) * self.batch_size)

    def between(self, start: int, stop: int) -> Tensor:
        """Indices (stop − start,) int64 of the endless sequence's items ``start`` to ``stop``."""
        parts = [torch.empty(0, dtype=torch.int64)]
        while start < stop:
            epoch, offset = divmod(start, self.count)
            taken = min(self.count - offset, stop - start)
            parts.append(self._permutation(epoch)[offset : offset + taken])
            start += taken
        return torch.cat(parts)

    def _permutation(self, epoch: int) -> Tensor:
        if self._epoch is None or self._epoch[0] != epoch:
            drawn = torch.randperm(self.count, generator=generator(self.seed, self.purpose, epoch))
            self._epoch = (epoch, drawn)
        return self._epoch[1]


class BalancedOrder:
    """As ``Order`` for pooled domains: every batch has as many items of each, up to one."""

    def __init__(self, places: Tensor, batch_size: int, seed: int, purpose: str) -> None:
        self.batch_size, self.seed, self.purpose = batch_size, seed, purpose
        self.members = [
            (places == place).nonzero().squeeze(1) for place in range(int(places.max()) + 1)
        ]
        self.orders = [
            Order(len(members), batch_size, seed, f"{purpose} {number}")
            for number, members in enumerate(self.members)
        ]

    def at(self, step: int) -> Tensor:
        """Indices (batch_size,) int64 of ``step``, the domains in random places of the batch."""
        start, stop, kinds = step * self.batch_size, (step + 1) * self.batch_size, len(self.orders)
        # item i of the endless sequence belongs to domain i mod K
        parts = [
            members[order.between(-((number - start) // kinds), -((number - stop) // kinds))]
            for number, (members, order) in enumerate(zip(self.members, self.orders, strict=True))
        ]
        draws = generator(self.seed, self.purpose, "places", step)
        return torch.cat(parts)[torch.randperm(self.batch_size, generator=draws)]


class WeightedOrder:
    """As ``Order`` for items of unequal weight: each place of a batch is drawn by weight, anew."""

    def __init__(self, weights: Tensor, batch_size: int, seed: int, purpose: str) -> None:
        self.stops = weights.double().cumsum(0)
        self.batch_size, self.seed, self.purpose = batch_size, seed, purpose

    def at(self, step: int) -> Tensor:
        """Indices (batch_size,) int64 of ``step``."""
        draws = generator(self.seed, self.purpose, "weighted", step)
        points = torch.rand(self.batch_size, generator=draws, dtype=torch.float64) * self.stops[-1]
        return torch.searchsorted(self.stops, points, right=True).clamp_max(len(self.stops) - 1)


class Ordered(Protocol):
    """The items of each step."""

    def at(self, step: int) -> Tensor: ...


class BatchSource(Protocol):
    """Where steps get their stored items from."""

    def between(self, start: int, stop: int) -> Iterator[StoredBatch]:
        """One batch for each step from ``start`` to ``stop``."""
        ...


class ResidentBatches:
    """The domain lies on the device, or is sparse beside it; a batch is one gather there."""

    def __init__(
        self, domain: Domain, order: Ordered, device: torch.device, rank: int, ranks: int
    ) -> None:
        assert isinstance(domain.store, InMemory)
        self.items = domain.store.to(device)
        self.labels = None if domain.labels is None else domain.labels.to(device)
        self.places = None if domain.places is None else domain.places.to(device)
        self.order, self.device, self.rank, self.ranks = order, device, rank, ranks

    def between(self, start: int, stop: int) -> Iterator[StoredBatch]:
        for step in range(start, stop):
            indices = self.order.at(step)[self.rank :: self.ranks].to(
                self.device, non_blocking=True
            )
            labels, places = (
                None if known is None else known.index_select(0, indices)
                for known in (self.labels, self.places)
            )
            yield StoredBatch(self.items.gather(indices).to(self.device), labels, places)


class _Steps(torch.utils.data.Dataset[StoredBatch]):
    """A step's batch, decoded by whichever worker is free."""

    def __init__(self, domain: Domain, order: Ordered, rank: int, ranks: int) -> None:
        self.domain, self.order, self.rank, self.ranks = domain, order, rank, ranks

    def __getitem__(self, step: int) -> StoredBatch:
        return self.gather(self.indices(step))

    def indices(self, step: int) -> Tensor:
        return self.order.at(step)[self.rank :: self.ranks]

    def gather(self, indices: Tensor) -> StoredBatch:
        labels, places = (
            None if known is None else known[indices]
            for known in (self.domain.labels, self.domain.places)
        )
        return StoredBatch(self.domain.store.gather(indices), labels, places)


class StreamedBatches:
    """The domain does not fit: workers decode batches ahead of the step, in the same order."""

    def __init__(
        self,
        domain: Domain,
        order: Ordered,
        device: torch.device,
        rank: int,
        ranks: int,
        workers: int = 2,
    ) -> None:
        self.steps = _Steps(domain, order, rank, ranks)
        self.device, self.workers = device, workers

    def between(self, start: int, stop: int) -> Iterator[StoredBatch]:
        loader: Any = torch.utils.data.DataLoader(
            self.steps,
            batch_size=None,
            sampler=range(start, stop),
            num_workers=self.workers,
            multiprocessing_context="spawn" if self.workers else None,
            pin_memory=self.device.type == "cuda",
        )
        for items, labels, places in loader:
            yield _moved(StoredBatch(items, labels, places), self.device)


class PrefetchedBatches:
    """The domain lies decoded in a file: a thread reads batches ahead of the step, in the same order.

    Reading waits for the disk and not for the interpreter, so processes would gain nothing.
    """

    def __init__(
        self, domain: Domain, order: Ordered, device: torch.device, rank: int, ranks: int
    ) -> None:
        self.steps = _Steps(domain, order, rank, ranks)
        self.device = device

    def between(self, start: int, stop: int) -> Iterator[StoredBatch]:
        thread = ThreadPoolExecutor(1, "acclimate-batches", initializer=self._enter)
        ahead: deque[Future[StoredBatch]] = deque()
        try:
            for step in range(start, stop):
                while len(ahead) < min(1 + _AHEAD, stop - step):
                    # the order keeps an epoch in mind, so only this thread may ask it
                    indices = self.steps.indices(step + len(ahead))
                    ahead.append(thread.submit(self._read, indices))
                yield _moved(ahead.popleft().result(), self.device)
        finally:
            thread.shutdown(wait=True, cancel_futures=True)

    def _enter(self) -> None:
        # a new thread would open, and pin memory for, the first of several devices
        if self.device.type == "cuda" and self.device.index is not None:
            torch.cuda.set_device(self.device)

    def _read(self, indices: Tensor) -> StoredBatch:
        batch = self.steps.gather(indices)
        if self.device.type != "cuda":
            return batch
        return _each(batch, torch.Tensor.pin_memory)


def _moved(batch: StoredBatch, device: torch.device) -> StoredBatch:
    return _each(batch, lambda part: part.to(device, non_blocking=True))


def _each(batch: StoredBatch, change: Callable[[Tensor], Tensor]) -> StoredBatch:
    items, labels, places = batch
    return StoredBatch(
        change(items),
        None if labels is None else change(labels),
        None if places is None else change(places),
    )


def _decodes(store: Store) -> bool:
    """Whether items are computed when they are gathered, which takes the processor's time."""
    if isinstance(store, SubsetStore):
        return _decodes(store.parent)
    if isinstance(store, Chain):
        return any(_decodes(part) for part in store.stores)
    return not isinstance(store, InMemory) and getattr(store, "decodes", True)


def make_batches(
    domain: Domain,
    batch_size: int,
    *,
    seed: int,
    purpose: str,
    device: torch.device,
    rank: int = 0,
    ranks: int = 1,
    workers: int = 2,
    images_per_identity: int | None = None,
) -> BatchSource:
    """Resident batches where the domain is in memory, else read ahead or, where needed, decoded.

    ``batch_size`` is that of all processes together. ``images_per_identity``: a batch is so many
    pictures of each of some identities, see ``IdentityOrder``; ``None``: any items. Raises
    ``ConfigurationError`` when the domain has fewer items than a batch, or fewer identities, or
    the batch cannot be dealt out evenly.
    """
    order: Ordered
    if images_per_identity is not None:
        order = _identity_order(domain, batch_size, images_per_identity, seed, purpose)
    elif len(domain) < batch_size and domain.weights is None:
        raise ConfigurationError(
            f"{domain.name}: {len(domain)} items for training are fewer than a batch of {batch_size}; "
            f"give --batch-size {max(1, len(domain))} or less"
        )
    elif domain.places is not None:
        order = BalancedOrder(domain.places, batch_size, seed, purpose)
    elif domain.weights is not None:
        order = WeightedOrder(domain.weights, batch_size, seed, purpose)
    else:
        order = Order(len(domain), batch_size, seed, purpose)
    if batch_size % ranks:
        raise ConfigurationError(
            f"a batch of {batch_size} cannot be shared evenly by {ranks} processes; "
            f"give a --batch-size divisible by {ranks}"
        )
    return batches_in_order(domain, order, device=device, rank=rank, ranks=ranks, workers=workers)


def _identity_order(
    domain: Domain, batch_size: int, images_per_identity: int, seed: int, purpose: str
) -> IdentityOrder:
    if domain.labels is None:
        raise ConfigurationError(
            f"{domain.name} has no identities to draw {images_per_identity} pictures of each from"
        )
    return IdentityOrder(
        domain.labels, domain.cameras, batch_size, images_per_identity, seed, purpose
    )


def batches_in_order(
    domain: Domain,
    order: Ordered,
    *,
    device: torch.device,
    rank: int = 0,
    ranks: int = 1,
    workers: int = 2,
) -> BatchSource:
    """As ``make_batches`` for an order of one's own; its batches must suit the number of processes."""
    if isinstance(domain.store, InMemory):
        return ResidentBatches(domain, order, device, rank, ranks)
    if not _decodes(domain.store):
        return PrefetchedBatches(domain, order, device, rank, ranks)
    return StreamedBatches(domain, order, device, rank, ranks, workers)
