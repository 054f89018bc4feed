"""Memory of a block, with and without what it shares with others."""

import mmap
import sys
import time

import pytest

from acclimate.experiments.watched import Watched

SIZE = 64 << 20


def seen(watched, least, seconds):
    stop = time.monotonic() + seconds
    while watched.mib < least and time.monotonic() < stop:  # until it was looked at
        time.sleep(0.01)
    return watched.mib


@pytest.mark.parametrize("own", [False, True])
def test_memory_is_watched(own):
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    with Watched(own=own) as watched, mmap.mmap(-1, SIZE, flags) as held:
        held.write(bytes(SIZE))  # pages of its own, whatever the process has freed before
        assert 60 < seen(watched, 60, 10) < 200
    assert watched.seconds > 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what is shared")
def test_mapped_files_are_not_its_own(tmp_path):
    (tmp_path / "file").write_bytes(bytes(SIZE))
    with open(tmp_path / "file", "rb") as file, Watched() as all_of_it, Watched(own=True) as own:
        with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as held:
            assert sum(held[at] for at in range(0, SIZE, 4096)) == 0
            assert seen(all_of_it, 60, 10) > 60
        assert own.mib < 40
