"""CSV files that list pictures."""

from __future__ import annotations

import csv
import gzip

import pytest
import torch

from acclimate.core.errors import DataError, UnknownNameError
from acclimate.data.sources import open_domain, open_source, open_target, shared_classes
from acclimate.data.specs import is_picture_list, item_folder, resolve
from acclimate.data.splits import split_source

ROWS = [
    ("Art/1.png", "Art", "train", "cup"),
    ("Art/2.png", "Art", "train", "plate"),
    ("Art/10.png", "Art", "valid", "cup"),
    ("Real World/1.png", "Real World", "train", "plate"),
    ("Real World/2.png", "Real World", "valid", "spoon"),
]
HEAD = ("img", "domain", "split", "label")


@pytest.fixture
def write(image_folder):
    """Write a CSV of ``rows`` beside the pictures of ``ROWS``."""
    root = image_folder(*(row[0] for row in ROWS[:3]))
    image_folder(*(row[0] for row in ROWS[3:]), colour=(0, 0, 250))

    def put(rows=ROWS, head=HEAD, name="data_info.csv", **options):
        with open(root / name, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, **options)
            writer.writerow(head)
            writer.writerows(rows)
        return root / name

    return put


def test_a_domain_of_the_table(write):
    path = write()
    art = open_source(f"{path}:Art", size=4)
    assert art.name == "Art"
    assert art.item_names == ("Art/1.png", "Art/2.png", "Art/10.png")
    assert art.class_names == ("cup", "plate")
    assert art.labels.tolist() == [0, 1, 0]
    assert art.store.gather(torch.tensor([0]))[0, 0, 0].tolist() == [200, 30, 60]
    real = open_source(f"{path}:Real World")
    assert (real.class_names, real.labels.tolist()) == (("plate", "spoon"), [0, 1])
    assert item_folder(f"{path}:Art") == path.parent
    assert is_picture_list(f"{path}:Art")
    assert not is_picture_list(path.parent)


def test_a_split_of_a_domain(write):
    path = write()
    assert open_target(f"{path}:Art/train", class_names=("plate", "cup")).labels.tolist() == [1, 0]
    assert open_target(f"{path}:Art/valid", class_names=("plate", "cup")).labels.tolist() == [1]
    without = write([(r[0], r[2], r[3]) for r in ROWS], ("path", "split", "class"), "b.csv")
    assert len(open_source(f"{without}:/train")) == 3
    assert len(open_source(without)) == 5
    assert open_source(without).name == "b"


def test_a_single_domain_need_not_be_named(write):
    assert open_source(write(ROWS[:3])).name == "Art"


def test_a_domain_with_a_slash(write):
    rows = [(file, "a/b", split, label) for file, _, split, label in ROWS]
    path = write(rows)
    assert len(open_source(f"{path}:a/b")) == 5
    assert len(open_source(f"{path}:a/b/train")) == 3


@pytest.mark.parametrize("column", ["img", "image", "path", "file", "filename", "Image", " img "])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_spellings_of_the_table(write, column, delimiter):
    rows = [("0", file, label) for file, _, _, label in ROWS]
    path = write(rows, ("", column, "Label"), delimiter=delimiter)
    assert open_source(path).class_names == ("cup", "plate", "spoon")


def test_packed_with_a_mark_and_slashes_of_windows(write):
    path = write([(r[0].replace("/", "\\"), *r[1:]) for r in ROWS])
    packed = path.with_name("data_info.csv.gz")
    packed.write_bytes(gzip.compress(b"\xef\xbb\xbf" + path.read_bytes()))
    assert open_source(f"{packed}:Art").item_names == ("Art/1.png", "Art/2.png", "Art/10.png")


def test_other_tables_stay_tables(write, tmp_path):
    for name, head, row in (
        ("a.csv", ("image", "label"), ("a picture of a cup", "1")),
        ("b.csv", ("photo", "label"), ("Art/1.png", "1")),
        ("c.csv", ("file", "label"), ("notes.txt", "1")),
        ("d.csv", ("file", "label"), ("", "1")),
    ):
        path = write([row] * 3, head, name)
        assert resolve(path) == path
        with pytest.raises(DataError, match=r"lists no pictures, so that ':Art' chooses nothing"):
            resolve(f"{path}:Art")


def test_a_path_may_be_anywhere_and_twice(write, image_folder):
    elsewhere = image_folder("x.png", name="elsewhere")
    rows = [
        (str(elsewhere / "x.png"), "", "", "cup"),
        ("../elsewhere/x.png", "", "", "plate"),
        ("Art/1.png", "", "", "cup"),
        ("Art/1.png", "", "", "plate"),
    ]
    domain = open_source(write(rows))
    assert domain.labels.tolist() == [0, 1, 0, 1]
    assert len(domain) == 4


def test_the_same_picture_twice_from_the_cache(write, tmp_path, monkeypatch):
    from acclimate.data import picture_cache

    monkeypatch.setattr(picture_cache, "WORTHWHILE", 1)
    cache = picture_cache.PictureCache(tmp_path / "cache", 1 << 20)
    rows = [("Real World/1.png", "", "", "a"), *ROWS, ("Art/1.png", "", "", "b")]
    path = write([(r[0], "", "", r[3]) for r in rows])
    plain, kept = (open_domain(path, size=4, cache=c).store.tensor for c in (None, cache))
    assert torch.equal(plain, kept)
    assert cache.entries()[0].pictures.count == 5


def test_missing_labels(write):
    rows = [*ROWS[:2], ("Art/10.png", "Art", "valid", "")]
    path = write(rows)
    source = open_source(path)
    assert (len(source), source.skipped) == (2, ("Art/10.png: has no class",))
    target = open_target(path, class_names=("cup", "plate"))
    assert (len(target), target.labels) == (3, None)
    assert "2 of 3 pictures" in target.notes[0]
    without = write([row[:1] for row in ROWS], ("img",), "c.csv")
    assert open_target(without, class_names=("a", "b")).class_names == ("a", "b")
    with pytest.raises(DataError, match=r"have no classes; give c\.csv a column 'label'"):
        open_source(without)


def test_shared_classes(write):
    path = write([*ROWS, ("Art/1.png", "Real World", "train", "cup")])
    specs = [f"{path}:Art", f"{path}:Real World"]
    with pytest.raises(
        DataError, match=r"give --classes shared to train on the 2 classes"
    ) as error:
        open_target(specs[1], class_names=("cup", "plate"))
    assert "\n" not in str(error.value)
    shared = shared_classes(specs)
    assert shared == ("cup", "plate")
    target = open_target(specs[1], class_names=shared, only_classes=shared)
    assert target.labels.tolist() == [1, 0]
    assert target.notes == ("1 item of the class 'spoon' is left out",)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("", "has the domains 'Art', 'Real World': say which, for example .*data_info.csv:Art"),
        (":Arts", "no domain 'Arts'; it has 'Art', 'Real World'. Did you mean 'Art'"),
        (":xyz", "no domain 'xyz'; it has 'Art', 'Real World'.$"),
        (":train", "no domain 'train'.*For the split write .*data_info.csv:/train"),
        (":Art/test", "no split 'test'; it has 'train', 'valid'"),
        (":/train", "has the domains 'Art', 'Real World'"),
    ],
)
def test_choices_that_do_not_fit(write, choice, message):
    with pytest.raises(DataError, match=message) as caught:
        open_source(f"{write()}{choice}")
    assert "\n" not in str(caught.value)


def test_a_picture_that_is_gone(write):
    rows = [*ROWS, ("Art/gone.png", "Art", "train", "cup"), ("x.png", "Art", "train", "cup")]
    path = write(rows)
    with pytest.raises(DataError, match=r"line 7: there is no file .*Art/gone\.png \(2 rows"):
        open_source(f"{path}:Art")
    assert len(open_source(f"{path}:Real World")) == 2
    (path.parent / "Real World" / "1.png").write_bytes(b"damaged")
    domain = open_domain(f"{path}:Real World", labels="ignored")
    assert domain.skipped == ("Real World/1.png: not an image, or damaged",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"img,label\nArt/1.png,cup\n,cup\n", "line 3: there is no picture"),
        (b"img,label\nArt/1.png,\xff\n", "not UTF-8"),
    ],
)
def test_tables_that_cannot_be_read(write, content, message):
    path = write()
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        open_source(path)


def test_a_table_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match=r"there is no file .*gone\.csv"):
        open_source(tmp_path / "gone.csv:Art")
    with pytest.raises(UnknownNameError):
        open_source(tmp_path / "gone.csv")


def test_a_picture_listed_twice_is_in_one_part(write, image_folder):
    """Else it is trained on and measured on."""
    names = [f"{number}.png" for number in range(30)]
    image_folder(*names)
    rows = [(name, "", "", "ab"[k % 2]) for k, name in enumerate(names)]
    rows += [(f"./{name}" if k % 3 else name, "", "", "ab"[k % 2]) for k, name in enumerate(names)]
    parts = split_source(open_source(write(rows)), fraction=0.3, seed=0)
    train, validation = (
        {name.removeprefix("./") for name in part.item_names} for part in parts[:2]
    )
    assert len(train | validation) == 30
    assert not train & validation
    assert open_source(write(rows[:30])).groups is None


def test_rows_without_a_domain_are_said_to_be_left_out(write):
    rows = [("Art/1.png", "Art", "", "cup"), ("Art/2.png", "Art", "", "plate")]
    (line,) = open_source(write([*rows, ("Real World/1.png", "", "", "cup")])).skipped
    assert line == "Real World/1.png: line 4 of data_info.csv names no domain"


def test_a_name_too_long_for_a_file_is_one_line(write):
    with pytest.raises(DataError, match="line 3: there is no file") as caught:
        open_source(write([("x" * 5000 + "\n.png", "", "", "cup")]))
    assert len(str(caught.value)) < 500
    assert "\n" not in str(caught.value)
