"""``.npz`` files: every layout, and every way in which one can be wrong."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from acclimate.core.errors import ConfigurationError, DataError
from acclimate.data.sources import open_domain, open_source, open_target

quick = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
IMAGES = np.random.default_rng(0).integers(0, 256, (6, 5, 7, 3), dtype=np.uint8)
Y = np.array([0, 1, 2, 0, 1, 2])


def save(folder, **arrays):
    path = folder / "domain.npz"
    np.savez(path, **arrays)
    return path


image_shapes = st.tuples(st.integers(2, 5), st.integers(4, 9), st.integers(4, 9))


@quick
@given(data=st.data(), shape=image_shapes, channels=st.sampled_from([None, 1, 3]))
def test_uint8_images_come_back_as_they_were(tmp_path, data, shape, channels):
    full = shape if channels is None else (*shape, channels)
    x = data.draw(hnp.arrays(np.uint8, full))
    path = save(tmp_path, x=x, y=np.arange(len(x)))
    expected = torch.from_numpy(x.reshape(*shape, channels or 1))
    assert torch.equal(open_source(path).store.tensor, expected)
    if channels:
        path = save(tmp_path, x=x.transpose(0, 3, 1, 2), y=np.arange(len(x)))
        assert torch.equal(open_source(path).store.tensor, expected)


@quick
@given(x=hnp.arrays(np.uint8, (3, 4, 4)), width=st.sampled_from([np.float16, np.float32, float]))
def test_float_images_round_trip_through_zero_to_one(tmp_path, x, width):
    path = save(tmp_path, x=(x / 255).astype(width), y=[0, 1, 1])
    assert torch.equal(open_source(path).store.tensor[..., 0], torch.from_numpy(x))


@quick
@given(
    x=hnp.arrays(
        np.float32, (4, 3), elements=st.floats(-1e6, 1e6, width=32, allow_subnormal=False)
    ),
    y=st.lists(st.sampled_from(["cat", "dog", "eel"]), min_size=4, max_size=4).filter(
        lambda names: len(set(names)) > 1
    ),
)
def test_vectors_and_string_labels(tmp_path, x, y):
    domain = open_source(save(tmp_path, x=x, y=np.array(y)))
    assert torch.equal(domain.store.tensor, torch.from_numpy(x))
    assert domain.class_names == tuple(sorted(set(y)))
    assert [domain.class_names[k] for k in domain.labels] == y


def test_integer_labels_sort_as_numbers(tmp_path):
    domain = open_source(save(tmp_path, x=IMAGES, y=[10, 9, 2, 2, 9, 10]))
    assert domain.class_names == ("2", "9", "10")
    assert domain.labels.tolist() == [2, 1, 0, 0, 1, 2]


def test_target_labels_are_mapped_by_name(tmp_path):
    path = save(tmp_path, x=IMAGES, y=np.array(["dog", "cat"] * 3))
    target = open_target(path, class_names=("ape", "dog", "cat"))
    assert target.labels.tolist() == [1, 2] * 3
    assert open_target(path, class_names=("a", "b"), unlabelled=True).labels is None
    with pytest.raises(DataError, match=r"classes 'cat', 'dog', the source 'cat', 'cow'"):
        open_target(path, class_names=("cat", "cow"))


def test_target_without_labels_is_fine_and_source_is_not(tmp_path):
    path = save(tmp_path, x=IMAGES)
    assert open_target(path, class_names=("a", "b")).labels is None
    assert open_target(path, class_names=("a", "b")).class_names == ("a", "b")
    with pytest.raises(DataError, match="no array 'y'"):
        open_source(path)
    with pytest.raises(DataError, match="no array 'y'"):
        open_domain(path, labels="required", class_names=("a", "b"))


def test_class_names_in_the_file(tmp_path):
    names = np.array(["zebra", "ant", "bee"])
    domain = open_source(save(tmp_path, x=IMAGES, y=Y, class_names=names))
    assert domain.class_names == ("zebra", "ant", "bee")
    target = open_target(tmp_path / "domain.npz", class_names=("ant", "bee", "zebra"))
    assert target.labels.tolist() == [2, 0, 1, 2, 0, 1]


NAN = np.ones((5, 4), np.float32)
NAN[3, 1] = np.nan
NAN[4, 2] = np.inf
AMBIGUOUS = np.zeros((2, 3, 8, 3), np.uint8)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": NAN, "y": [0, 1, 0, 1, 0]}, r"2 values .* first at \[3, 1\]"),
        ({"x": AMBIGUOUS, "y": [0, 1]}, r"\(N, H, W, C\) or \(N, C, H, W\)"),
        ({"x": AMBIGUOUS, "y": [0, 1], "layout": "HWCN"}, "'NHWC' or 'NCHW'"),
        ({"x": np.zeros((2, 8, 8, 4), np.uint8), "y": [0, 1]}, "1 or 3 channels"),
        ({"x": np.zeros((2, 3, 8, 8), np.uint8), "layout": "NHWC", "y": [0, 1]}, "1 or 3 channels"),
        ({"x": np.zeros(3), "y": [0, 1, 1]}, "shape"),
        ({"x": np.zeros((0, 8, 8)), "y": []}, "at least one item"),
        ({"x": np.full((2, 8, 8), 2.0), "y": [0, 1]}, "from 2 to 2; scale them"),
        ({"x": np.zeros((2, 8, 8), np.int64), "y": [0, 1]}, "images as int64"),
        ({"x": np.array([["a"], ["b"]]), "y": [0, 1]}, "not numbers"),
        ({"x": np.array([[1e300], [0]]), "y": [0, 1]}, "too large"),
        ({"x": IMAGES, "y": Y - 1}, "label -1 of item 0 is out of range"),
        ({"x": IMAGES, "y": Y, "class_names": ["a", "b"]}, "label 2 of item 2 is out of range"),
        ({"x": IMAGES, "y": Y, "class_names": ["a", "b", "a"]}, "a name twice"),
        ({"x": IMAGES, "y": Y[:4]}, "for 6 items"),
        ({"x": IMAGES, "y": Y + 0.5}, "whole numbers or strings"),
        ({"x": IMAGES, "y": Y * 0}, "single class, '0'"),
        ({"images": IMAGES, "y": Y}, r"no array 'x' \(it has images, y\)"),
    ],
)
def test_wrong_content_is_one_line_with_the_place(tmp_path, arrays, message):
    with pytest.raises(DataError, match=message) as caught:
        open_source(save(tmp_path, **arrays))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("layout", "shape"), [("NHWC", (2, 3, 8, 3)), ("NCHW", (2, 8, 3, 3))])
def test_layout_settles_an_ambiguous_shape(tmp_path, layout, shape):
    domain = open_source(save(tmp_path, x=AMBIGUOUS, y=[0, 1], layout=layout))
    assert domain.store.shape == shape


def test_objects_are_never_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("it was unpickled",))

    path = save(tmp_path, x=np.array([Trap(), Trap()], dtype=object), y=[0, 1])
    with pytest.raises(DataError, match="Python objects"):
        open_source(path)


@pytest.mark.parametrize("keep", [0, 1, 100, 500, 900])
def test_truncated_file(tmp_path, keep):
    path = save(tmp_path, x=IMAGES, y=Y)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match="truncated") as caught:
        open_source(path)
    assert "\n" not in str(caught.value)


@quick
@given(position=st.integers(0, 1500), value=st.integers(0, 255))
def test_a_changed_byte_is_read_or_refused_but_never_crashes(tmp_path, position, value):
    path = save(tmp_path, x=IMAGES, y=Y)
    raw = bytearray(path.read_bytes())
    raw[position % len(raw)] = value
    path.write_bytes(bytes(raw))
    with contextlib.suppress(DataError):
        open_source(path)


def test_single_array_and_other_files(tmp_path):
    np.save(tmp_path / "x.npy", IMAGES)
    (tmp_path / "x.npy").rename(tmp_path / "x.npz")
    with pytest.raises(DataError, match="a single array"):
        open_source(tmp_path / "x.npz")
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(DataError, match=r"is a \.txt file"):
        open_source(tmp_path / "notes.txt")


def test_size_and_channels(tmp_path):
    path = save(tmp_path, x=IMAGES, y=Y)
    assert open_source(path, size=16, channels=1).input_shape == (1, 16, 16)
    with pytest.raises(ConfigurationError, match="size 0 is not positive and channels 2"):
        open_source(path, size=0, channels=2)
    vectors = save(tmp_path, x=np.eye(6), y=Y)
    with pytest.raises(ConfigurationError, match="vectors of 6 features"):
        open_source(vectors, size=16)


def test_bytes_are_text(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, x=np.zeros((4, 2)), y=[0, 1, 0, 1], class_names=np.array([b"a", b"\xc3\xa9"]))
    assert open_source(path).class_names == ("a", "é")
    np.savez(path, x=np.zeros((2, 3, 3, 3), np.uint8), y=np.array([b"a", b"b"]), layout=b"NHWC")
    assert open_source(path).class_names == ("a", "b")
    np.savez(path, x=np.zeros((2, 3)), y=np.array([b"\xe9", b"b"]))
    with pytest.raises(DataError, match="y holds bytes that are not UTF-8"):
        open_source(path)
