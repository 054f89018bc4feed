"""Ranks without the seconds that a fresh Python takes: forks of one that has loaded everything."""

import os
import signal
import socket
import sys
import time
import traceback
from contextlib import suppress


def fork_ranks(count, work, folder, environment=lambda rank: {}, limit=100.0):
    """Run ``work(rank)`` in ``count`` processes that make up one group; returns codes and seconds.

    A code is what ``work`` returned, 0 for ``None``, or minus the signal that ended it. What rank r
    says lies in ``folder/r.txt``. ``environment``: further variables by rank, ``None`` for one to
    leave out. What is left after ``limit`` seconds is killed: code -9.
    """
    folder.mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    sys.stdout.flush()
    sys.stderr.flush()
    begun = time.monotonic()
    running = {
        _forked(rank, count, port, work, folder, environment(rank)): rank for rank in range(count)
    }
    codes, seconds = {}, {}
    while running:
        if time.monotonic() - begun > limit:
            for process in running:
                os.kill(process, signal.SIGKILL)
        process, status = os.waitpid(-1, os.WNOHANG)
        if process in running:
            rank = running.pop(process)
            codes[rank] = os.waitstatus_to_exitcode(status)
            seconds[rank] = time.monotonic() - begun
        time.sleep(0.01)
    return [codes[rank] for rank in range(count)], [seconds[rank] for rank in range(count)]


def _forked(rank, count, port, work, folder, environment):
    process = os.fork()
    if process:
        return process
    code = 70
    try:
        log = os.open(folder / f"{rank}.txt", os.O_WRONLY | os.O_CREAT)
        os.dup2(log, 1)
        os.dup2(log, 2)
        if count > 1:
            told = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": count}
            told |= {"LOCAL_RANK": rank, **environment}
            os.environ |= {key: str(value) for key, value in told.items() if value is not None}
        code = work(rank) or 0
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
