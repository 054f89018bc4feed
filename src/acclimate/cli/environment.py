"""Settings of the process that only work when made before torch is loaded."""

from __future__ import annotations

import os
import sys

# A thread that has no work soon sleeps instead of spinning: on a machine with other work a spinning
# thread takes the core that its partner needs (measured: up to 6 times slower with 2 threads). It
# spins for some microseconds first, as the next operation mostly follows at once and waking a
# thread takes longer (measured: steps of 2 threads 5 to 20 % faster on an idle machine, and no
# difference beyond the spread beside other work). Huge pages save page faults on large tensors.
# What the user has set stays as it is.
DEFAULTS = {
    "OMP_WAIT_POLICY": "PASSIVE",  # GNU and LLVM OpenMP
    "GOMP_SPINCOUNT": "1000",  # GNU OpenMP, which torch from the registry has
    "KMP_BLOCKTIME": "0",  # Intel OpenMP, milliseconds of spinning
    "THP_MEM_ALLOC_ENABLE": "1",  # torch: transparent huge pages
}


def prepare_environment() -> None:
    """Set ``DEFAULTS`` where nothing is set, and make output survive any file name."""
    asleep = os.environ.get("OMP_WAIT_POLICY", "PASSIVE").upper() == "PASSIVE"
    for name, value in DEFAULTS.items():
        if asleep or name != "GOMP_SPINCOUNT":  # it would overrule a policy of the user's
            os.environ.setdefault(name, value)
    for stream in (sys.stdout, sys.stderr):
        # a file name that is no valid text, or a terminal without UTF-8, must not end a run
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
