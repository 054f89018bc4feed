"""A gallery's descriptors, kept and given back."""

import dataclasses
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from people_models import draw_people, people_model

from acclimate.core.errors import DataError
from acclimate.data.preprocessing import Preprocessing
from acclimate.retrieval.cameras import CameraMeans
from acclimate.serve import descriptor_file
from acclimate.serve.descriptor_file import DescriptorFile, fingerprint, keeping_descriptors
from acclimate.serve.match import match


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """``kept.npz`` of a gallery, and what was found in the gallery itself, in ``first.csv``."""
    monkeypatch.chdir(tmp_path)
    draw_people(tmp_path / "probes", range(3), (1,))
    draw_people(tmp_path / "gallery", range(5), (2, 3))
    (tmp_path / "probes/same.png").symlink_to(tmp_path / "gallery/0001_c2_1.png")
    path = Path("kept.npz")
    match(people_model(), ["probes"], ["gallery"], Path("first.csv"), descriptors=path)
    return path.resolve()


@pytest.mark.parametrize("at_once", [1, 3, 8192])
def test_the_same_is_found_in_it(kept, monkeypatch, at_once):
    monkeypatch.setattr(descriptor_file, "AT_ONCE", at_once)
    first = Path("first.csv").read_bytes()
    match(people_model(), ["probes"], ["kept.npz"], Path("again.csv"))
    assert Path("again.csv").read_bytes() == first
    # with the pictures beside it, each is there once
    match(people_model(), ["probes"], ["kept.npz", "gallery"], Path("again.csv"))
    assert Path("again.csv").read_bytes() == first


def test_a_probes_own_file_is_known_from_elsewhere(kept, monkeypatch, tmp_path):
    """Relative names are of the folder that they were written in."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    found = match(people_model(), ["../probes"], ["../kept.npz"], Path("again.csv"), count=99)
    assert [int((row > -torch.inf).sum()) for row in found.similarities] == [10, 10, 10, 9]


def test_numpy_reads_it(kept):
    with np.load(kept, allow_pickle=False) as arrays:
        assert arrays["descriptors"].dtype == np.float32
        assert arrays["descriptors"].shape == (10, 8)
        assert arrays["names"].tolist() == sorted(map(str, Path("gallery").iterdir()))
    # compressed by somebody else, it is still the same
    with np.load(kept) as arrays:
        np.savez_compressed("packed.npz", **arrays)
    match(people_model(), ["probes"], ["packed.npz"], Path("again.csv"))
    assert Path("again.csv").read_bytes() == Path("first.csv").read_bytes()


@given(count=st.integers(1, 20), width=st.integers(1, 5), sizes=st.integers(1, 7))
def test_what_goes_in_comes_out(tmp_path_factory, count, width, sizes):
    path = tmp_path_factory.mktemp("kept") / "some.npz"
    rows = torch.randn(count, width)
    names = [f"straße {number}\n.png" for number in range(count)]
    model = people_model(descriptor=width)
    with keeping_descriptors(path, fingerprint(model)) as keep:
        for start in range(0, count, sizes):
            keep(names[start : start + sizes], rows[start : start + sizes])
    file = DescriptorFile.open(path, model)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(descriptor_file, "AT_ONCE", sizes)
        blocks = list(file.blocks())
    assert [name for block in blocks for name in block.names] == names
    assert torch.equal(torch.cat([block.descriptors for block in blocks]), rows)
    assert str(file.folder) == str(Path.cwd())


def refused(path, model, *words):
    with pytest.raises(DataError) as caught:
        for _ in DescriptorFile.open(Path(path), model).blocks():
            pass
    text = str(caught.value)
    assert "\n" not in text
    for word in (str(path), *words):
        assert word in text


def test_another_model_is_told_apart(kept):
    model = people_model()
    DescriptorFile.open(kept, model)
    refused(kept, people_model(seed=1), "another model")
    refused(kept, people_model(mirrored=False), "another model")
    refused(kept, people_model(descriptor=9), "8 numbers", "9")
    means = CameraMeans(torch.tensor([0]), torch.zeros(1, 8))
    refused(kept, dataclasses.replace(model, camera_means=means), "another model")
    other = dataclasses.replace(model, preprocessing=Preprocessing(kind="none"))
    refused(kept, other, "another model")


def test_other_files_are_refused(kept, tmp_path):
    np.savez("data.npz", x=np.zeros((3, 2)), y=np.zeros(3))
    refused("data.npz", people_model(), "holds no descriptors", "--descriptors")
    for name, content in [("text.npz", b"words"), ("none.npz", b""), ("zip.npz", b"PK\x03\x04")]:
        Path(name).write_bytes(content)
        refused(name, people_model(), "cannot be read as descriptors")
    np.save("array.npy", np.zeros(3))
    Path("array.npy").rename("array.npz")
    refused("array.npz", people_model(), "cannot be read as descriptors")


def test_arrays_that_do_not_fit(kept):
    with np.load(kept) as arrays:
        whole = dict(arrays)
    for change in [
        {"names": whole["names"][:-1]},
        {"descriptors": whole["descriptors"].astype(np.float64)},
        {"descriptors": np.asfortranarray(whole["descriptors"])},
        {"descriptors": whole["descriptors"][0]},
        {"names": np.array(["x", None], dtype=object)},
    ]:
        np.savez("odd.npz", **{**whole, **change})
        refused("odd.npz", people_model(), "cannot be read as descriptors")


def test_damage_is_noticed(kept):
    """Wherever a byte is changed, the file is refused or says what it said."""
    content, model = kept.read_bytes(), people_model()
    right = torch.cat([block.descriptors for block in DescriptorFile.open(kept, model).blocks()])
    noticed = 0
    for place in range(0, len(content), 13):
        damaged = bytearray(content)
        damaged[place] ^= 0xFF
        Path("damaged.npz").write_bytes(damaged)
        try:
            file = DescriptorFile.open(Path("damaged.npz"), model)
            rows = torch.cat([block.descriptors for block in file.blocks()])
        except DataError:
            noticed += 1
        else:
            assert torch.equal(rows, right)
    assert noticed > len(content) / 13 / 2
    for length in range(0, len(content), 101):
        Path("cut.npz").write_bytes(content[:length])
        refused("cut.npz", model)


def test_rows_stand_uncompressed(kept):
    """So that a large gallery is read at the speed of the disk."""
    with zipfile.ZipFile(kept) as archive:
        member = archive.getinfo("descriptors.npy")
    assert member.compress_type == zipfile.ZIP_STORED
