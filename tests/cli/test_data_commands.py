"""``data build`` into a file and ``data show``."""

import json

import numpy as np
import pytest
from PIL import Image

from acclimate.data.sets.syn_digits import generate_digits
from acclimate.data.sources import open_source


def test_a_drawn_set_in_a_file_is_a_source(acclimate, tmp_path):
    done = acclimate(
        *("data", "build", "syn-digits", "--output", "mine.npz", "--json"),
        *("--count", 12, "--seed", 5, "--split", "test", "--fonts", "bundled"),
    )
    assert done.code == 0, done.err
    assert json.loads(done.out) == {
        "dataset": "syn-digits",
        "output": "mine.npz",
        "splits": {"test": {"items": 12}},
    }
    domain = open_source("mine.npz")
    expected = generate_digits(12, seed=5, split="test")
    assert domain.class_names == tuple("0123456789")
    assert np.array_equal(domain.store.tensor.numpy(), expected.inputs)
    assert domain.labels.tolist() == expected.labels.tolist()
    assert not (tmp_path / "cache").exists()


def test_fonts_that_are_left_out_are_named(acclimate, tmp_path):
    from acclimate.data.fonts import bundled_folder

    fonts = tmp_path / "fonts"
    fonts.mkdir()
    (fonts / "good.ttf").write_bytes((bundled_folder() / "cmr10.ttf").read_bytes())
    (fonts / "bad.ttf").write_bytes(b"no font")
    line = ["data", "build", "syn-digits", "--output", "d.npz", "--count", 3, "--fonts", "fonts"]
    done = acclimate(*line)
    assert done.code == 0
    assert "warning: skipped fonts/bad.ttf: cannot be read" in done.err
    (fonts / "good.ttf").unlink()
    (tmp_path / "d.npz").unlink()
    done = acclimate(*line)
    assert done.code == 2
    assert done.err.startswith("error: fonts: no .ttf or .otf font that has digits")
    assert not (tmp_path / "d.npz").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["syn-digits", "--fonts", "system"], "--fonts: the registered syn-digits is the same"),
        (["syn-digits", "--count", 3, "--seed", 0], "--count, --seed: the registered"),
        (["syn-digits", "--output", "d.txt"], "write d.txt.npz"),
        (["moons", "--output", "d.npz"], "moons is not drawn by acclimate"),
        (["syn-digits", "--font", "x"], "Did you mean '--fonts'?"),
        (["syn-digits", "--output", "d.npz", "--split", "tset"], "Did you mean 'test'?"),
    ],
)
def test_build_refuses_in_one_line(acclimate, tmp_path, line, message):
    done = acclimate("data", "build", *line)
    assert done.code == 2
    assert message in done.err
    assert done.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_help_lists_the_options_that_generators_declare(acclimate):
    for command in ("build", "show"):
        assert "--fonts" in acclimate("data", command, "--help").out


def test_show_draws_a_few_of_a_set_that_is_not_built(acclimate, tmp_path):
    done = acclimate("data", "show", "syn-digits", "--count", 20, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out) == {
        "name": "syn-digits",
        "output": "sheet.png",
        "pictures": 20,
        "rows": 10,
    }
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.height == 10 * 66 + 2
    assert not (tmp_path / "cache").exists()


def test_show_takes_sets_folders_and_files(acclimate, pictures, tmp_path):
    np.savez(tmp_path / "plain.npz", x=np.zeros((5, 9, 9), np.uint8))
    for name, rows in (("font-digits", 10), (pictures, 3), (pictures / "cat", 1), ("plain.npz", 1)):
        done = acclimate("data", "show", name, "--count", 6, "--output", "a.png", "--json")
        assert done.code == 0, done.err
        assert json.loads(done.out)["rows"] == rows
    assert (
        "written: a.png (5 pictures of plain)"
        in acclimate("data", "show", "plain.npz", "--output", "a.png").out
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["moons"], "moons holds vectors, not pictures"),
        (["font-digits", "--output", "a.jpg"], "write a.jpg.png"),
        (["font-digits", "--fonts", "system"], "font-digits is not drawn"),
        (["nothing"], "'nothing' is no existing folder"),
    ],
)
def test_show_refuses_in_one_line(acclimate, tmp_path, line, message):
    done = acclimate("data", "show", *line)
    assert done.code == 2
    assert message in done.err
    assert done.err.count("\n") == 1
    assert not list(tmp_path.iterdir())
