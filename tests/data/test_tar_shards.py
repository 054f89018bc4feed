"""Pictures in tar archives, as WebDataset and plain tar write them."""

from __future__ import annotations

import io
import json
import pickle
import subprocess
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image

from acclimate.core.errors import DataError, UnknownNameError
from acclimate.data import picture_cache
from acclimate.data.decoded_pictures import MemoryMappedStore
from acclimate.data.file_store import FileStore
from acclimate.data.picture_cache import PictureCache
from acclimate.data.sources import open_source, open_target, shared_classes
from acclimate.data.specs import item_folder


def png(number):
    buffer = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def write_tar(path, members, mode="w"):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def sample(key, label, number=0):
    return {f"{key}.png": png(number), f"{key}.cls": str(label).encode()}


def pixels_of(domain):
    return domain.store.gather(torch.arange(len(domain)))


@pytest.fixture
def shards(tmp_path):
    """Two shards of three pictures; their pictures are those of ``png(0)`` to ``png(5)``."""
    folder = tmp_path / "shards"
    write_tar(folder / "train-000.tar", sample("0", 0, 0) | sample("1", 1, 1) | sample("2", 0, 2))
    write_tar(folder / "train-001.tar", sample("3", 1, 3) | sample("4", 1, 4) | sample("5", 0, 5))
    return folder


def expected_pixels():
    pictures = [np.asarray(Image.open(io.BytesIO(png(number)))) for number in range(6)]
    return torch.from_numpy(np.stack(pictures))


def test_a_pattern_a_folder_and_one_archive(shards):
    pattern = open_source(f"{shards}/train-{{000..001}}.tar", size=6)
    assert torch.equal(pixels_of(pattern), expected_pixels())
    assert pattern.labels.tolist() == [0, 1, 0, 1, 1, 0]
    assert pattern.class_names == ("0", "1")
    assert pattern.name == "train-{000..001}"
    assert pattern.item_names[4] == "train-001.tar/4.png"
    folder = open_source(shards, size=6)
    assert (folder.name, folder.item_names) == ("shards", pattern.item_names)
    assert torch.equal(pixels_of(folder), pixels_of(pattern))
    one = open_source(shards / "train-001.tar", size=6)
    assert (one.name, len(one)) == ("train-001", 3)
    assert torch.equal(pixels_of(one), expected_pixels()[3:])
    assert item_folder(f"{shards}/train-{{000..001}}.tar") == shards.resolve()


def test_classes_txt_names_the_numbers(shards):
    (shards / "classes.txt").write_text("zebra\nape\n")
    domain = open_source(shards)
    assert domain.class_names == ("zebra", "ape")
    assert domain.labels.tolist() == [0, 1, 0, 1, 1, 0]
    target = open_target(shards, class_names=("ape", "zebra"))
    assert target.labels.tolist() == [1, 0, 1, 0, 0, 1]
    (shards / "classes.txt").write_text("zebra\n")
    with pytest.raises(DataError, match=r"the class 1 of 1\.png is out of range"):
        open_source(shards)


@pytest.mark.parametrize("key", ["label", "class", "class_name"])
def test_classes_in_json(tmp_path, key):
    members = {}
    for number, name in enumerate(["cup", "mug", "cup"]):
        members |= {f"{number}.png": png(number)}
        members |= {f"{number}.json": json.dumps({"width": 6, key: name}).encode()}
    domain = open_source(write_tar(tmp_path / "a.tar", members))
    assert domain.class_names == ("cup", "mug")
    assert domain.labels.tolist() == [0, 1, 0]


@pytest.mark.parametrize("above", ["", "./", "photos/", "./photos/today/"])
def test_classes_by_folder(tmp_path, above):
    names = [f"{above}dog/1.png", f"{above}cat/1.png", f"{above}cat/odd name.é.v2.png"]
    path = write_tar(tmp_path / "a.tar", {name: png(0) for name in names})
    for domain in (open_source(path), open_target(path, class_names=("cat", "dog"))):
        assert domain.class_names == ("cat", "dog")
        assert domain.labels.tolist() == [1, 0, 0]


def test_an_archive_made_by_tar_itself(tmp_path, image_folder):
    root = image_folder("cat/1.png", "cat/2.png", "dog/1.png")
    (root / "dog" / "link.png").symlink_to(root / "dog" / "1.png")
    subprocess.run(["tar", "-cf", "photos.tar", "pictures"], cwd=tmp_path, check=True)
    packed, plain = open_source(tmp_path / "photos.tar"), open_source(root)
    assert packed.class_names == plain.class_names
    # tar takes files as the disk has them, and links have no content of their own
    names = [name.removeprefix("photos.tar/pictures/") for name in packed.item_names]
    assert sorted(names) == ["cat/1.png", "cat/2.png", "dog/1.png"]
    places = torch.tensor([plain.item_names.index(name) for name in names])
    assert torch.equal(packed.labels, plain.labels[places])
    assert torch.equal(pixels_of(packed), pixels_of(plain)[places])


@pytest.mark.parametrize(
    "names",
    [
        ["1.png", "2.png"],
        ["day1/1.png", "day2/1.png", "3.png"],
        ["day1/a/1.png", "day2/2.png"],
        ["only/1.png", "only/2.png"],
    ],
)
def test_other_targets_are_plain_pictures(tmp_path, names):
    path = write_tar(tmp_path / "a.tar", {name: png(0) for name in names})
    assert open_target(path, class_names=("cat", "dog")).labels is None


def test_labels_of_some_pictures(tmp_path):
    members = sample("1", "cat") | sample("2", "dog") | {"3.png": png(3), "1.seg.png": png(4)}
    path = write_tar(tmp_path / "a.tar", members)
    source = open_source(path)
    assert len(source) == 2
    assert source.skipped == ("a.tar/3.png: has no class", "a.tar/1.seg.png: has no class")
    target = open_target(path, class_names=("cat", "dog"))
    assert (len(target), target.labels) == (4, None)
    assert target.notes == ("2 of 4 pictures have a class: all are taken without",)
    unlabelled = open_target(path, class_names=("cat", "dog"), unlabelled=True)
    assert (unlabelled.labels, unlabelled.notes) == (None, ())


def test_damaged_hidden_and_unknown_members(tmp_path):
    members = sample("1", "cat") | sample("2", "dog") | sample("3", "dog")
    members |= {"3.png": b"no picture", ".4.png": b"x", "__MACOSX/5.png": b"x", "6.heic": b"x"}
    members |= {"notes.txt": b"x", "notes.json": b"{"}
    domain = open_source(write_tar(tmp_path / "a.tar", members))
    assert domain.item_names == ("a.tar/1.png", "a.tar/2.png")
    assert domain.skipped == (
        "a.tar/3.png: not an image, or damaged",
        "a.tar/6.heic: the format .heic is not supported",
    )


def test_large_shards_are_read_member_by_member(shards):
    domain = open_source(shards, size=6, resident_limit=0, cache=None)
    assert isinstance(domain.store, FileStore)
    sent = pickle.loads(pickle.dumps(domain))
    assert torch.equal(sent.store.gather(torch.tensor([5, 0])), expected_pixels()[[5, 0]])
    (shards / "train-001.tar").write_bytes(b"")
    with pytest.raises(DataError, match=r"train-001\.tar/5\.png cannot be decoded"):
        sent.store.gather(torch.tensor([5]))


def test_shards_are_decoded_once(shards, tmp_path, monkeypatch):
    monkeypatch.setattr(picture_cache, "WORTHWHILE", 1)
    cache = PictureCache(tmp_path / "cache", 1 << 30)
    domain = open_source(shards, size=6, resident_limit=0, cache=cache)
    assert isinstance(domain.store, MemoryMappedStore)
    assert torch.equal(pixels_of(domain), expected_pixels())
    monkeypatch.setattr(picture_cache, "decode", None)
    assert torch.equal(pixels_of(open_source(shards, size=6, cache=cache)), expected_pixels())
    monkeypatch.undo()
    monkeypatch.setattr(picture_cache, "WORTHWHILE", 1)
    write_tar(shards / "train-001.tar", sample("3", 1, 30) | sample("4", 1, 4) | sample("5", 0, 5))
    changed = open_source(shards, size=6, cache=cache)
    assert not torch.equal(pixels_of(changed)[3], expected_pixels()[3])
    assert torch.equal(pixels_of(changed)[[0, 5]], expected_pixels()[[0, 5]])


def test_only_some_classes(shards):
    write_tar(shards / "train-002.tar", sample("6", 2) | sample("7", 3))
    assert shared_classes([shards, shards / "train-002.tar", shards]) == ("2", "3")
    domain = open_source(shards, size=6, only_classes=("1", "2"))
    assert domain.class_names == ("1", "2")
    assert domain.labels.tolist() == [0, 0, 0, 1]
    assert torch.equal(pixels_of(domain)[:3], expected_pixels()[[1, 3, 4]])
    assert domain.notes == ("4 items of the classes '0', '3' are left out",)


def test_a_folder_of_pictures_beside_its_archive_is_a_folder(image_folder):
    root = image_folder("cat/1.png", "dog/1.png")
    write_tar(root / "original.tar", {"1.png": png(0)})
    assert open_source(root).item_names == ("cat/1.png", "dog/1.png")


def cut(path, stop):
    path.write_bytes(path.read_bytes()[:stop])
    return path


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: write_tar(p / "a.tar.gz", {"1.png": png(0)}, "w:gz"), "is compressed"),
        (lambda p: write_tar(p / "a.tar", {"1.png": png(0)}, "w:gz"), "is compressed"),
        (lambda p: write_tar(p / "a.tar", {"1.txt": b"x"}), "holds no images"),
        (lambda p: write_tar(p / "a.tar", {}), "holds no images"),
        (lambda p: write_tar(p / "a.tar", {"1.png": png(0)}), "its pictures have no classes"),
        (
            lambda p: write_tar(p / "a.tar", {f"{d}/c/1.png": png(0) for d in ("train", "test")}),
            "its pictures have no classes",
        ),
        (lambda p: write_tar(p / "a.tar", sample("1", "cat")), "single class, 'cat'"),
        (lambda p: write_tar(p / "a.tar", {"cat/1.png": png(0)}), "single class, 'cat'"),
        (lambda p: write_tar(p / "a.tar", sample("1", "a") | {"1.cls": b"\xff"}), "not UTF-8"),
        (lambda p: write_tar(p / "a.tar", {"1.png": png(0), "1.json": b"{"}), "is no JSON"),
        (
            lambda p: write_tar(p / "a.tar", {"1.png": png(0), "1.json": b'{"label": [1]}'}),
            "neither a name nor a whole number",
        ),
    ],
)
def test_what_is_no_source(tmp_path, make, message):
    with pytest.raises(DataError, match=message) as caught:
        open_source(make(tmp_path))
    assert "\n" not in str(caught.value)
    assert "a.tar" in str(caught.value)


# a member is a header of 512 bytes and its content, filled up to a multiple of them
@pytest.mark.parametrize("stop", [100, 512, 600, 1024, 1030, 1536, 1600, 2560, 3072, 4096])
def test_an_archive_that_is_cut_is_noticed(tmp_path, stop):
    path = write_tar(tmp_path / "a.tar", sample("1", "a", 1) | sample("2", "b", 2))
    assert len(open_source(path)) == 2
    with pytest.raises(DataError, match=r"a\.tar is truncated or no tar archive"):
        open_source(cut(path, stop))


def test_what_is_no_archive(tmp_path):
    (tmp_path / "a.tar").write_bytes(b"x" * 5000)
    with pytest.raises(DataError, match="truncated or no tar archive"):
        open_source(tmp_path / "a.tar")


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("train-{000..003}.tar", r"2 of its 4 files are missing, for example .*train-002\.tar"),
        ("train-{5..1}.tar", r"\{5\.\.1\} does not count upwards"),
        ("train-{0..99999999999}.tar", "or too far"),
    ],
)
def test_patterns_that_do_not_fit(shards, pattern, message):
    with pytest.raises(DataError, match=message):
        open_source(f"{shards}/{pattern}")


def test_a_missing_archive():
    with pytest.raises(UnknownNameError, match="Check the spelling of the path"):
        open_source("gone.tar")


def test_hard_links_have_their_content_and_other_links_are_listed(tmp_path, image_folder):
    root = image_folder("cat/1.png", "cat/2.png", "dog/1.png")
    (root / "dog" / "2.png").hardlink_to(root / "cat" / "2.png")
    (root / "dog" / "link.png").symlink_to(root / "dog" / "1.png")
    subprocess.run(["tar", "-cf", "photos.tar", "pictures"], cwd=tmp_path, check=True)
    packed = open_source(tmp_path / "photos.tar")
    names = [name.removeprefix("photos.tar/pictures/") for name in packed.item_names]
    assert sorted(names) == ["cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png"]
    pixels = pixels_of(packed)
    assert torch.equal(pixels[names.index("cat/2.png")], pixels[names.index("dog/2.png")])
    (line,) = packed.skipped
    assert line.startswith("photos.tar/pictures/dog/link.png: a link to ")


def test_an_empty_line_among_the_names_of_classes_is_refused(shards):
    """Line n names the class n: those behind it would take each other's names."""
    (shards / "classes.txt").write_text("zero\n\ntwo\n")
    with pytest.raises(DataError, match=r"classes\.txt: line 2 is empty"):
        open_source(shards)
    (shards / "classes.txt").write_text("zero\none\n\n\n")
    assert open_source(shards).class_names == ("zero", "one")
