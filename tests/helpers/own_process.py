"""Python in a process of its own, for tests of several processes."""

import os
import subprocess
import sys

LAUNCHED = ("LOCAL_RANK", "RANK", "WORLD_SIZE", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT")


def call(*arguments):
    """Run Python in a process of its own that cannot see how this one was started."""
    environment = {k: v for k, v in os.environ.items() if k not in LAUNCHED}
    environment["OMP_NUM_THREADS"] = "1"
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=240,
        check=False,
    )
