"""Registered sets of photos whose splits and labels are in lists and tables."""

from __future__ import annotations

from pathlib import Path

import pytest
from photo_trees import found, in_classes, one_line, reference, statuses, write

from acclimate.data import datasets
from acclimate.data.sets import pacs, visda


@pytest.fixture
def write_table(places):
    """Write ``office-home-10/data_info.csv`` as the reference system wrote it, and its pictures."""
    folder = places / "office-home-10"

    def write_it(rows, header=",img,domain,split,label", pictures=True) -> Path:
        folder.mkdir(exist_ok=True)
        lines = [f"{n},./OfficeHome/{n:05d}.jpg,{d},{s},{k}" for n, (d, s, k) in enumerate(rows)]
        (folder / "data_info.csv").write_text("\n".join([header, *lines]) + "\n")
        if pictures:
            write(folder / "OfficeHome", *(f"{n:05d}.jpg" for n in range(len(rows))))
        return folder / "data_info.csv"

    return write_it


DOMAIN_COLUMN = ("Art", "Clipart", "Product", "Real World")


def test_the_ten_classes_follow_the_table(write_table, places):
    rows = [(d, s, k) for d in DOMAIN_COLUMN for k in range(10) for s in ("train", "valid")]
    write_table([*rows, ("Art", "train", 0), ("Art", "train", 3)])
    for position, domain in enumerate(("art", "clipart", "product", "real-world")):
        dataset = datasets.get(f"office-home-10-{domain}")
        for offset, split in enumerate(("train", "test")):
            listing = dataset.list(None, split)
            numbers = [20 * position + 2 * k + offset for k in range(10)]
            pairs = [(f"OfficeHome/{n:05d}.jpg", str(k)) for k, n in enumerate(numbers)]
            if domain == "art" and split == "train":
                pairs += [("OfficeHome/00080.jpg", "0"), ("OfficeHome/00081.jpg", "3")]
            assert found(listing) == sorted(pairs)
            assert list(listing.labels) == sorted(listing.labels)
            assert listing.root == places / "office-home-10"
    assert len(datasets.get("office-home-10-art").load(size=8)) == 12
    assert statuses("office-home-10-art") == {
        "office-home-10/data_info.csv": "ok",
        "train split": "different",
        "test split": "different",
    }


def test_bad_tables_are_one_line(write_table):
    load = datasets.get("office-home-10-art").list
    path = write_table([("Art", "train", 0), ("Art", "train", 10)])
    one_line(load, str(path), "'10' in line 3")
    write_table([("Clipart", "train", 0)])
    one_line(load, "no row of the domain art and the split 'train'")
    write_table([("Art", "train", 0)], header=",img,domain,part,label")
    one_line(load, "no column 'split'")
    path.write_text("img,domain,split,label\n../../secret.jpg,Art,train,0\n")
    one_line(load, "'../../secret.jpg'", "outside")
    path.write_text("img,domain,split,label\n/etc/secret.jpg,Art,train,0\n")
    one_line(load, "'/etc/secret.jpg'", "outside")
    path.write_text("")
    one_line(load, "no column 'img', 'domain', 'split', 'label'")


def test_pictures_of_the_table_that_are_gone_are_named(write_table, places):
    write_table([("Art", "train", k) for k in range(6)], pictures=False)
    write(places / "office-home-10/OfficeHome", "00000.jpg")
    one_line(
        datasets.get("office-home-10-art").list,
        "lacks 5 of 6 listed pictures: 'OfficeHome/00001.jpg'",
        "(5 pictures)",
    )
    assert statuses("office-home-10-art")["train split"] == "damaged"


@pytest.fixture
def write_pacs(places):
    """A domain of PACS: three pictures of each class, the third in the list for validation."""

    def write_it(pictures="pacs/kfold", lists=f"pacs/{pacs.LISTS_FOLDER}", domain="art_painting"):
        in_classes(places / pictures / domain, pacs.CLASS_NAMES, 3, "pic_{:03d}.jpg")
        if lists is None:
            return
        (places / lists).mkdir(parents=True, exist_ok=True)
        names = {"train": (1, 2), "crossval": (3,), "test": (1, 2, 3)}
        for kind, numbers in names.items():
            lines = [
                f"{domain}/{name}/pic_{n:03d}.jpg {k}"
                for k, name in enumerate(pacs.CLASS_NAMES, start=1)
                for n in numbers
            ]
            path = places / lists / f"{domain}_{kind}_kfold.txt"
            path.write_text("\n".join(reversed(lines)) + "\n")

    return write_it


@pytest.mark.parametrize(
    ("pictures", "lists"),
    [
        ("pacs/kfold", f"pacs/{pacs.LISTS_FOLDER}"),
        ("PACS/raw_images/kfold", f"PACS/raw_images/{pacs.LISTS_FOLDER}"),
        ("PACS", "PACS"),
        ("pacs/images", "pacs/splits"),
    ],
)
def test_pacs_splits(write_pacs, places, pictures, lists):
    write_pacs(pictures, lists)
    dataset = datasets.get("pacs-art-painting")
    parts = {split: found(dataset.list(None, split)) for split in dataset.splits}
    assert parts["all"] == reference(places / pictures / "art_painting")
    assert sorted(parts["train"] + parts["validation"]) == parts["all"]
    assert [path[-7:] for path, _ in parts["validation"]] == ["003.jpg"] * 7
    # labels of the lists count from 1
    assert {path.split("/")[0] for path, _ in parts["train"]} == set(pacs.CLASS_NAMES)
    assert all(path.split("/")[0] == name for path, name in parts["train"])
    assert set(statuses("pacs-art-painting").values()) == {"ok", "different"}


def test_pacs_without_lists_has_all_pictures_and_no_splits(write_pacs):
    write_pacs(lists=None)
    dataset = datasets.get("pacs-art-painting")
    assert [dataset.is_available(split) for split in dataset.splits] == [False, False, True]
    assert len(dataset.load(split="all", size=8)) == 21
    one_line(dataset.list, "art_painting_train_kfold.txt", pacs.LISTS_FOLDER)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("photo/dog/pic_001.jpg 0\n", "line 1 is 'photo/dog/pic_001.jpg 0'"),
        ("photo/dog/pic_001.jpg 1\nphoto/dog/pic_002.jpg 8\n", "line 2"),
        ("photo/dog/pic_001.jpg\n", "a label from 1 to 7"),
        ("sketch/dog/pic_001.jpg 1\n", "no picture of photo"),
        ("photo/dog/pic_001.jpg 1\nphoto/dog/gone.jpg 1\n", "lacks 1 of 2 listed pictures"),
        ("photo/../../x.jpg 1\n", "outside"),
        ("\n", "is empty"),
    ],
)
def test_pacs_lists_that_are_wrong(write_pacs, places, text, message):
    write_pacs(domain="photo")
    (places / "pacs" / pacs.LISTS_FOLDER / "photo_train_kfold.txt").write_text(text)
    one_line(datasets.get("pacs-photo").list, message)


@pytest.mark.parametrize("base", ["visda-2017", "VisDA", "visda17/clf"])
def test_visda_lists(places, base):
    root = in_classes(places / base / "train", visda.CLASS_NAMES, 2, "src_{}_a b.jpg")
    write(root, "bus/not listed.jpg")
    lines = [
        f"{name}/src_{n}_a b.jpg {k}" for k, name in enumerate(visda.CLASS_NAMES) for n in (2, 1)
    ]
    (root / "image_list.txt").write_text("\n".join(reversed(lines)))
    listing = datasets.get("visda-train").list()
    assert found(listing) == [pair for pair in reference(root) if "not listed" not in pair[0]]
    assert listing.labels == tuple(k for k in range(12) for _ in range(2))


def test_visda_test_needs_the_list_with_labels(places):
    dataset = datasets.get("visda-test")
    names = [f"trunk{k:02d}/{k}.jpg" for k in range(12)]
    root = write(places / "visda-2017" / "test", *names)
    one_line(dataset.list, "image_list.txt is not below", "raw/master/classification/data")
    assert statuses("visda-test") == {
        "visda-2017/test": "ok",
        "visda-2017/image_list.txt": "missing",
    }
    (root / "image_list.txt").write_text("\n".join(names))
    one_line(dataset.list, "line 1 is 'trunk00/0.jpg'", "a label from 0 to 11")
    labelled = "\n".join(f"{name} {k}" for k, name in reversed(list(enumerate(names))))
    (places / "visda-2017" / "image_list.txt").write_text(labelled)
    listing = dataset.list()
    assert listing.files == tuple(names)
    assert listing.labels == tuple(range(12))
    assert listing.root == root
