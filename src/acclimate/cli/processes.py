"""One voice for several processes: with ``--devices 2`` the same command line runs twice."""

from __future__ import annotations

import os
import sys
import time

# how long the main process may take to make the same mistake and say so
_PATIENCE = 3.0


_RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")


def is_helper() -> bool:
    """Whether a launcher started this process beside a main one; known before training begins."""
    several = max(_number("WORLD_SIZE"), _number("SLURM_STEP_NUM_TASKS")) > 1
    return several and any(_number(name) > 0 for name in _RANKS)


def started_together() -> tuple[int, int] | None:
    """``--devices`` and ``--nodes`` as torchrun or srun have started them already; else ``None``.

    Without them each of these processes would train the same run alone.
    """
    several, each = _number("WORLD_SIZE"), _number("LOCAL_WORLD_SIZE")
    if several > 1 and each and "TORCHELASTIC_RUN_ID" in os.environ:
        return each, several // each
    several, nodes = _number("SLURM_STEP_NUM_TASKS"), _number("SLURM_STEP_NUM_NODES")
    if several > 1 and nodes:
        return several // nodes, nodes
    return None


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
    group = sys.modules.get("acclimate.training.process_group")
    if group is not None and group.spoken_for() is not None:
        return bool(group.spoken_for())
    parent, end = os.getppid(), time.monotonic() + _PATIENCE
    while os.getppid() == parent and time.monotonic() < end:
        time.sleep(0.05)
    return os.getppid() != parent


def _number(name: str) -> int:
    text = os.environ.get(name, "")
    return int(text) if text.isdecimal() else 0
