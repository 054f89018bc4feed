"""What several processes know of one batch: statistics, items and draws that they share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor, distributed

# within ``joined`` every process has the joint batch before it, and nothing is left to share
_joined: ContextVar[bool] = ContextVar("joined", default=False)


def process_count() -> int:
    """How many processes train together; 1 where there is no group of them."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return 1
    return distributed.get_world_size()


def sharing() -> bool:
    """Whether each process has a part of the batch before it: not within ``joined``, nor alone."""
    return not _joined.get() and process_count() > 1


@contextmanager
def joined() -> Iterator[None]:
    """Within it, each process has all items before it: what is shared otherwise stays as it is.

    Also for what one process does by itself, such as running a network in training mode.
    """
    token = _joined.set(True)
    try:
        yield
    finally:
        _joined.reset(token)


@torch.no_grad()
def mean_over_processes(values: Tensor) -> Tensor:
    """The mean of ``values`` over all processes, without gradient; ``values`` where there is one.

    What decides a loss, a threshold or class shares, has to be alike on all of them: then the
    gradient is that of the joint batch.
    """
    if not sharing():
        return values.detach()
    mean = values.detach().clone()
    distributed.all_reduce(mean)
    return mean / distributed.get_world_size()


@torch.no_grad()
def items_of_all_processes(items: Tensor) -> Tensor:
    """``items`` (N, ...) of all processes, in the order of the joint batch, which is dealt out in turn.

    Without gradient; as many on each process, and ``items`` themselves where there is one.
    """
    if not sharing():
        return items.detach()
    parts = [torch.empty_like(items) for _ in range(distributed.get_world_size())]
    distributed.all_gather(parts, items.detach().contiguous())
    return torch.stack(parts, 1).flatten(0, 1)


def number_of_first_process(number: int) -> int:
    """The 63-bit ``number`` that process 0 gives, on every process."""
    if process_count() == 1:
        return number
    told = [number]
    distributed.broadcast_object_list(told, 0)
    return told[0]


class CommonDraws:
    """A stream of torch's random numbers that is alike on all processes, beside each one's own.

    ``begin`` starts it; within ``taken`` torch's global generators follow it, and go on with the
    process's own stream afterwards.
    """

    def __init__(self) -> None:
        self._states: list[Tensor] | None = None
        self._device = torch.device("cpu")

    def begin(self, seed: int, device: torch.device) -> None:
        """Start the stream that ``torch.manual_seed(seed)`` starts; ``device`` is the batch's."""
        self._device = device
        places = ["cpu"] if device.type == "cpu" else ["cpu", str(device)]
        self._states = [torch.Generator(place).manual_seed(seed).get_state() for place in places]

    @contextmanager
    def taken(self) -> Iterator[None]:
        if self._states is None:
            yield
            return
        own = self._exchanged(self._states)
        try:
            yield
        finally:
            self._states = self._exchanged(own)

    def _exchanged(self, states: list[Tensor]) -> list[Tensor]:
        """Put ``states`` in the place of the global generators'; returns what these were."""
        before = [torch.get_rng_state()]
        torch.set_rng_state(states[0])
        if len(states) > 1:
            module = torch.get_device_module(self._device)
            before.append(module.get_rng_state(self._device))
            module.set_rng_state(states[1], self._device)
        return before
