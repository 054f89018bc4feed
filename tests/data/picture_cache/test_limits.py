"""The cache of decoded pictures is bounded, shared, and never in the way of a run."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import torch
from cached_pictures import ITEM, SIZE, all_of, entry_of, keys, opened, write_noise
from filelock import FileLock

from acclimate.core.errors import ConfigurationError
from acclimate.data import picture_cache
from acclimate.data.decoded_pictures import (
    Recipe,
    read_header,
)
from acclimate.data.picture_cache import PictureCache, default_picture_cache
from acclimate.data.sources import open_source


def folders(tmp_path, count):
    return [
        write_noise(tmp_path / f"photos{n}", "a/1.png", "a/2.png", "b/1.png", seed=n)
        for n in range(count)
    ]


def test_the_least_recently_used_make_room(tmp_path):
    first, second, third = folders(tmp_path, 3)
    probe = PictureCache(tmp_path / "probe", 1 << 30)
    opened(first, probe)
    cache = PictureCache(tmp_path / "cache", 2 * probe.entries()[0].bytes + 100)
    for number, folder in enumerate((first, second)):
        opened(folder, cache)
        for path in cache.folder.glob("*.pictures"):
            if time.time() - path.stat().st_mtime < 60:
                os.utime(path, (100 + number, 100 + number))
    opened(first, cache)  # used again, so that the second is the older one
    opened(third, cache)
    names = {entry.pictures.name for entry in cache.entries()}
    assert names == {"photos0", "photos2"}
    assert sum(entry.bytes for entry in cache.entries()) <= cache.limit_bytes
    assert len(list(cache.folder.glob("*.seen"))) == 2


def test_entries_that_this_run_reads_are_not_removed(tmp_path):
    first, second, _ = folders(tmp_path, 3)
    cache = PictureCache(tmp_path / "cache", 4096 + 3 * ITEM + 1000)
    source = opened(first, cache, resident_limit=0)
    target = opened(second, cache, resident_limit=0)
    assert "are not to be had" in target.notes[0]
    assert torch.equal(all_of(target), all_of(opened(second, None)))
    assert {entry.pictures.name for entry in cache.entries()} == {"photos0"}
    del source
    assert opened(second, cache, resident_limit=0).notes == ()
    assert {entry.pictures.name for entry in cache.entries()} == {"photos1"}


def test_what_is_larger_than_the_limit_is_decoded_as_without(photos, tmp_path):
    cache = PictureCache(tmp_path / "cache", 100)
    domain = opened(photos, cache)
    assert torch.equal(all_of(domain), all_of(opened(photos, None)))
    (note,) = domain.notes
    assert "ACCLIMATE_CACHE_LIMIT" in note
    assert "\n" not in note
    assert not cache.folder.exists()


def test_no_cache_at_all(photos, monkeypatch, tmp_path):
    monkeypatch.setenv("ACCLIMATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ACCLIMATE_CACHE_LIMIT", "0")
    assert open_source(photos).notes == ()
    assert not (tmp_path / "cache").exists()
    monkeypatch.setenv("ACCLIMATE_CACHE_LIMIT", "7")
    assert default_picture_cache() == PictureCache(tmp_path / "cache" / "pictures", 7 << 20)
    open_source(photos)
    assert entry_of(default_picture_cache()).exists()
    monkeypatch.setenv("ACCLIMATE_CACHE_LIMIT", "lots")
    with pytest.raises(ConfigurationError, match="ACCLIMATE_CACHE_LIMIT is 'lots'"):
        open_source(photos)


def test_a_few_small_pictures_are_not_kept(photos, cache, monkeypatch):
    monkeypatch.undo()
    assert opened(photos, cache).notes == ()
    assert not cache.folder.exists()


class FullDisk:
    """A file that takes some bytes and no more."""

    def __init__(self, file, room):
        self.file, self.room = file, room

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.file.close()

    def __getattr__(self, name):
        return getattr(self.file, name)

    def write(self, content):
        self.room -= len(memoryview(content).cast("B"))
        if self.room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self.file.write(content)


def test_a_disk_that_fills_up_stops_no_run(photos, cache, monkeypatch):
    def limited(path, mode="r", *rest, **options):
        file = open(path, mode, *rest, **options)  # noqa: SIM115
        return FullDisk(file, 4096 + 2 * ITEM) if mode == "wb" else file

    monkeypatch.setattr(picture_cache, "open", limited, raising=False)
    domain = opened(photos, cache)
    assert "No space left on device" in domain.notes[0]
    assert torch.equal(all_of(domain), all_of(opened(photos, None)))
    assert not list(cache.folder.glob("*.part"))
    assert cache.entries() == []


def test_a_full_disk_is_not_written_to(photos, cache, monkeypatch):
    full = shutil.disk_usage("/")._replace(free=100)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: full)
    assert "0 MiB free" in opened(photos, cache).notes[0]


@pytest.mark.parametrize("place", ["file", "read-only"])
def test_a_place_that_cannot_be_written_stops_no_run(photos, tmp_path, place, monkeypatch):
    folder = tmp_path / "cache"
    if place == "file":
        folder.write_text("no folder")
    else:  # as root may write anywhere, the lock is what fails

        def refuse(_lock):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

        monkeypatch.setattr(FileLock, "_acquire", refuse)
    domain = opened(photos, PictureCache(folder, 1 << 30))
    assert len(domain.notes) == 1
    assert str(folder) in domain.notes[0]
    assert torch.equal(all_of(domain), all_of(opened(photos, None)))


def test_an_entry_is_used_where_nothing_can_be_written(photos, cache, monkeypatch, decoded):
    opened(photos, cache)

    def refuse(*_arguments, **_options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "utime", refuse)
    monkeypatch.setattr(FileLock, "_acquire", refuse)
    assert opened(photos, cache).notes == ()
    assert len(decoded) == 4


def test_what_killed_runs_left_is_removed(photos, cache):
    cache.folder.mkdir()
    left = [cache.folder / f"{digit:x}-0000.part" for digit in range(16)]
    for path in left:
        path.write_bytes(b"half")
    with FileLock(cache.folder / "5.lock"):  # a run that is alive
        assert cache.remove_leftovers() == 15 * 4
    assert [path for path in left if path.exists()] == [left[5]]
    left[3].write_bytes(b"half")
    opened(photos, cache)
    assert not any(path.exists() for path in left)


OPEN = """
import sys, time
from pathlib import Path
from acclimate.data import picture_cache
from acclimate.data.file_store import open_listing
from acclimate.data.folders import list_class_folders
picture_cache.WORTHWHILE, decode = 1, picture_cache.decode
folder, cache = Path(sys.argv[1]), picture_cache.PictureCache(Path(sys.argv[2]), 1 << 30)
def slow(*options):
    (folder / "started").touch()
    while not (folder / "go").exists():
        time.sleep(0.01)
    return decode(*options)
picture_cache.decode = slow
print(open_listing(list_class_folders(folder), size=8, channels=3, cache=cache).notes)
"""


def until(condition):
    stop = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < stop
        time.sleep(0.01)


def test_of_two_processes_one_decodes_and_the_other_waits(photos, cache, decoded):
    line = [sys.executable, "-c", OPEN, str(photos), str(cache.folder)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as other:
        try:
            until((photos / "started").exists)
            # the part that is under way counts already in what others reckon
            (part,) = cache.folder.glob("*.part")
            assert part.stat().st_size >= 4096 + 4 * ITEM
            found = []
            thread = threading.Thread(target=lambda: found.append(opened(photos, cache)))
            thread.start()
            thread.join(0.5)
            assert thread.is_alive()
        finally:
            (photos / "go").touch()
            said = other.communicate(timeout=120)[0]
        thread.join(120)
    assert said.strip() == "()"
    assert decoded == []
    assert torch.equal(all_of(found[0]), all_of(opened(photos, None)))


def test_the_layout_of_the_file_is_as_described(photos, cache):
    """A reader of its own, of the description alone."""
    expected = all_of(opened(photos, cache)).numpy()
    content = entry_of(cache).read_bytes()
    assert content.startswith(b"ACCLIMATE-PICTURES-1\n")
    pixels = np.frombuffer(content[4096 : 4096 + 4 * ITEM], np.uint8).reshape(4, SIZE, SIZE, 3)
    # sorted by name: cat/1, cat/10, cat/2, dog/1
    assert (pixels[[0, 2, 1, 3]] == expected).all()
    assert read_header(entry_of(cache)).recipe == Recipe(SIZE, 3)


def test_the_command_lists_and_removes(acclimate, tmp_path):
    import json

    first, second, third = folders(tmp_path, 3)
    cache = PictureCache(tmp_path / "cache" / "pictures", 1 << 30)
    assert "0.0 of 20480 MiB used" in acclimate("data", "cache").out
    for folder in (first, second, third):
        opened(folder, cache)
    listed = json.loads(acclimate("data", "cache", "--json").out)
    assert {entry["name"] for entry in listed["entries"]} == {"photos0", "photos1", "photos2"}
    assert listed["bytes"] == sum(path.stat().st_size for path in cache.folder.glob("*.pictures"))
    (one,) = (entry for entry in listed["entries"] if entry["name"] == "photos1")
    assert (one["items"], one["size"], one["fit"]) == (3, SIZE, "squash")
    assert one["key"][:12] in acclimate("data", "cache").out
    done = json.loads(acclimate("data", "cache", "--remove", one["key"][:8], "--json").out)
    assert done["freed_bytes"] == one["bytes"]
    assert one["key"] not in keys(cache)
    wrong = acclimate("data", "cache", "--remove", one["key"])
    assert (wrong.code, wrong.err.count("\n")) == (2, 1)
    (cache.folder / "0-dead.part").write_bytes(b"half")
    assert acclimate("data", "cache", "--clear").code == 0
    assert [path for path in cache.folder.iterdir() if path.suffix != ".lock"] == []
