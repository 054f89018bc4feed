"""Drawn house numbers: the same for everyone, and the label is the digit in the middle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from acclimate.core.errors import DataError
from acclimate.data import datasets, drawn_numbers, photo_effects
from acclimate.data.drawn_numbers import CANVAS, Number, Paint, Pose, bent, distances, draw_number
from acclimate.data.files import FileFinder
from acclimate.data.fonts import BAR, DIGIT_HEIGHT, FOOTLESS, bundled_folder, digit_fields
from acclimate.data.generation import CHUNK
from acclimate.data.sets.syn_digits import GENERATOR, RECIPE, generate_digits

FONT = bundled_folder() / "DejaVuSans.ttf"


def test_seeded_and_independent_of_processes():
    one = generate_digits(CHUNK + 10, seed=3, processes=1)
    two = generate_digits(CHUNK + 10, seed=3, processes=2)
    assert one.inputs.shape == (CHUNK + 10, 32, 32, 3)
    assert one.inputs.dtype == np.uint8
    assert np.array_equal(one.inputs, two.inputs)
    assert np.array_equal(one.labels, two.labels)
    assert not np.array_equal(one.inputs[:10], generate_digits(10, seed=4).inputs)


def test_splits_share_no_picture():
    parts = [generate_digits(100, split=split) for split in ("train", "test")]
    pictures = {picture.tobytes() for part in parts for picture in part.inputs}
    assert len(pictures) == 200
    assert not np.array_equal(parts[0].labels, parts[1].labels)


def test_classes_are_balanced_and_pictures_can_be_seen():
    drawn = generate_digits(1000)
    assert np.bincount(drawn.labels, minlength=10).min() > 70
    middle = drawn.inputs[:, 6:26, 6:26].astype(float).mean(axis=-1).reshape(1000, -1)
    assert (np.ptp(middle, axis=1) > 20).mean() > 0.9
    # neither washed out nor grey altogether
    assert 60 < drawn.inputs.mean() < 190
    assert np.ptp(drawn.inputs.mean(axis=(1, 2)), axis=1).mean() > 10


def templates(height):
    """Each digit as Pillow draws it, in the middle, as high as asked."""
    font = ImageFont.truetype(FONT, round(height * 100 / 76))
    tops = [font.getbbox(str(d), anchor="ls") for d in range(10)]
    scale = height / max(bottom - top for _, top, _, bottom in tops)
    font = ImageFont.truetype(FONT, round(height * 100 / 76 * scale))
    pictures = []
    for digit in range(10):
        picture = Image.new("L", (CANVAS, CANVAS))
        place = (CANVAS / 2, CANVAS / 2)
        ImageDraw.Draw(picture).text(place, str(digit), fill=255, font=font, anchor="mm")
        pictures.append(np.asarray(picture) / 255)
    return np.stack(pictures)


def recognised(picture):
    """The digit whose picture agrees best about the middle."""
    known = templates(46)[:, :, CANVAS // 2 - 13 : CANVAS // 2 + 13]
    seen = picture[:, CANVAS // 2 - 13 : CANVAS // 2 + 13]
    return int(np.abs(known - seen).mean(axis=(1, 2)).argmin())


def test_label_is_the_digit_in_the_middle(monkeypatch):
    """Without distractions every digit must be the one that Pillow draws."""
    monkeypatch.setattr(drawn_numbers, "random_pose", lambda random: Pose())
    monkeypatch.setattr(drawn_numbers, "random_paint", lambda *_: Paint())
    monkeypatch.setattr(drawn_numbers, "bent", lambda distance, random: distance)
    monkeypatch.setattr(drawn_numbers, "tint", lambda random: np.float32(1))
    for plainer in ("FOOTLESS", "BAR"):  # Pillow has none to compare with
        monkeypatch.setattr(drawn_numbers, plainer, 1)
    black = np.zeros((CANVAS, CANVAS, 3), np.float32)
    monkeypatch.setattr(drawn_numbers, "background", lambda random: (black, 0.0))
    monkeypatch.setattr(photo_effects, "light", lambda random, side: np.float32(1))
    monkeypatch.setattr(drawn_numbers, "photographed", lambda scene, random: scene[..., 0])
    for index in range(100):
        picture, label = draw_number(digit_fields(FONT), np.random.default_rng(index))
        assert recognised(picture) == label, index


@pytest.mark.parametrize("one", [FOOTLESS, BAR])
def test_a_plainer_one_is_a_one(one):
    font = digit_fields(FONT)
    number = Number((1, 8, 1), 0, one)
    assert (number.label, number.shapes) == (1, [one, 8, one])
    plain, own = (distances(font, each, Pose()) > 0 for each in (number, Number((1, 8, 1), 0)))
    left = slice(0, CANVAS // 2 + 10)
    assert plain[:, left].sum() < own[:, left].sum()
    stem = font.fields[BAR] > 0
    assert plain[:, left].sum() >= stem.sum()


def test_bent_is_smooth_and_small():
    """A bend moves outlines by some pixels, and a ramp of distances shows how far."""
    ramp = np.tile(np.arange(CANVAS, dtype=np.float32), (CANVAS, 1))
    for seed in range(20):
        bend = bent(ramp, np.random.default_rng(seed))[:, 8:-8] - ramp[:, 8:-8]
        assert np.abs(bend).max() <= 4
        assert np.abs(np.diff(bend, axis=0)).max() < 1
        assert np.abs(bend).max() > 0


def test_neighbours_stand_on_their_side_and_may_be_cut_off():
    font = digit_fields(FONT)
    ink = {n: distances(font, n, Pose()) > 0 for n in (Number((1, 8), 0), Number((1, 8), 1))}
    left, right = (ink[n].mean(axis=0) for n in ink)
    third = CANVAS // 4
    assert left[-third:].sum() > 0 == left[:third].sum()
    assert right[:third].sum() > 0 == right[-third:].sum()
    assert left[-1] > 0  # cut by the edge


def test_a_quarter_turn_is_a_quarter_turn():
    font, number = digit_fields(FONT), Number((2, 5, 7), 1)
    upright = distances(font, number, Pose())
    turned = distances(font, number, Pose(turn=np.pi / 2))
    back = np.rot90(turned)
    seen = (np.abs(upright) < 10) & (np.abs(back) < 10)  # fields end somewhere beyond
    assert np.abs(upright - back)[seen].max() < 0.1


def test_height_shift_and_stretch_are_those_asked_for():
    font, number = digit_fields(FONT), Number((0,), 0)

    def box(pose):
        ink = distances(font, number, pose) > 0
        rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
        return np.ptp(rows) + 1, np.ptp(columns) + 1, rows.mean(), columns.mean()

    height, width, row, column = box(Pose(height=40))
    assert abs(height - DIGIT_HEIGHT) <= 2
    larger, _, _, _ = box(Pose(height=20))
    assert abs(larger - height / 2) <= 2
    _, narrow, lower, further = box(Pose(height=40, stretch=0.5, shift=(7, -4)))
    assert abs(narrow - width / 2) <= 2
    assert (further - column, lower - row) == pytest.approx((7, -4), abs=1)


@given(st.integers(0, 2**32), st.floats(0.02, 0.98), st.floats(0.5, 10))
def test_paint_stands_out_and_strokes_do_not_vanish(seed, value, stroke):
    random = np.random.default_rng(seed)
    paint = drawn_numbers.random_paint(random, value, stroke, Pose())
    assert paint.ink.min() >= 0
    assert paint.ink.max() <= 1
    assert stroke + paint.boldness > 0.5
    assert abs(drawn_numbers.value_apart(random, value) - value) > 0.07


@given(st.integers(0, 2**32), st.floats(0.0, 0.5))
def test_a_surface_has_the_brightness_asked_for(seed, value):
    colour = photo_effects.surface_colour(np.random.default_rng(seed), value)
    luma = float(colour @ (0.299, 0.587, 0.114))
    # a saturated colour cannot be as bright
    assert luma == pytest.approx(value, abs=1e-4) if colour.max() < 1 else luma < value + 1e-4


def test_registered_set_is_the_default_recipe(places):
    dataset = datasets.get("syn-digits")
    assert dataset.generator.counts == {"train": 100_000, "test": 10_000}
    assert not dataset.is_available("test")
    again = dataset.generator.generate(FileFinder(), "test", 12, seed=0)
    assert np.array_equal(again.inputs, generate_digits(12, split="test").inputs)


def test_fingerprint_names_recipe_seed_and_fonts(monkeypatch):
    before = GENERATOR.fingerprint(FileFinder(), "train")
    assert before == GENERATOR.fingerprint(FileFinder(), "train")
    assert RECIPE in before
    assert "seed 0" in before
    monkeypatch.setattr("acclimate.data.fonts.BUNDLED", ("cmr10", "cmb10"))
    assert GENERATOR.fingerprint(FileFinder(), "train") != before


def test_bad_fonts_are_one_line(tmp_path):
    with pytest.raises(DataError, match=r"no \.ttf or \.otf font"):
        generate_digits(3, fonts=str(tmp_path))
    with pytest.raises(DataError, match="is no folder of fonts"):
        generate_digits(3, fonts="helvetica")
