"""Who is on a picture and which camera took it, by its name."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acclimate.core.errors import DataError
from acclimate.data.identity_names import (
    PersonPicture,
    identity_number,
    is_camera_folder,
    listing_of,
    parse_camera_folder,
    parse_market,
    parse_people,
)

ROOT = Path("people")


@given(st.integers(-1, 99999), st.integers(1, 999), st.text("abc_s0123", max_size=9))
def test_market_names_say_identity_and_camera(identity, camera, rest):
    ending = rest if rest[:1] not in "0123456789" else f"_{rest}"
    found = parse_market(f"some/folder/{identity:04}_c{camera}{ending}.jpg")
    assert (int(found.identity), found.camera) == (identity, camera)


@pytest.mark.parametrize(
    "name", ["IMG_0001.jpg", "0001.jpg", "c1_0001.jpg", "0001_1.jpg", "x0002_c1_1.jpg", "_c1.jpg"]
)
def test_other_names_are_none_of_market(name):
    assert parse_market(name) is None


@pytest.mark.parametrize(
    ("stem", "number"),
    [
        ("0001", "0001"),
        ("000_45", "000"),
        ("person_0012", "0012"),
        ("person0012_3", "0012"),
        ("0002_c1s1_000451_03", "0002"),
        ("12-b", "12"),
        ("Thumbs", None),
        ("person_x_0001", None),
        ("12b", None),
        ("", None),
    ],
)
def test_numbers_of_people(stem, number):
    assert identity_number(stem) == number


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        *((name, True) for name in ("cam_a", "camA", "cam1", "camera2", "Camera-front", "cam 12")),
        *((name, False) for name in ("campus", "cameron", "cam", "camera", "a_cam", "")),
    ],
)
def test_camera_folders(folder, expected):
    assert is_camera_folder(folder) == expected


def test_a_persons_own_folder_is_the_person():
    assert parse_camera_folder("cam_a/person_0007/0001.png").identity == "0007"
    assert parse_camera_folder("cam_a/0001.png").identity == "0001"
    assert parse_camera_folder("0001.png") is None
    assert parse_camera_folder("dog/0001.png") is None


def test_all_names_or_none():
    plain = ["a.jpg", "IMG_1.jpg", "sub/0001.jpg"]
    assert parse_people(ROOT, plain) is None
    assert len(parse_people(ROOT, ["0001_c1_0.jpg", "x/0001_c2.png"])) == 2
    with pytest.raises(DataError, match=r"a\.jpg: its name does not.*1 of 2.*0002_c1s1"):
        parse_people(ROOT, ["0001_c1_0.jpg", "a.jpg"])
    with pytest.raises(DataError, match=r"0001\.jpg: its name does not.*cam_a/0002\.jpg"):
        parse_people(ROOT, ["cam_a/1.jpg", "0001.jpg"])
    with pytest.raises(DataError, match=r"cam_a/x\.jpg: its name.*0 of 1"):
        parse_people(ROOT, ["cam_a/x.jpg"])


def pictures(*rows):
    return [PersonPicture(file=f"{k}.jpg", identity=i, camera=c) for k, (i, c) in enumerate(rows)]


def test_a_listing_numbers_people_and_cameras_in_natural_order():
    found = listing_of(ROOT, pictures(("10", "cam10"), ("9", "cam2"), ("10", "cam2")))
    assert found.class_names == ("9", "10")
    assert found.labels == (1, 0, 1)
    assert found.cameras == (1, 0, 0)
    assert found.files == ("0.jpg", "1.jpg", "2.jpg")
    assert found.roles is None
    known = ["cam1", "cam2", "cam10"]
    assert listing_of(ROOT, pictures(("1", "cam10")), cameras=known).cameras == (2,)
    assert listing_of(ROOT, pictures(("1", 6), ("1", 2))).cameras == (6, 2)


def test_what_is_not_known_of_all_is_not_known():
    found = listing_of(ROOT, pictures((None, "a"), (None, None)))
    assert found.labels is None
    assert found.cameras is None
    assert found.class_names == ()


def test_nobody_in_particular_is_left_out():
    found = listing_of(ROOT, pictures(("-1", 1), ("0000", 1), ("-1", 2)))
    assert found.class_names == ("0000",)
    assert found.notes == ("2 pictures of nobody in particular (identity -1) are left out",)
    with pytest.raises(DataError, match="no pictures of people"):
        listing_of(ROOT, pictures(("-1", 1)))
