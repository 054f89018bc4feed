"""From what a user writes to people: names, folders of cameras, tables, plain pictures."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from people_trees import write_market, write_people, write_viper
from PIL import Image

from acclimate.core.errors import AcclimateError, ConfigurationError, DataError, UnknownNameError
from acclimate.core.types import GALLERY, PROBE
from acclimate.data import picture_cache
from acclimate.data.decoded_pictures import MemoryMappedStore
from acclimate.data.file_store import FileStore
from acclimate.data.people import has_people_test, open_people, people_protocol
from acclimate.data.picture_cache import PictureCache
from acclimate.data.registry import IdentityProtocol

ROOT = Path(os.environ.get("ACCLIMATE_DATA", "no data here"))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ACCLIMATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ACCLIMATE_DATA", raising=False)


@pytest.fixture
def market_names(tmp_path):
    names = [f"{k:04}_c{c}s1_{k:06}_00.jpg" for k in (3, 12, 7) for c in (1, 4)]
    return write_people(tmp_path / "street", *names, "more/0003_c2_1.png")


@pytest.fixture
def cameras(tmp_path):
    return write_people(
        tmp_path / "station",
        *("cam_a/0001_45.png", "cam_a/0002.png", "cam_a/0009.png"),
        *("cam_b/person_0002.png", "cam_b/0001/1.png", "cam_b/0001/2.png"),
    )


@pytest.fixture
def write_table(tmp_path, market_names):
    def write(*lines: str, name: str = "people.csv") -> Path:
        path = tmp_path / "street" / name
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write


def refused(kind: type[AcclimateError], call, *words: str) -> None:
    with pytest.raises(kind) as caught:
        call()
    text = str(caught.value)
    assert "\n" not in text
    for word in words:
        assert word in text, text


def named(domain):
    """Name → identity."""
    return {
        name: domain.class_names[label]
        for name, label in zip(domain.item_names, domain.labels.tolist(), strict=True)
    }


def test_names_as_market_has_them(market_names):
    domain = open_people(str(market_names), labels="required")
    assert domain.name == "street"
    assert domain.store.shape == (7, 128, 48, 3)
    assert domain.class_names == ("0003", "0007", "0012")
    assert named(domain)["more/0003_c2_1.png"] == "0003"
    assert torch.equal(domain.groups, domain.labels)
    cameras = dict(zip(domain.item_names, domain.cameras.tolist(), strict=True))
    assert cameras["0012_c4s1_000012_00.jpg"] == 4
    assert domain.roles is None
    assert domain.notes == domain.skipped == ()


def test_folders_of_cameras(cameras):
    domain = open_people(cameras, size=(16, 6), channels=1)
    assert domain.store.shape == (6, 16, 6, 1)
    assert named(domain)["cam_b/0001/2.png"] == named(domain)["cam_a/0001_45.png"] == "0001"
    assert domain.cameras.tolist() == [0, 0, 0, 1, 1, 1]


def test_plain_pictures(tmp_path):
    root = write_people(tmp_path / "plain", *(f"IMG_{k}.png" for k in range(3)))
    domain = open_people(root)
    assert domain.labels is domain.groups is domain.cameras is domain.roles is None
    assert domain.class_names == ()
    refused(
        DataError, lambda: open_people(root, labels="required"),
        "no file name says whose picture it is, like IMG_0.png", "cam_a/0002.jpg", "CSV",
    )  # fmt: skip


def test_labels_are_ignored_and_cameras_are_not(market_names, cameras, tmp_path):
    for root in (market_names, cameras):
        known, bare = open_people(root), open_people(root, labels="ignored")
        assert bare.labels is bare.groups is None
        assert bare.class_names == ()
        assert torch.equal(bare.cameras, known.cameras)
        assert bare.item_names == known.item_names
    write_people(market_names, "other.png")
    refused(DataError, lambda: open_people(market_names), "street/other.png", "7 of 8", "0002_c1s1")
    assert open_people(market_names, labels="ignored").cameras is None
    write_people(cameras, "0001.png")
    refused(DataError, lambda: open_people(cameras), "station/0001.png", "cam_a/0002.jpg")


def test_a_layout_with_probes_and_gallery(tmp_path):
    root = write_market(tmp_path / "mall", people=8)
    assert has_people_test(root)
    assert people_protocol(root) is None
    train, test = open_people(root), open_people(root, split="test")
    assert train.name == test.name == "mall"
    assert not set(train.class_names) & set(test.class_names)
    assert train.roles is None
    assert test.roles.bincount().tolist() == [0, 4, 9]
    assert "nobody in particular" in test.notes[0]
    refused(UnknownNameError, lambda: open_people(root, split="tset"), "'test'")
    assert open_people(root, split="test", labels="ignored").roles is not None


def test_a_folder_is_never_all_of_a_kind_by_accident(tmp_path):
    root = write_people(tmp_path / "one", "0001_c1.png", "0001_c1_2.png", "0002_c1.png")
    refused(DataError, lambda: open_people(root), "everybody is seen by one camera only (1 in all)")
    assert open_people(root, labels="ignored").cameras.tolist() == [1, 1, 1]
    other = write_people(tmp_path / "two", "cam_a/1.png", "cam_b/2.png")
    refused(DataError, lambda: open_people(other), "one camera only (2 in all)")


def test_registered_sets(tmp_path, monkeypatch):
    monkeypatch.setenv("ACCLIMATE_DATA", str(tmp_path))
    write_viper(tmp_path, people=4)
    domain = open_people("viper")
    assert (domain.name, len(domain)) == ("viper", 8)
    assert people_protocol("viper") == IdentityProtocol(316, 0, 1)
    assert not has_people_test("viper")
    assert has_people_test("market-1501")
    refused(UnknownNameError, lambda: open_people("viper", split="test"), "viper", "all")
    refused(ConfigurationError, lambda: open_people("digits"), "digits has classes", "prid2011")
    refused(UnknownNameError, lambda: open_people("vipper"), "viper")
    refused(ConfigurationError, lambda: open_people("viper", size=(0, 4)), "size 0 is not positive")
    refused(ConfigurationError, lambda: open_people("viper", size=(4, 0)), "width 0")
    refused(ConfigurationError, lambda: open_people("viper", channels=2), "channels 2")


@pytest.mark.parametrize(
    ("head", "mark"),
    [("path,identity,camera", ","), ("Image;PID;camid", ";"), ("file\tperson\tcam", "\t")],
)
def test_tables(write_table, head, mark):
    rows = [
        ("0012_c1s1_000012_00.jpg", "ann", "door"),
        ("0003_c1s1_000003_00.jpg", "bob", "gate"),
        ("more/0003_c2_1.png", "ann", "gate"),
    ]
    table = write_table(head, *(mark.join(row) for row in rows), "")
    domain = open_people(table, labels="required")
    assert domain.name == "people"
    # the table says it, not the names; its order is kept
    assert named(domain) == {row[0]: row[1] for row in rows}
    assert domain.item_names == tuple(row[0] for row in rows)
    assert domain.cameras.tolist() == [0, 1, 1]
    assert not has_people_test(table)
    bare = open_people(table, labels="ignored")
    assert bare.labels is None
    assert bare.cameras.tolist() == [0, 1, 1]


def test_tables_with_a_test(write_table):
    table = write_table(
        "path,identity,camera,split",
        "0003_c1s1_000003_00.jpg,a,north,train",
        "0003_c4s1_000003_00.jpg,a,west,train",
        "0012_c4s1_000012_00.jpg,b,west,Query",
        "0012_c1s1_000012_00.jpg,b,east,gallery",
        "0007_c1s1_000007_00.jpg,-1,east,gallery",
    )
    assert has_people_test(table)
    train, test = open_people(table), open_people(table, split="test")
    assert train.class_names == ("a",)
    assert train.roles is None
    # east, north, west: one number for a camera in both
    assert train.cameras.tolist() == [1, 2]
    assert test.cameras.tolist() == [2, 0]
    assert test.roles.tolist() == [PROBE, GALLERY]
    assert "nobody in particular" in test.notes[0]
    lines = table.read_text().splitlines()
    write_table(*(line for line in lines if "gallery" not in line))
    refused(DataError, lambda: open_people(table, split="test"), "the test has no gallery")
    write_table(*(line for line in lines if "Query" not in line))
    refused(DataError, lambda: open_people(table, split="test"), "no probes (query)")
    write_table(*(line for line in lines if "train" not in line))
    refused(DataError, lambda: open_people(table), "no rows of train")


def test_tables_without_identities_or_cameras(write_table):
    names = ["0003_c1s1_000003_00.jpg", "0003_c4s1_000003_00.jpg"]
    domain = open_people(write_table("path", *names))
    assert domain.labels is domain.cameras is None
    domain = open_people(write_table("path,id", *(f"{name},7" for name in names)))
    assert domain.labels.tolist() == [0, 0]
    assert domain.cameras is None
    alone = write_table("path,id", *(f"{name},{k}" for k, name in enumerate(names)))
    refused(DataError, lambda: open_people(alone), "everybody is on a single picture")
    refused(
        DataError, lambda: open_people(write_table("path", *names), labels="required"),
        "does not say who is on its pictures",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["path,identity", "0003_c1s1_000003_00.jpg,1", "gone.jpg,1"], ["line 3", "gone.jpg"]),
        (["path,identity", "0003_c1s1_000003_00.jpg,", "0003_c4s1_000003_00.jpg,1"],
         ["line 2: there is no identity", "1 rows lack it"]),
        (["path,identity,camera", "0003_c1s1_000003_00.jpg,1,a", "0003_c4s1_000003_00.jpg,1,"],
         ["line 3: there is no camera"]),
        (["path,identity,split", "0003_c1s1_000003_00.jpg,1,valid"],
         ["line 2", "'valid'", "'query'"]),
        (["path,identity", "0003_c1s1_000003_00.jpg,1", "0003_c1s1_000003_00.jpg,2"],
         ["line 3", "line 2 already"]),
        (["path,identity", ",1", "0003_c1s1_000003_00.jpg,1"], ["line 2", "no picture"]),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_table_is_one_line(write_table, lines, words):
    table = write_table(*lines)
    refused(DataError, lambda: open_people(table), str(table), *words)


def test_what_is_no_list_of_people(write_table, tmp_path):
    table = write_table("path,identity", "0003_c1s1_000003_00.jpg,1")
    refused(ConfigurationError, lambda: open_people(f"{table}:/train"), "chooses nothing", "column")
    numbers = write_table("a,b", "1,2", name="numbers.csv")
    refused(ConfigurationError, lambda: open_people(numbers), "path,identity,camera")
    (tmp_path / "empty").mkdir()
    refused(DataError, lambda: open_people(tmp_path / "empty"), "holds no images")


@pytest.mark.parametrize(
    ("width", "height", "noted"),
    [(48, 128, False), (64, 128, False), (128, 128, True), (25, 128, False), (18, 200, True)],
)
def test_a_note_on_pictures_of_another_shape(tmp_path, width, height, noted):
    names = [f"000{k}_c{c}.png" for k in (1, 2) for c in (1, 2)]
    root = write_people(tmp_path / "shapes", *names, width=width, height=height)
    notes = open_people(root).notes
    assert bool(notes) == noted == (not 0.5 <= width / height / (48 / 128) <= 2)
    if noted:
        (note,) = notes
        wide = round(128 * width / height)
        assert f"--size 128 --width {wide} keeps" in note
        assert open_people(root, size=(128, wide)).notes == ()
    # one or two of another shape are no reason for a note
    Image.new("RGB", (500, 20)).save(root / "0001_c1_odd.png")
    assert bool(open_people(root).notes) == noted


def test_damaged_pictures_take_a_person_out_and_no_more(market_names):
    for camera in (1, 4):
        (market_names / f"0007_c{camera}s1_000007_00.jpg").write_bytes(b"damaged")
    domain = open_people(market_names)
    assert domain.class_names == ("0003", "0012")
    assert set(named(domain).values()) == {"0003", "0012"}
    assert len(domain.skipped) == 2


def test_the_cache_and_pictures_read_from_it(market_names, tmp_path, monkeypatch):
    monkeypatch.setattr(picture_cache, "WORTHWHILE", 1)
    fresh = open_people(market_names, cache=None)
    every = torch.arange(len(fresh))
    for cache in ("default", PictureCache(tmp_path / "mine", 1 << 30)):
        kept = open_people(market_names, cache=cache, resident_limit=0)
        assert isinstance(kept.store, MemoryMappedStore)
        assert torch.equal(kept.store.gather(every), fresh.store.tensor)
        assert torch.equal(kept.labels, fresh.labels)
    assert len(PictureCache(tmp_path / "cache" / "pictures", 1 << 30).entries()) == 1
    assert isinstance(open_people(market_names, cache=None, resident_limit=0).store, FileStore)


@pytest.mark.skipif(not (ROOT / "reid").exists(), reason="ACCLIMATE_DATA has no reid")
def test_the_real_sets(monkeypatch):
    monkeypatch.setenv("ACCLIMATE_DATA", str(ROOT))
    viper = open_people("viper", size=(16, 6), cache=None)
    assert viper.labels.bincount().tolist() == [2] * 632
    assert viper.cameras.bincount().tolist() == [632, 632]
    prid = open_people("prid2011", size=(16, 6), cache=None)
    assert prid.cameras.bincount().tolist() == [385, 749]
    assert len(prid.class_names) == 385 + 749 - 200
    assert viper.skipped == prid.skipped == viper.notes == prid.notes == ()
