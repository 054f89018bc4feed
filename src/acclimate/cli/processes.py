"""One voice for several processes: with ``--devices 2`` the same command line runs twice."""

from __future__ import annotations

import os
import sys
import time

# how long the main process may take to make the same mistake and say so
_PATIENCE = 3.0


def is_helper() -> bool:
    """Whether a launcher started this process beside a main one; known before training begins."""
    several = _number("WORLD_SIZE") > 1
    return several and any(_number(name) > 0 for name in ("RANK", "LOCAL_RANK", "NODE_RANK"))


def leave_group() -> bool:
    """End the communication after training; whether this is the process that goes on to results.

    What follows takes minutes on the main process, longer than the others should wait for it.
    """
    distributed = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return True
    main = bool(distributed.get_rank() == 0)
    distributed.destroy_process_group()
    return main


def said_by_main_process() -> bool:
    """Whether a helper may be silent about its failure, because the main process failed, too.

    A mistake in the options or the data is made, and explained, by every process. If the main
    process is still there after a while, it is this one's alone.
    """
    if not is_helper():
        return False
    parent, end = os.getppid(), time.monotonic() + _PATIENCE
    while os.getppid() == parent and time.monotonic() < end:
        time.sleep(0.05)
    return os.getppid() != parent


def _number(name: str) -> int:
    text = os.environ.get(name, "")
    return int(text) if text.isdecimal() else 0
