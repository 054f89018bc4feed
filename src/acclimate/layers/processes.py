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
