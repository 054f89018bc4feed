"""Seconds and memory of a block of code."""

from __future__ import annotations

import threading
import time

import psutil

PAUSE = 0.005  # seconds between two looks at the memory


class Watched:
    """Seconds of a block, and the largest resident memory within it beyond that before, in MiB.

    With ``own``, without what is shared: pages of mapped files, which the system takes back when it
    needs them, and memory that belongs to several processes.
    """

    def __init__(self, own: bool = False) -> None:
        self.seconds, self.mib = 0.0, 0.0
        self._own = own
        self._process = psutil.Process()
        self._over = threading.Event()

    def __enter__(self) -> Watched:
        self._before = self._resident()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        self._start = time.perf_counter()
        return self

    def __exit__(self, *error: object) -> None:
        self.seconds = time.perf_counter() - self._start
        self._over.set()
        self._thread.join()

    def _resident(self) -> int:
        said = self._process.memory_info()
        # only Linux tells what is shared
        return int(said.rss) - (int(getattr(said, "shared", 0)) if self._own else 0)

    def _watch(self) -> None:
        while not self._over.wait(PAUSE):
            self.mib = max(self.mib, (self._resident() - self._before) / (1 << 20))
