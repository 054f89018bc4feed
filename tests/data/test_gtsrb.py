"""GTSRB in its official layout, made small; the cut by track; damaged and foreign archives."""

from __future__ import annotations

import io
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from acclimate.core.errors import DataError
from acclimate.data import datasets
from acclimate.data.file_trees import open_tree
from acclimate.data.sets import gtsrb
from acclimate.data.splits import split_source

CLASSES = 43
HEADER = "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId"
PREFIX = "GTSRB/Final_Training/Images"


def picture(label: int, track: int, file_format: str) -> bytes:
    """24×20: a margin of 255, and inside columns 4 … 19, rows 3 … 16 a colour of its own."""
    pixels = np.full((20, 24, 3), 255, dtype=np.uint8)
    pixels[3:17, 4:20] = (label, 10 * track, 7)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, file_format, lossless=True)
    return buffer.getvalue()


def official(tracks: int = 3) -> dict[str, bytes]:
    """Every class with ``tracks`` tracks of two frames, and its table."""
    files = {"GTSRB/Readme-Images.txt": b"read me"}
    for label in range(CLASSES):
        folder, rows = f"{PREFIX}/{label:05d}", [HEADER]
        for track in range(tracks):
            for frame in range(2):
                name = f"{track:05d}_{frame:05d}.ppm"
                files[f"{folder}/{name}"] = picture(label, track, "PPM")
                rows.append(f"{name};24;20;4;3;19;16;{label}")
        files[f"{folder}/GT-{label:05d}.csv"] = "\r\n".join(rows).encode()
    return files


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


@pytest.fixture
def archive(places):
    return write_zip(places / "gtsrb" / gtsrb.ARCHIVE.filename, official())


def load(split: str = "train"):
    return datasets.get("gtsrb").load(None, split, download=False)


def load_both():
    return load(), load("test")


def table_line(files: dict[str, bytes], old: str, new: str) -> dict[str, bytes]:
    name = f"{PREFIX}/00007/GT-00007.csv"
    text = files[name].decode()
    assert old in text
    return files | {name: text.replace(old, new).encode()}


def test_archive_is_cropped_to_the_sign_and_cut_by_track(archive):
    train, test = load(), load("test")
    assert train.name == "gtsrb"
    assert (len(train), len(test)) == (CLASSES * 4, CLASSES * 2)
    assert test.labels.tolist() == [label for label in range(CLASSES) for _ in range(2)]
    for domain in (train, test):
        # the crop has one colour: no pixel of the margin is left, and none of the sign is lost
        flat = domain.store.tensor.reshape(len(domain), -1, 3)
        assert torch.equal(flat.amin(1), flat.amax(1))
        tracks = [int(name[6:11]) for name in domain.item_names]
        expected = [[k, 10 * t, 7] for k, t in zip(domain.labels.tolist(), tracks, strict=True)]
        assert flat[:, 0].tolist() == expected
        assert [int(name[:5]) for name in domain.item_names] == domain.labels.tolist()
        assert len(domain.groups.unique()) == len(domain) // 2
    assert not set(train.item_names) & set(test.item_names)
    assert not set(train.groups.tolist()) & set(test.groups.tolist())


def test_whole_frames_on_request(archive):
    with open_tree(archive) as tree:
        inputs = gtsrb.read_tree(tree, "test", crop=False).inputs
    assert (inputs[:, 0] == 255).all()
    assert (inputs[:, 20, 20, 2] == 7).all()


def test_the_unpacked_folder_is_the_same(archive, places):
    packed = load()
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(places)
    archive.unlink()
    unpacked = load()
    assert torch.equal(unpacked.store.tensor, packed.store.tensor)
    assert unpacked.item_names == packed.item_names
    (finding,) = datasets.get("gtsrb").inspect()
    assert (finding.status, finding.where) == ("ok", str(places / PREFIX))
    shutil.rmtree(places / "GTSRB")
    assert not datasets.get("gtsrb").is_available()


def test_a_third_has_another_name_and_gives_way_to_the_archive(places):
    files = {
        f"{label:05d}/{track:05d}_{3 * frame:05d}.webp": picture(label, track, "WEBP")
        for label in range(CLASSES)
        for track in range(5)
        for frame in range(2)
    }
    write_zip(places / "gtsrb32" / gtsrb.THIRD, files)
    third = load("test")
    assert third.name == "gtsrb32-third"
    assert len(third) == CLASSES * 2
    assert third.store.tensor[0, 0, 0].tolist() == [255, 255, 255]
    assert datasets.get("gtsrb").inspect()[0].status == "different"
    write_zip(places / "gtsrb" / gtsrb.ARCHIVE.filename, official(tracks=5))
    whole = load("test")
    assert whole.name == "gtsrb"
    assert set(whole.groups.tolist()) == set(third.groups.tolist())


def test_it_is_kept_until_the_archive_changes(archive, monkeypatch):
    before = load("test")
    with monkeypatch.context() as patched:
        patched.setattr(gtsrb, "read_tree", None)  # reading a second time would fail
        again = load("test")
    assert torch.equal(again.store.tensor, before.store.tensor)
    assert again.item_names == before.item_names
    assert torch.equal(again.groups, before.groups)
    files = official()
    files |= {
        name: picture(3, 9, "PPM") for name in files if "/00003/" in name and "_" in name[-13:]
    }
    write_zip(archive, files)
    assert load("test").store.tensor[6, 0, 0].tolist() == [3, 90, 7]


def test_validation_holds_out_whole_tracks(archive):
    parts = split_source(load(), seed=0, fraction=0.3)
    assert not set(parts.train.groups.tolist()) & set(parts.validation.groups.tolist())
    assert parts.validation.labels.bincount(minlength=CLASSES).tolist() == [2] * CLASSES


@settings(max_examples=60, deadline=None)
@given(
    tracks=st.dictionaries(
        st.integers(0, 42), st.sets(st.integers(0, 99), min_size=1, max_size=60), min_size=1
    )
)
def test_a_fifth_of_the_tracks_of_every_class(tracks):
    frames = [
        gtsrb.Frame("", f"{track}", label, track)
        for label, found in tracks.items()
        for track in found
    ]
    aside = gtsrb.test_tracks(frames)
    assert aside == gtsrb.test_tracks(frames[::-1] + frames)
    for label, found in tracks.items():
        chosen = {track for k, track in aside if k == label}
        assert chosen <= found
        if len(found) > 1:
            assert 1 <= len(chosen) < len(found)
            assert abs(len(chosen) - len(found) / 5) <= 0.8
        else:
            assert not chosen


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Roi.X1", "left", "GT-00007.csv is no table of Filename;Width"),
        ("00001_00001.ppm;24;20;4;3;19;16;7", "00001_00001.ppm;24;20;4;3", "is no table of"),
        ("00001_00001.ppm;24;20;4", "00001_00001.ppm;24;20;four", "is no table of"),
        ("16;7", "16;8", "class 8 in the folder 00007"),
        ("00001_00001.ppm", "nobody.ppm", "does not list .*00007/00001_00001.ppm"),
        ("4;3;19;16", "4;3;24;16", "00007/0000._0000..ppm cannot be used .*24×20"),
        ("4;3;19;16", "4;9;19;8", "cannot be used"),
        ("4;3;19;16", "-1;3;19;16", "cannot be used"),
    ],
)
def test_damaged_tables_are_named_in_one_line(archive, old, new, message):
    write_zip(archive, table_line(official(), old, new))
    with pytest.raises(DataError, match=message) as caught:
        load_both()
    assert "\n" not in str(caught.value)


def without(files: dict[str, bytes], part: str) -> dict[str, bytes]:
    return {name: content for name, content in files.items() if part not in name}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"cats/1.jpg": b""}, "holds no frames of GTSRB: files like GTSRB/Final_Training"),
        ({f"../{name}": c for name, c in official().items()}, "holds no frames of GTSRB"),
        (without(official(), "/00042/"), "no frame of class 00042"),
        (without(official(), "GT-00005"), "GT-00005.csv"),
        (
            official() | {f"{PREFIX}/00050/00000_00000.ppm": picture(50, 0, "PPM")},
            "00050/00000_00000.ppm lies outside the classes",
        ),
        (
            official() | {"00000/00000_00000.ppm": picture(0, 0, "PPM")},
            "frames that are there twice",
        ),
    ],
)
def test_another_layout_says_what_was_expected(archive, files, message):
    write_zip(archive, files)
    with pytest.raises(DataError, match=message) as caught:
        load()
    assert "\n" not in str(caught.value)


def test_damaged_pictures_and_archives_are_named(archive):
    damaged = f"{PREFIX}/00004/00000_00001.ppm"
    write_zip(archive, official() | {damaged: b"P6 24 20 255 short"})
    with pytest.raises(DataError, match=r"00004/00000_00001\.ppm cannot be used") as caught:
        load_both()
    assert "\n" not in str(caught.value)
    write_zip(archive, official())
    content = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as opened:
        start = opened.getinfo(damaged).header_offset
    content[start + 90 : start + 110] = bytes(20)
    archive.write_bytes(content)
    with pytest.raises(DataError, match=r"00004/00000_00001\.ppm cannot be read"):
        load_both()
    archive.write_bytes(bytes(content[: len(content) // 2]))
    with pytest.raises(DataError, match="truncated or no zip archive"):
        load()


def test_a_zip_bomb_is_not_unpacked(archive, monkeypatch):
    monkeypatch.setattr("acclimate.data.file_trees.LARGEST_FILE", 1000)
    with pytest.raises(DataError, match="claims 1453 bytes"):
        load()


def test_without_any_file(places):
    with pytest.raises(DataError, match="https://sid") as caught:
        load()
    assert str(places / "gtsrb") in str(caught.value)


def test_frames_replaced_by_others_of_their_size_are_read_anew(tmp_path):
    """A .ppm of the same height and width has the same size, whatever it shows."""
    (tmp_path / "0.ppm").write_bytes(picture(1, 0, "PPM"))
    with open_tree(tmp_path) as tree:
        before = tree.fingerprint()
        assert tree.fingerprint() == before
        (tmp_path / "0.ppm").write_bytes(picture(2, 0, "PPM"))
        assert tree.fingerprint() != before
