"""Batches shared out among the processes of a group, and what came of them in order on the first one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from lightning_fabric import Fabric
from torch import distributed

Result = TypeVar("Result")


def shared_out(
    count: int, work: Callable[[int], Result], fabric: Fabric | None = None
) -> list[Result]:
    """``[work(0), …, work(count - 1)]``, each done by one process; empty on all but the first.

    Process r of W does r, r + W, r + 2 W … ``fabric`` is launched; without one, or with one process,
    this one does everything. Results travel by pickle, between processes that trust each other.
    """
    if fabric is None or fabric.world_size == 1:
        return [work(number) for number in range(count)]
    mine = {n: work(n) for n in range(fabric.global_rank, count, fabric.world_size)}
    first = fabric.global_rank == 0
    parts: list[Any] | None = [None] * fabric.world_size if first else None
    distributed.gather_object(mine, parts)
    if parts is None:
        return []
    done = {number: result for part in parts for number, result in part.items()}
    return [done[number] for number in range(count)]
