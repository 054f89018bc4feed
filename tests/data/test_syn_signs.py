"""Drawn traffic signs: the same for everyone, of every class, where they should be, and legible."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from acclimate.cli.main import run
from acclimate.core.errors import DataError
from acclimate.data import datasets, drawn_signs
from acclimate.data.pictograms import Pictogram, list_pictograms, load_pictogram
from acclimate.data.sets import syn_signs
from acclimate.data.sets.syn_signs import generate_signs
from acclimate.data.sources import open_source

COLOURS = {"blue": (0, 60, 200), "red": (200, 0, 20), "yellow": (250, 200, 0)}


def write_disc(path, colour, size=60, under=(255, 255, 255)):
    """A disc in the left part of a picture that is transparent elsewhere, with ``under`` beneath."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.new("RGBA", (size, size), (*under, 0))
    ImageDraw.Draw(picture).ellipse((5, 10, 44, 49), fill=(*colour, 255))
    picture.save(path)


@pytest.fixture
def discs(tmp_path):
    for name, colour in COLOURS.items():
        write_disc(tmp_path / "discs" / f"{name}.png", colour)
    return tmp_path / "discs"


@pytest.fixture
def german(places):
    """43 pictograms below the data folder."""
    folder = places / "sign_templates" / "png256"
    for number in range(43):
        write_disc(folder / f"{number:02d}.png", (5 * number, 200, 255 - 5 * number))
    return folder


def draw(discs, count=30, **options):
    return generate_signs(
        count, templates=str(discs), **{"backgrounds": "none", "processes": 1, **options}
    )


def test_an_item_depends_on_seed_split_and_number_alone(discs):
    first = draw(discs, count=260)
    assert first.inputs.shape == (260, 40, 40, 3)
    assert first.inputs.dtype == np.uint8
    again = draw(discs, count=255, processes=2)
    assert np.array_equal(again.inputs, first.inputs[:255])
    assert np.array_equal(again.labels, first.labels[:255])
    assert (draw(discs, seed=1).inputs != first.inputs[:30]).mean() > 0.5
    assert (draw(discs, split="test").inputs != first.inputs[:30]).mean() > 0.5
    assert len(np.unique(first.inputs.reshape(260, -1), axis=0)) == 260


def test_classes_are_the_files_and_equally_frequent(discs):
    write_disc(discs / "red_alt.png", (0, 0, 0))
    write_disc(discs / "lonely_alt.png", (9, 9, 9))
    found = list_pictograms(discs)
    assert {name: [path.name for path in paths] for name, paths in found.items()} == {
        "blue": ["blue.png"],
        "lonely_alt": ["lonely_alt.png"],
        "red": ["red.png", "red_alt.png"],
        "yellow": ["yellow.png"],
    }
    drawn = draw(discs, count=40)
    assert drawn.class_names == tuple(found)
    assert np.bincount(drawn.labels).tolist() == [10] * 4


def test_most_signs_can_be_told_by_their_colour(discs):
    drawn = draw(discs, count=600)
    middle = drawn.inputs[:, 14:26, 14:26].mean((1, 2))
    red_less_blue, yellow = middle[:, 0] - middle[:, 2], middle[:, 1] - middle[:, 2]
    guess = np.where(red_less_blue < 0, 0, np.where(yellow < 0.5 * red_less_blue, 1, 2))
    assert (guess == drawn.labels).mean() > 0.8


def test_photos_lie_behind_the_signs(discs, tmp_path):
    for number in range(3):
        path = tmp_path / "photos" / "deeper" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (50, 40), (0, 255, 0)).save(path)

    def green(drawn):
        corner = drawn.inputs[:, :4, :4].astype(int).mean((1, 2))
        return (corner[:, 1] > 1.3 * corner[:, [0, 2]].max(1)).mean()

    photos = draw(discs, count=200, backgrounds=str(tmp_path / "photos"))
    assert green(photos) > 0.4
    assert green(draw(discs, count=200)) < 0.2


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_sign_is_inside_its_frame_and_fills_much_of_it(seed):
    angles = np.linspace(0, 2 * np.pi, 30)
    disc = Pictogram(
        np.zeros((128, 128, 4), np.uint8), np.stack([np.cos(angles), np.sin(angles)], 1)
    )
    pose = drawn_signs._pose(disc, np.random.default_rng(seed))
    pixels = 64 + 56 * disc.outline  # where the outline lies in the pictogram's own pixels
    # projected by another library
    corners = cv2.perspectiveTransform(pixels[None], pose)[0]
    size = (corners.max(0) - corners.min(0)) / drawn_signs.CANVAS
    assert 0.5 <= size.max() <= 1.01
    assert size.min() > 0.3
    assert np.abs(corners.mean(0) / drawn_signs.CANVAS - 0.5).max() < 0.2


def test_paint_leaves_black_dark_and_white_bright():
    random = np.random.default_rng(0)
    for _ in range(50):
        paint = drawn_signs._paint(random)
        black, white = paint @ [0, 0, 0, 1], paint @ [1, 1, 1, 1]
        assert (black >= 0.02).all()
        assert (white - black > 0.3).all()
        assert (paint @ [0, 0, 0, 0] == 0).all()  # nothing is painted where nothing is


def test_a_mosaic_of_one_colour_without_detail_stays():
    flat = np.full((17, 17, 3), (90, 150, 30), dtype=np.uint8)
    assert np.array_equal(drawn_signs._mosaic(flat), flat)


def test_pictograms_are_centred_cut_out_and_do_not_bleed(tmp_path):
    path = tmp_path / "disc.png"
    write_disc(path, (0, 0, 0), under=(255, 0, 255))
    pictogram = load_pictogram(path)
    assert pictogram.colours[..., :3].max() <= 1  # black, and nothing of what lies beneath
    rows, columns = np.nonzero(pictogram.colours[..., 3] > 127)
    assert (rows.min(), rows.max()) == (columns.min(), columns.max()) == (8, 119)
    assert np.abs(np.hypot(*pictogram.outline.T) - 1).max() < 0.03


def test_broken_and_missing_pictograms_are_one_line(discs, tmp_path):
    (discs / "broken.png").write_bytes(b"\x89PNG nonsense")
    with pytest.raises(DataError, match=r"broken\.png is no readable picture"):
        draw(discs)
    Image.new("RGBA", (9, 9)).save(discs / "broken.png")
    with pytest.raises(DataError, match=r"broken\.png is transparent everywhere"):
        draw(discs)
    with pytest.raises(DataError, match="has 0 pictograms: put there one"):
        draw(tmp_path / "nowhere")
    write_disc(tmp_path / "one" / "a.png", (1, 2, 3))
    with pytest.raises(DataError, match="has 1 pictograms"):
        draw(tmp_path / "one")
    with pytest.raises(DataError, match="holds no photos"):
        draw(tmp_path / "discs", backgrounds=str(tmp_path / "one" / "nowhere"))


def test_without_templates_it_says_what_to_put_where(places):
    with pytest.raises(DataError, match=r"put 00\.png to 42\.png there") as caught:
        datasets.get("syn-signs").load()
    assert str(places / "sign_templates") in str(caught.value)
    assert "\n" not in str(caught.value)
    statuses = {finding.what: finding.status for finding in datasets.get("syn-signs").inspect()}
    assert statuses["pictograms"] == "missing"
    assert not datasets.get("syn-signs").is_available()


def test_the_registered_set_follows_its_pictograms_and_outlives_them(german, monkeypatch):
    monkeypatch.setitem(syn_signs.GENERATOR.counts, "test", 86)
    domain = datasets.get("syn-signs").load(split="test")
    assert domain.labels.bincount().tolist() == [2] * 43
    assert domain.class_names == datasets.get("gtsrb").class_names
    assert domain.notes == ("behind its test pictures lie no photos",)
    write_disc(german / "07.png", (255, 255, 255), size=70)
    other = datasets.get("syn-signs").load(split="test")
    assert (other.store.tensor != domain.store.tensor).any()
    (german / "07.png").unlink()
    with pytest.raises(DataError, match="has 42: put"):
        datasets.get("syn-signs").load(split="test")
    for path in german.glob("*.png"):
        path.unlink()
    kept = datasets.get("syn-signs").load(split="test")
    assert (kept.store.tensor == other.store.tensor).all()


def test_signs_of_ones_own_from_the_command_line(discs, places, tmp_path, capsys):
    output = tmp_path / "mine.npz"
    command = ["data", "build", "syn-signs", "--templates", str(discs), "--backgrounds", "none"]
    assert run([*command, "--count", "12", "--output", str(output), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["splits"] == {"train": {"items": 12}}
    mine = open_source(output)
    assert mine.class_names == ("blue", "red", "yellow")
    assert mine.input_shape == (3, 40, 40)
    sheet = tmp_path / "sheet.png"
    show = ["data", "show", "syn-signs", *command[3:], "--count", "9", "--output", str(sheet)]
    assert run([*show, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 3
    assert sheet.exists()
