"""Registered sets of photos, on small trees in their official layouts."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from photo_trees import found, in_classes, jpeg_bytes, one_line, reference, statuses, write

from acclimate.core.errors import ConfigurationError, UnknownNameError
from acclimate.data import datasets
from acclimate.data.check import check_dataset
from acclimate.data.file_store import open_listing
from acclimate.data.files import FileFinder, RemoteFile, plain_name
from acclimate.data.registry import ANY_SIZE, Dataset
from acclimate.data.sets import office_31, office_caltech_10, office_home, visda

PHOTO_SETS = [
    name for name, dataset in datasets.items() if dataset.listing and dataset.identities is None
]


# what the publications say of their own data
PUBLISHED = {
    "office-31": (31, {"amazon": 2817, "dslr": 498, "webcam": 795}),
    "office-home": (65, {"art": 2427, "clipart": 4365, "product": 4439, "real-world": 4357}),
    "office-home-10": (10, {"art": 260, "clipart": 484, "product": 494, "real-world": 561}),
    "office-caltech-10": (10, {"amazon": 958, "caltech": 1123, "dslr": 157, "webcam": 295}),
    "pacs": (7, {"photo": 1670, "art-painting": 2048, "cartoon": 2344, "sketch": 3929}),
    "visda": (12, {"train": 152397, "validation": 55388, "test": 72372}),
}


def test_every_published_domain_is_registered_with_its_numbers():
    expected = {f"{group}-{d}" for group, (_, counts) in PUBLISHED.items() for d in counts}
    assert set(PHOTO_SETS) == expected
    for group, (classes, counts) in PUBLISHED.items():
        for domain, count in counts.items():
            dataset = datasets.get(f"{group}-{domain}")
            assert len(set(dataset.class_names)) == classes
            assert set(dataset.counts) == set(dataset.splits)
            if "all" in dataset.splits:
                assert dataset.counts["all"] == count
                assert dataset.counts["train"] + dataset.counts["validation"] == count
            else:
                assert sum(dataset.counts.values()) == count
    # 4,110 pictures, 15,588 pictures, 9,991 pictures: the totals of the papers
    totals = [sum(PUBLISHED[g][1].values()) for g in ("office-31", "office-home", "pacs")]
    assert totals == [4110, 15588, 9991]


@pytest.mark.parametrize("name", PHOTO_SETS)
def test_facts_of_photo_sets(name, places):
    dataset = datasets.get(name)
    assert dataset.input_shape == ANY_SIZE
    assert dataset.shape_text == "3, any size"
    assert dataset.address.startswith("https://")
    assert dataset.transductive == ("test" not in dataset.splits)
    assert dataset.whole_split == ("all" if name.startswith("pacs") else "train")
    assert not any(dataset.is_available(split) for split in dataset.splits)
    for split in dataset.splits:
        call = lambda split=split: dataset.list(None, split, download=False)  # noqa: E731
        text = one_line(call, str(places), "https://" if "visda" not in name else "http")
        assert " so that there is " in text
    assert {finding.status for finding in check_dataset(name)} == {"missing"}


def test_either_read_or_listed():
    with pytest.raises(ValueError, match="'read' or 'listing'"):
        Dataset(
            name="x",
            description="x",
            licence="x",
            class_names=("a", "b"),
            input_shape=ANY_SIZE,
            splits=("train",),
        )
    with pytest.raises(ConfigurationError, match="no files to list"):
        datasets.get("moons").list()
    with pytest.raises(ConfigurationError, match="size is for pictures of any size"):
        datasets.get("digits").load(size=32)
    with pytest.raises(UnknownNameError, match="Did you mean 'train'"):
        datasets.get("office-31-dslr").list(None, "trian")
    assert datasets.get("moons").shape_text == "vectors of 2"
    assert datasets.get("digits").shape_text == "1×28×28"


@pytest.mark.parametrize(
    ("name", "folder", "class_names"),
    [
        ("office-31-dslr", "office-31/dslr/images", office_31.CLASS_NAMES),
        ("office-31-amazon", "office31/amazon/images", office_31.CLASS_NAMES),
        (
            "office-31-webcam",
            "Office-31/domain_adaptation_images/webcam/images",
            office_31.CLASS_NAMES,
        ),
        ("office-31-webcam", "office_31/webcam", office_31.CLASS_NAMES),
        ("office-caltech-10-caltech", "office_caltech10/caltech", office_caltech_10.CLASS_NAMES),
        ("office-caltech-10-dslr", "Office-Caltech/dslr", office_caltech_10.CLASS_NAMES),
        ("office-home-art", "OfficeHomeDataset_10072016/Art", office_home.CLASS_NAMES),
        ("office-home-product", "office-home/Product", office_home.CLASS_NAMES),
        ("office-home-real-world", "OfficeHome/Real World", office_home.CLASS_NAMES),
        ("office-home-real-world", "office-home/RealWorld", office_home.CLASS_NAMES),
        ("office-home-real-world", "office_home/Real_World", office_home.CLASS_NAMES),
        ("office-home-real-world", "officehome/real", office_home.CLASS_NAMES),
        ("visda-validation", "visda-2017/validation", visda.CLASS_NAMES),
    ],
)
def test_class_folders_as_torchvision_lists_them(places, name, folder, class_names):
    root = in_classes(places / folder, class_names)
    dataset = datasets.get(name)
    listing = dataset.list()
    assert listing.root == root
    assert found(listing) == reference(root)
    assert listing.class_names == class_names
    assert listing.labels == tuple(k for k in range(len(class_names)) for _ in range(2))
    assert listing.skipped == ()
    assert statuses(name) == {_shown(name): "ok", "train split": "different"}


def _shown(name):
    return datasets.get(name).inspect(verify=False)[0].what


def test_loading_gives_squares_and_the_registered_name(places):
    in_classes(places / "office-31/dslr/images", office_31.CLASS_NAMES, per_class=1)
    dataset = datasets.get("office-31-dslr")
    domain = dataset.load(size=48)
    assert domain.store.shape == (31, 48, 48, 3)
    assert domain.name == "office-31-dslr"
    assert domain.class_names == office_31.CLASS_NAMES
    assert domain.labels.tolist() == list(range(31))
    assert domain.item_names[0] == "back_pack/frame_0001.jpg"
    assert dataset.load().store.shape == (31, 256, 256, 3)
    # what whoever shares a cache of pictures does instead
    opened = open_listing(dataset.list(), size=48, channels=3)
    assert np.array_equal(opened.store.tensor, domain.store.tensor)


def test_numbers_of_frames_are_in_natural_order(places):
    root = in_classes(places / "office-31/dslr/images", office_31.CLASS_NAMES, per_class=1)
    write(root, "back_pack/frame_10.jpg", "back_pack/frame_9.jpg")
    files = datasets.get("office-31-dslr").list().files
    assert files[:3] == tuple(f"back_pack/frame_{n}.jpg" for n in ("0001", "9", "10"))


def test_what_is_no_picture_of_a_class_is_left_out_and_said(places):
    root = in_classes(places / "office-home/Art", office_home.CLASS_NAMES)
    write(root, "loose.jpg", "Extra/1.jpg", "Extra/2.jpg", "__MACOSX/Bed/1.jpg", "Bed/.hidden.jpg")
    for name in ("Bed/notes.txt", "Bed/Thumbs.db", "Bed/photo.heic", "imagelist.txt"):
        (root / name).write_text("x")
    (root / "Fan" / "frame_0002.jpg").write_bytes(b"no picture")
    listing = datasets.get("office-home-art").list()
    assert len(listing.files) == 130
    assert listing.skipped == (
        "Bed/photo.heic: the format .heic is not supported",
        "loose.jpg: lies beside the class folders and has no class",
        "Extra: 2 pictures in a folder that is none of the classes",
    )
    domain = datasets.get("office-home-art").load(size=16)
    assert len(domain) == 129
    assert domain.skipped[0] == "Fan/frame_0002.jpg: not an image, or damaged"
    (split,) = [f for f in check_dataset("office-home-art") if f.what == "train split"]
    assert split.status == "different"
    assert "129 items of 2427 published; Alarm_Clock: 2, " in split.detail
    assert "left out: Fan/frame_0002.jpg: not an image" in split.detail


def test_spelling_of_classes_is_free_and_their_order_is_not(places):
    spelled = [name.replace("_", " ").lower() for name in reversed(office_home.CLASS_NAMES)]
    in_classes(places / "office-home/CLIPART", spelled)
    listing = datasets.get("office-home-clipart").list()
    assert listing.class_names == office_home.CLASS_NAMES
    folders = [path.split("/")[0] for path in listing.files[::2]]
    assert [plain_name(f) for f in folders] == [plain_name(c) for c in office_home.CLASS_NAMES]
    assert folders[0] == "alarm clock"


def test_a_count_as_published_is_ok(places, monkeypatch):
    in_classes(places / "office_caltech10/dslr", office_caltech_10.CLASS_NAMES)
    monkeypatch.setitem(datasets.get("office-caltech-10-dslr").counts, "train", 20)
    (split,) = [f for f in check_dataset("office-caltech-10-dslr") if f.what == "train split"]
    assert split.status == "ok"
    assert split.detail.startswith("20 items, as published; backpack: 2, bike: 2, ")


def test_incomplete_and_ambiguous_folders_are_one_line(places):
    load = datasets.get("office-31-dslr").list
    root = in_classes(places / "office-31/dslr/images", office_31.CLASS_NAMES[:-2])
    (root / "tape_dispenser").mkdir()
    one_line(load, str(root), "no pictures of 'tape_dispenser', 'trash_can'", "unpack")
    assert statuses("office-31-dslr")["train split"] == "damaged"
    in_classes(root, office_31.CLASS_NAMES[-2:])
    write(root, "Trash Can/1.jpg")
    one_line(load, "two folders of the class 'trash_can'", "remove one")
    in_classes(places / "office31/dslr/images", office_31.CLASS_NAMES)
    one_line(load, "'office-31' and 'office31'", "remove or rename")
    # the listing of all sets goes on
    assert statuses("office-31-dslr")["office-31/dslr/images"] == "damaged"


def test_other_peoples_folders_do_not_disturb(places):
    """Names that are alike are an error only where one of them is asked for."""
    for name in ("mnist_m", "mnist-m", "MNIST M"):
        (places / name).mkdir()
    (places / "office-31").write_text("a file")
    assert not datasets.get("office-31-dslr").is_available()
    assert FileFinder().find_spelled((("pacs",), (".", "kfold"))) is None


@pytest.fixture
def write_archive(places, monkeypatch):
    """Write ``office-31/office31.tar.gz`` and take its checksum for the published one."""

    def write_it(*extra: tuple[str, bytes]) -> Path:
        path = places / "office-31" / "office31.tar.gz"
        path.parent.mkdir(exist_ok=True)
        content = [
            (f"office31/{domain}/images/{c}/frame_0001.jpg", jpeg_bytes())
            for domain in office_31.COUNTS
            for c in office_31.CLASS_NAMES
        ]
        with tarfile.open(path, "w:gz") as archive:
            for name, raw in (*content, *extra):
                member = tarfile.TarInfo(name)
                member.size = len(raw)
                archive.addfile(member, io.BytesIO(raw))
        return path

    return write_it


def test_office_31_is_unpacked_once_into_the_cache(write_archive, tmp_path):
    path = write_archive(("office31/amazon_train.txt", b"a list"))
    dataset = datasets.get("office-31-amazon")
    assert dataset.is_available()
    assert dataset.inspect()[0].status == "different"  # not the published checksum
    listing = dataset.list(download=False)
    folder = tmp_path / "cache" / "office-31" / "unpacked"
    assert listing.root == folder / "office31" / "amazon" / "images"
    assert len(listing.files) == 31
    assert not list(folder.rglob("*.txt"))
    path.unlink()
    assert datasets.get("office-31-webcam").list(download=False).root.is_relative_to(folder)
    assert not [p for p in folder.parent.iterdir() if p.name.startswith(".unpacked.")]


def test_damaged_and_malicious_archives(write_archive, tmp_path):
    folder = tmp_path / "cache" / "office-31"
    path = write_archive(("../outside.jpg", jpeg_bytes()))
    load = lambda: datasets.get("office-31-amazon").list(download=False)  # noqa: E731
    one_line(load, str(path), "damaged")
    path = write_archive()
    path.write_bytes(path.read_bytes()[:-3000])
    one_line(load, str(path), "truncated or damaged", "fetch it again")
    assert not list(tmp_path.rglob("outside.jpg"))
    assert [p.name for p in folder.iterdir()] == ["unpacked.lock"]


def test_office_31_is_fetched(write_archive, places, tmp_path, monkeypatch):
    path = write_archive()
    asked = []

    def obtain(_finder, remote):
        asked.append(remote)
        return path.rename(tmp_path / remote.filename)

    monkeypatch.setattr(FileFinder, "obtain", obtain)
    path = path.rename(places / "elsewhere.tar.gz")
    one_line(lambda: datasets.get("office-31-dslr").list(download=False), "office-31/dslr/images")
    assert asked == []
    assert len(datasets.get("office-31-dslr").list().files) == 31
    assert asked == [office_31.ARCHIVE]
    assert isinstance(office_31.ARCHIVE, RemoteFile)


def test_the_cache_is_searched_too(places, tmp_path):
    in_classes(tmp_path / "cache" / "office_caltech10/webcam", office_caltech_10.CLASS_NAMES)
    assert datasets.get("office-caltech-10-webcam").is_available()
    elsewhere = in_classes(
        tmp_path / "mine" / "office_caltech10/webcam", office_caltech_10.CLASS_NAMES, 1
    )
    listing = datasets.get("office-caltech-10-webcam").list(tmp_path / "mine")
    assert listing.root == elsewhere
