"""Registered sets of people, on pictures of noise in their official layouts."""

from __future__ import annotations

import json
import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from people_trees import write_cuhk01, write_market, write_people, write_prid, write_viper
from photo_trees import one_line
from PIL import Image

from acclimate.core.errors import ConfigurationError
from acclimate.core.types import GALLERY, PROBE
from acclimate.data import datasets
from acclimate.data.check import check_dataset
from acclimate.data.files import FileFinder
from acclimate.data.registry import ANY_SIZE, IdentityProtocol
from acclimate.data.sets import cuhk03, market_1501

SETS = [name for name, dataset in datasets.items() if dataset.identities]


@pytest.fixture(autouse=True)
def _own_folder(places):
    return places


def statuses(name):
    return {finding.what: finding.status for finding in check_dataset(name)}


def test_published_numbers():
    """Pictures and people as the publications count them."""
    protocols = {name: datasets.get(name).identities for name in SETS}
    assert {name: (p.train_identities, p.probe_camera) for name, p in protocols.items()} == {
        "viper": (632 // 2, 0),
        "prid2011": (100, 0),
        "cuhk01": (485, 0),
        "cuhk03": (1467 - 100, 0),
        "market-1501": (None, None),
    }
    counts = {name: dict(datasets.get(name).counts) for name in SETS}
    assert counts == {
        "viper": {"all": 632 * 2},
        "prid2011": {"all": 385 + 749},
        "cuhk01": {"all": 971 * 4},
        "cuhk03": {"all": 14_096},
        # of 19,732 pictures of the gallery 15,913 are of somebody
        "market-1501": {"train": 12_936, "test": 3_368 + 15_913},
    }
    assert market_1501.PUBLISHED["bounding_box_test"] == 19_732


@pytest.mark.parametrize("name", SETS)
def test_facts(name, places):
    dataset = datasets.get(name)
    assert dataset.input_shape == ANY_SIZE
    assert dataset.class_names == ()
    assert not dataset.transductive
    assert not dataset.remote_files  # photos of people are asked for, not fetched
    assert not any(dataset.is_available(split) for split in dataset.splits)
    for split in dataset.splits:
        call = lambda split=split: dataset.list(None, split)  # noqa: E731
        one_line(call, str(places), "https://", " so that there is ")
    assert set(statuses(name).values()) == {"missing"}


@pytest.mark.parametrize("folder", ["", "reid"])
def test_viper(places, folder):
    write_viper(places / folder, people=40)
    domain = datasets.get("viper").load(split="all")
    assert domain.store.shape == (80, 128, 48, 3)
    assert domain.item_names[:2] == ("cam_a/000_45.bmp", "cam_a/003_45.bmp")
    assert domain.item_names[40] == "cam_b/000_90.bmp"
    assert domain.cameras.tolist() == [0] * 40 + [1] * 40
    assert torch.equal(domain.labels[:40], domain.labels[40:])
    assert torch.equal(domain.groups, domain.labels)
    assert domain.class_names == tuple(f"{3 * k:03}" for k in range(40))
    assert datasets.get("viper").identities == IdentityProtocol(316, 0, 1)
    assert statuses("viper") == {"viper/cam_a": "ok", "all split": "different"}
    assert datasets.get("viper").load(split="all", size=32).store.shape == (80, 32, 32, 3)
    assert datasets.get("viper").load(split="all", size=32, width=8).store.shape[1:3] == (32, 8)


def test_prid_2011_shares_the_first_two_hundred(places):
    write_prid(places, 205, 230)
    domain = datasets.get("prid2011").load(split="all", size=8)
    assert len(domain) == 435
    assert len(domain.class_names) == 200 + 5 + 30
    seen = torch.stack([domain.labels, domain.cameras]).T.unique(dim=0)[:, 0].bincount()
    assert (seen == 2).sum() == 200
    names = dict(zip(domain.item_names, domain.labels.tolist(), strict=True))
    assert names["cam_a/person_0200.png"] == names["cam_b/person_0200.png"]
    assert names["cam_a/person_0201.png"] != names["cam_b/person_0201.png"]


def test_cuhk01_numbers(places):
    root = write_cuhk01(places, people=5)
    write_people(root, "0001005.png", "cover.png")
    domain = datasets.get("cuhk01").load(split="all", size=8)
    assert len(domain) == 20
    assert domain.cameras.tolist() == [0, 0, 1, 1] * 5
    assert domain.labels.tolist() == [k for k in range(5) for _ in range(4)]
    assert domain.skipped == tuple(
        f"{name}: is not called like 0001001.png" for name in ("0001005.png", "cover.png")
    )


@pytest.mark.parametrize("folder", ["Market-1501-v15.09.15", "market1501/Market-1501-v15.09.15"])
def test_market_1501(places, folder):
    write_market(places / folder)
    dataset = datasets.get("market-1501")
    train, test = (dataset.load(split=split, size=8, width=3) for split in ("train", "test"))
    assert train.class_names == tuple(f"{k:04}" for k in range(1, 7))
    assert train.cameras.tolist() == [1, 2, 6] * 6
    assert train.roles is None
    assert test.class_names == ("0000", *(f"{k:04}" for k in range(7, 13)))
    assert test.notes == ("2 pictures of nobody in particular (identity -1) are left out",)
    probes, gallery = test.roles == PROBE, test.roles == GALLERY
    assert (int(probes.sum()), int(gallery.sum())) == (6, 6 * 2 + 1)
    assert bool((probes ^ gallery).all())
    # distractors match nobody: no probe is one
    assert 0 not in test.labels[probes]
    assert test.cameras[probes].unique().tolist() == [1]
    assert [name.split("/")[0] for name in (test.item_names[0], test.item_names[-1])] == [
        "query",
        "bounding_box_test",
    ]
    assert set(statuses("market-1501").values()) == {"ok", "different"}


def test_market_1501_in_part(places):
    root = write_market(places / "Market-1501-v15.09.15")
    dataset = datasets.get("market-1501")
    (root / "bounding_box_train" / "notes.jpg").write_bytes(b"")
    one_line(lambda: dataset.load(split="train"), "notes.jpg", "0002_c1s1_000451_03.jpg")
    (root / "query").rename(root / "queries")
    assert dataset.is_available("train")
    assert not dataset.is_available("test")
    one_line(lambda: dataset.load(split="test"), "query", "unpack")


def test_incomplete_folders_are_one_line(places):
    write_people(places / "viper", "cam_a/0001.webp")
    one_line(lambda: datasets.get("viper").load(split="all"), "cam_b", "no pictures", "unpack")
    write_people(places / "viper", "cam_b/0002.webp")
    one_line(lambda: datasets.get("viper").load(split="all"), "one camera only")
    write_people(places / "viper", "cam_b/0001.webp", "cam_b/Thumbs.png")
    (places / "viper" / "cam_b" / "0002.webp").write_bytes(b"damaged")
    domain = datasets.get("viper").load(split="all")
    # nobody is left of person 2, which is no reason to refuse the others
    assert domain.class_names == ("0001",)
    assert len(domain.skipped) == 2
    write_people(places / "cuhk01", "1.png")
    one_line(lambda: datasets.get("cuhk01").list(None, "all"), "called like 0001001.png")


class Reference:
    """Stands for an HDF5 object reference."""

    def __init__(self, array):
        self.array = array


class File(dict):
    """Stands for ``h5py.File`` of ``cuhk-03.mat``: cells are arrays of references, all transposed."""

    def __getitem__(self, key):
        return key.array if isinstance(key, Reference) else super().__getitem__(key)

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        return None


def cell_array(rows):
    """A MATLAB cell array, rows × columns, as h5py shows it."""
    cells = np.empty((len(rows[0]), len(rows)), dtype=object)
    for k, row in enumerate(rows):
        for n, value in enumerate(row):
            cells[n, k] = Reference(value)
    return cells


def make_mat(pairs=((3, 1), (2, 0))):
    """Two pairs of cameras with people of three pictures each, the rest empty; one test set each."""
    random = np.random.default_rng(0)
    empty = np.zeros((2,), np.uint64)
    labelled, pixels = [], {}
    for pair, (people, missing) in enumerate(pairs, start=1):
        rows = []
        for person in range(1, people + 1):
            row = [empty] * 10
            for number in (0, 1, 5 + missing):
                image = random.integers(0, 256, (9, 4, 3), dtype=np.uint8)
                row[number] = image.T
                pixels[f"{pair}_{person:03}_{1 if number < 5 else 2}_{number + 1:02}.png"] = image
            rows.append(row)
        labelled.append(cell_array(rows))
    tests = [np.array([[1, 2], [2, 1]], float).T, np.array([[1, 3]], float).T]
    file = File(labeled=cell_array([labelled]).T, testsets=cell_array([tests]).T)
    return file, pixels


@pytest.fixture
def hdf5(monkeypatch, places):
    """A ``cuhk-03.mat`` and a module that reads it; returns its pictures."""
    file, pixels = make_mat()
    module = ModuleType("h5py")
    module.File = lambda path, mode: file
    monkeypatch.setitem(sys.modules, "h5py", module)
    (places / "cuhk03" / "cuhk03_release").mkdir(parents=True)
    (places / "cuhk03" / "cuhk03_release" / "cuhk-03.mat").write_bytes(b"HDF")
    return pixels


def test_cuhk03_is_written_out_once(hdf5, places, tmp_path, monkeypatch):
    dataset = datasets.get("cuhk03")
    assert statuses("cuhk03")["cuhk03/cuhk03_release/cuhk-03.mat"] == "ok"
    listing = dataset.list(None, "all")
    folder = tmp_path / "cache" / "cuhk03" / "images_labeled"
    assert listing.root == folder
    assert set(listing.files) == set(hdf5)
    for name, pixels in hdf5.items():
        assert np.array_equal(np.asarray(Image.open(folder / name)), pixels)
    assert listing.class_names == ("1_001", "1_002", "1_003", "2_001", "2_002")
    assert listing.cameras == tuple(int(name.split("_")[2]) - 1 for name in listing.files)
    expected = (frozenset({"1_002", "2_001"}), frozenset({"1_003"}))
    assert dataset.identity_protocol().published == expected
    # afterwards neither file nor library is needed
    monkeypatch.setitem(sys.modules, "h5py", None)
    (places / "cuhk03" / "cuhk03_release" / "cuhk-03.mat").unlink()
    assert dataset.list(None, "all").files == listing.files
    assert dataset.identity_protocol().published == expected
    assert json.loads((folder / cuhk03.TEST_SETS).read_text())[1] == ["1_003"]


def test_published_draws_are_read_beside_a_folder_of_pictures(hdf5, places):
    write_people(places / "cuhk03" / "images_labeled", *hdf5)
    assert datasets.get("cuhk03").list(None, "all").root == places / "cuhk03" / "images_labeled"
    assert len(cuhk03.published_tests(FileFinder())) == 2
    (places / "cuhk03" / "cuhk03_release" / "cuhk-03.mat").unlink()
    assert cuhk03.published_tests(FileFinder()) == ()
    assert datasets.get("cuhk03").identity_protocol() == IdentityProtocol(1367, 0, 1)


def test_cuhk03_without_h5py_or_damaged(hdf5, tmp_path, monkeypatch):
    load = lambda: datasets.get("cuhk03").list(None, "all")  # noqa: E731
    sys.modules["h5py"].File = lambda path, mode: File(other=1)
    one_line(load, "damaged or no file of CUHK03", "again")

    def refuse(path, mode):
        raise OSError("Unable to open file")

    sys.modules["h5py"].File = refuse
    one_line(load, "truncated or damaged", "again")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ConfigurationError, match="pip install h5py, or give the folder") as caught:
        load()
    assert "\n" not in str(caught.value)
    assert [p.name for p in (tmp_path / "cache" / "cuhk03").iterdir()] == ["images_labeled.lock"]


def test_counts_as_published_are_ok(places, monkeypatch):
    write_viper(places, people=3)
    monkeypatch.setitem(datasets.get("viper").counts, "all", 6)
    assert statuses("viper")["all split"] == "ok"
