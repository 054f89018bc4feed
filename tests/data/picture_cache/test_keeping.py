"""Pictures decoded once, and found again by content."""

from __future__ import annotations

import errno
import os
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from cached_pictures import ITEM, SIZE, all_of, entry_of, keys, opened, write_noise

from acclimate.data import decoded_pictures, picture_cache
from acclimate.data.decoded_pictures import (
    DamagedFileError,
    MemoryMappedStore,
    read_header,
)
from acclimate.data.folders import PictureFiles, list_plain
from acclimate.data.images import Stamp
from acclimate.data.sources import open_target


@pytest.mark.parametrize("resident_limit", [0, 1 << 30])
def test_what_is_kept_is_what_would_be_decoded(photos, cache, decoded, resident_limit):
    (photos / "dog" / "0.png").write_bytes(b"damaged")
    fresh = opened(photos, None)
    for _ in range(2):
        kept = opened(photos, cache, resident_limit=resident_limit)
        assert torch.equal(all_of(kept), all_of(fresh))
        assert kept.item_names == fresh.item_names
        assert kept.labels.tolist() == fresh.labels.tolist()
        assert kept.skipped == fresh.skipped == ("dog/0.png: not an image, or damaged",)
        assert kept.notes == ()
    assert len(decoded) == 5
    assert isinstance(kept.store, MemoryMappedStore) == (resident_limit == 0)


def test_nothing_is_read_of_pictures_that_were_seen(photos, cache, monkeypatch):
    first = all_of(opened(photos, cache))

    def refuse(*_arguments):
        raise AssertionError("it was read")

    monkeypatch.setattr(PictureFiles, "picture", refuse)
    assert torch.equal(all_of(opened(photos, cache)), first)


def test_one_entry_serves_every_way_to_list_a_folder(photos, cache, decoded):
    classes = opened(photos, cache)
    plain = opened(photos, cache, list_plain)
    # the source's order of classes is not the folder's
    target = open_target(photos, class_names=("dog", "cat"), size=SIZE, cache=cache)
    assert len(decoded) == 4
    assert target.item_names == ("dog/1.png", "cat/1.png", "cat/2.png", "cat/10.png")
    assert torch.equal(all_of(plain), all_of(classes))
    assert torch.equal(all_of(target), all_of(classes)[[3, 0, 1, 2]])


def test_a_copy_a_touch_and_new_names_are_the_same_pictures(photos, tmp_path, cache, decoded):
    before = all_of(opened(photos, cache))
    shutil.copytree(photos, tmp_path / "copy")
    os.utime(photos / "cat" / "1.png", (1, 1))
    for folder in (tmp_path / "copy", photos):
        assert torch.equal(all_of(opened(folder, cache)), before)
    (photos / "cat").rename(photos / "ape")
    assert torch.equal(all_of(opened(photos, cache)), before)
    assert len(decoded) == 4
    assert len(keys(cache)) == 1


@pytest.mark.parametrize("option", [{"size": 9}, {"channels": 1}, {"fit": "crop"}])
def test_other_options_are_another_entry(photos, cache, option):
    opened(photos, cache)
    other = opened(photos, cache, **option)
    assert torch.equal(all_of(other), all_of(opened(photos, None, **option)))
    assert len(keys(cache)) == 2


def test_another_version_of_the_decoder_is_another_entry(photos, cache, monkeypatch):
    opened(photos, cache)
    monkeypatch.setattr(decoded_pictures, "DECODER_VERSION", 0)
    opened(photos, cache)
    assert len(keys(cache)) == 2


def test_a_file_that_changed_is_noticed_even_if_size_and_time_stayed(photos, cache):
    opened(photos, cache)
    path = photos / "cat" / "2.png"
    status = path.stat()
    content = bytearray((photos / "cat" / "1.png").read_bytes())
    path.write_bytes(bytes(content))
    os.truncate(path, status.st_size)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert torch.equal(all_of(opened(photos, cache)), all_of(opened(photos, None)))


def test_folders_alike_in_names_sizes_and_times_are_kept_apart(tmp_path, cache, monkeypatch):
    # as where a file system does not know when a file was changed
    monkeypatch.setattr(PictureFiles, "stamp", lambda _files, _index: Stamp(1000, "0"))
    for seed, name in enumerate(("one", "two")):
        write_noise(tmp_path / name, "a/1.bmp", "b/1.bmp", seed=seed)
    one, two = (all_of(opened(tmp_path / name, cache)) for name in ("one", "two"))
    assert not torch.equal(one, two)
    assert torch.equal(two, all_of(opened(tmp_path / "two", None)))


def test_a_picture_that_could_not_be_read_is_tried_again(photos, cache, monkeypatch):
    read = Path.read_bytes

    def busy(path):
        if path.name == "2.png":
            raise OSError(errno.EIO, "Input/output error")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", busy)
    assert "cat/2.png: [Errno 5]" in opened(photos, cache).skipped[0]
    monkeypatch.undo()
    monkeypatch.setattr(picture_cache, "WORTHWHILE", 1)
    again = opened(photos, cache)
    assert again.skipped == ()
    assert torch.equal(all_of(again), all_of(opened(photos, None)))


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1],
        lambda content: b"\0" * len(content),
        lambda content: b"other" + content[5:],
        lambda content: content[:21] + b'{"stop": 4097}'.ljust(60, b"\0") + content[81:],
        lambda content: content[:4096] + content[4096 + ITEM :],
    ],
)
def test_a_damaged_entry_is_made_anew(photos, cache, damage, decoded):
    before = all_of(opened(photos, cache))
    path = entry_of(cache)
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    with pytest.raises(DamagedFileError):
        read_header(path)
    assert [entry.pictures for entry in cache.entries()] == [None]
    assert torch.equal(all_of(opened(photos, cache)), before)
    assert path.read_bytes() == whole
    assert len(decoded) == 8


def test_the_mapped_store_travels_and_survives_the_loss_of_its_file(photos, cache):
    expected = all_of(opened(photos, None))
    store = opened(photos, cache, resident_limit=0).store
    indices = torch.tensor([3, 0, 0, 2])
    assert store.shape == (4, SIZE, SIZE, 3)
    assert torch.equal(store.gather(indices), expected[indices])
    assert store.gather(torch.empty(0, dtype=torch.int64)).shape == (0, SIZE, SIZE, 3)
    sent = pickle.dumps(store)
    assert len(sent) < 4 * ITEM + 4000
    assert torch.equal(pickle.loads(sent).gather(indices), expected[indices])
    cache.remove(keys(cache))
    for left in (store, pickle.loads(sent)):
        assert torch.equal(left.gather(indices), expected[indices])
