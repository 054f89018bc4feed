"""Statistics of a batch that several processes share."""

from __future__ import annotations

import torch
from torch import Tensor, distributed


@torch.no_grad()
def mean_over_processes(values: Tensor) -> Tensor:
    """The mean of ``values`` over all processes, without gradient; ``values`` where there is one.

    What decides a loss, a threshold or class shares, has to be alike on all of them: then the
    gradient is that of the joint batch.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return values.detach()
    mean = values.detach().clone()
    distributed.all_reduce(mean)
    return mean / distributed.get_world_size()


@torch.no_grad()
def items_of_all_processes(items: Tensor) -> Tensor:
    """``items`` (N, ...) of all processes, in the order of the joint batch, which is dealt out in turn.

    Without gradient; as many on each process, and ``items`` themselves where there is one.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return items.detach()
    parts = [torch.empty_like(items) for _ in range(distributed.get_world_size())]
    distributed.all_gather(parts, items.detach().contiguous())
    return torch.stack(parts, 1).flatten(0, 1)
