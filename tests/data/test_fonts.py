"""Fonts with digits, and their digits as distance fields."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from acclimate.core.errors import DataError
from acclimate.data.fonts import (
    BAR,
    BUNDLED,
    DIGIT_HEIGHT,
    FOOTLESS,
    _plainer,
    bundled_folder,
    digit_fields,
    find_fonts,
    text_font,
)


def test_all_bundled_fonts_have_digits():
    found = find_fonts("bundled")
    assert {path.stem for path in found.paths} == set(BUNDLED)
    assert found.skipped == ()


def test_a_folder_is_searched_and_what_has_no_digits_is_named(tmp_path):
    (tmp_path / "deep").mkdir()
    shutil.copy(bundled_folder() / "cmr10.ttf", tmp_path / "deep" / "good.TTF")
    # one that draws the same box for every letter, one of brackets, one that is no font
    shutil.copy(bundled_folder() / "LastResortHE-Regular.ttf", tmp_path / "boxes.ttf")
    shutil.copy(bundled_folder() / "STIXSizOneSymReg.ttf", tmp_path / "brackets.ttf")
    (tmp_path / "broken.otf").write_bytes(b"no font")
    (tmp_path / "readme.txt").write_text("no font")
    found = find_fonts(str(tmp_path))
    assert [path.name for path in found.paths] == ["good.TTF"]
    reasons = {line.split(": ")[0].split("/")[-1]: line for line in found.skipped}
    assert set(reasons) == {"boxes.ttf", "brackets.ttf", "broken.otf"}
    assert "has no digits" in reasons["boxes.ttf"]
    assert "has no digits" in reasons["brackets.ttf"]
    assert "cannot be read" in reasons["broken.otf"]


def test_no_font_left_is_one_line(tmp_path):
    with pytest.raises(DataError, match=r"no \.ttf or \.otf font that has digits"):
        find_fonts(str(tmp_path))
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    with pytest.raises(DataError, match=r"broken\.ttf: cannot be read") as caught:
        find_fonts(str(tmp_path))
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="is no folder of fonts"):
        find_fonts(str(tmp_path / "nowhere"))


@pytest.mark.parametrize("name", ["DejaVuSans-Bold", "cmti10"])
def test_fields_hold_the_distance_to_the_outline(name):
    font = digit_fields(bundled_folder() / f"{name}.ttf")
    for shape, field in enumerate(font.fields):
        inside = field > 0
        expected = distance_transform_edt(inside) - distance_transform_edt(~inside)
        # scipy measures to the next pixel's centre, half a pixel beyond the outline
        expected -= np.sign(expected) / 2
        near = np.abs(expected) < 15
        assert np.abs(field - expected)[near].max() < 1.25
        # the straight edges of a bare stroke may all lie half a pixel off at once
        assert np.abs(field - expected)[near].mean() < (0.35 if shape < FOOTLESS else 0.4)
        # nothing is cut off
        assert not inside[[0, -1]].any()
        assert not inside[:, [0, -1]].any()
    assert np.abs(np.ptp(np.nonzero((font.fields > 0).any(axis=(0, 2)))) + 1 - DIGIT_HEIGHT) <= 2


def test_digits_are_centred_and_as_wide_as_said():
    font = digit_fields(bundled_folder() / "DejaVuSans.ttf")
    for field, width in zip(font.fields, font.widths, strict=True):
        columns = np.flatnonzero((field > 0).any(axis=0))
        assert abs(columns.mean() - (field.shape[1] - 1) / 2) <= 1
        assert abs(np.ptp(columns) + 1 - width) <= 1


@pytest.mark.parametrize(
    ("name", "lean"), [("DejaVuSans", 0), ("DejaVuSerif-Bold", 0), ("DejaVuSans-Oblique", 11)]
)
def test_plainer_ones(name, lean):
    """The foot is gone, the flag stays, the stem leans as the font does (11°, in its own tables)."""
    ink = digit_fields(bundled_folder() / f"{name}.ttf").fields[[1, FOOTLESS, BAR]] > 0
    rows = np.flatnonzero(ink[0].any(axis=1))
    widths = ink.sum(axis=2)[:, rows]
    upper, foot = slice(2, len(rows) // 3), slice(-3, -1)
    assert widths[0, foot].min() > 2 * widths[1, foot].max()
    assert np.abs(widths[1, upper] - widths[0, upper]).max() <= 2  # a pixel at either side
    assert np.ptp(widths[2, 1:-1]) <= 2
    assert np.abs(widths[2, foot] - widths[1, foot]).max() <= 1
    middles = [np.flatnonzero(row).mean() for row in ink[2, rows[1:-1]]]
    slope = np.polyfit(rows[1:-1], middles, 1)[0]
    assert np.rad2deg(np.arctan(-slope)) == pytest.approx(lean, abs=1)


def test_a_one_of_dots_stays_as_it_is():
    dots = np.zeros((40, 40), np.uint8)
    dots[[5, 35], 20] = 1
    assert all(np.array_equal(shape, dots) for shape in _plainer(dots))


def test_bold_strokes_are_thicker():
    plain, bold = (
        digit_fields(bundled_folder() / f"DejaVuSans{end}.ttf").stroke for end in ("", "-Bold")
    )
    assert bold > 1.4 * plain > 0


def test_labels_have_a_font():
    assert text_font(16).getlength("Ärger") > 0
