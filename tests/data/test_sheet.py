"""A sheet of pictures: who is on it, and where."""

from __future__ import annotations

import numpy as np
import pytest

from acclimate.data.sheet import MOST_CLASSES, Row, choose_items, draw_sheet


def test_as_many_of_each_class_in_order_without_repetition():
    labels = np.array([0] * 50 + [1] * 3 + [2] * 20)
    rows = choose_items(labels, 4, len(labels), 40, seed=0)
    assert [len(row) for row in rows] == [10, 3, 10, 0]
    for label, row in enumerate(rows):
        assert (labels[row] == label).all()
        assert (np.diff(row) > 0).all()
    assert not np.array_equal(rows[0], choose_items(labels, 4, len(labels), 40, seed=1)[0])


def test_without_labels_a_single_row_and_many_classes_are_cut_off():
    (row,) = choose_items(None, 0, 30, 8, seed=0)
    assert len(set(row.tolist())) == 8
    rows = choose_items(np.arange(100), 100, 100, 5, seed=0)
    assert [row.tolist() for row in rows] == [[k] for k in range(MOST_CLASSES)]


@pytest.mark.parametrize("channels", [1, 3])
def test_small_pictures_are_enlarged_in_rows(channels):
    pictures = np.arange(6, dtype=np.uint8).reshape(6, 1, 1, 1) * 40
    pictures = np.broadcast_to(pictures, (6, 32, 32, channels))
    sheet = np.asarray(draw_sheet([Row("", pictures[:4]), Row("", pictures[4:])]))
    # 64 pixels and a gap of 2 each
    assert sheet.shape == (2 * 66 + 2, 4 * 66 + 2, 3)
    for index in range(4):
        cell = sheet[2:66, 2 + 66 * index : 66 + 66 * index]
        assert (cell == 40 * index).all()
    assert (sheet[68:132, 2:66] == 160).all()
    assert (sheet[68:132, 134:] == 255).all()


def test_labels_stand_beside_their_rows_and_long_ones_are_cut():
    pictures = np.zeros((2, 32, 32, 3), np.uint8)
    plain = draw_sheet([Row("", pictures), Row("", pictures)])
    sheet = draw_sheet([Row("cat", pictures), Row("a name without end " * 20, pictures)])
    margin = sheet.width - plain.width
    assert 20 < margin < 220
    ink = np.asarray(sheet.convert("L"))[:, :margin] < 128
    assert ink[:66].any()
    assert ink[66:].any()
    assert ink[:66].sum() < ink[66:].sum()


def test_one_row_becomes_a_square_and_large_pictures_small():
    sheet = draw_sheet([Row("", np.zeros((9, 100, 200, 3), np.uint8))])
    assert sheet.size == (3 * 66 + 2, 3 * 34 + 2)


def test_a_long_row_goes_on_below():
    sheet = draw_sheet([Row("", np.zeros((k, 8, 8, 1), np.uint8)) for k in (41, 0)])
    assert sheet.size == (40 * 66 + 2, 3 * 66 + 2)
