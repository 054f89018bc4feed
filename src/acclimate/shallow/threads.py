"""Work on blocks of rows in as many threads as BLAS would take."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from threadpoolctl import threadpool_info, threadpool_limits

BLOCK = 2048  # rows: a matrix product rearranges all weights anew for each block


def for_blocks(work: Callable[[slice], None], count: int) -> None:
    """Call ``work`` with slices of at most 2,048 that make up ``range(count)``, several at a time.

    A block's matrix products take one thread each. So what lies between them, elementwise and sparse
    operations for which numpy and scipy take one thread and let others run, is shared out as well.
    ``work`` must not mind the order. A single block is worked on here, by BLAS's own threads.
    """
    blocks = [slice(start, min(start + BLOCK, count)) for start in range(0, count, BLOCK)]
    threads = blas_threads() if len(blocks) > 1 else 1
    if threads == 1:
        for block in blocks:
            work(block)
        return
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        # a list, so that what went wrong in a thread is raised here
        list(pool.map(work, blocks))


def blas_threads() -> int:
    """How many threads a matrix product takes now."""
    found = [each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"]
    return max(found, default=1)
