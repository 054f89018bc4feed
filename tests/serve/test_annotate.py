"""Annotated copies: legible, large enough, and never in place of an original."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from acclimate.core.errors import RunError
from acclimate.serve.annotate import (
    LARGEST_ENLARGED_SIDE,
    MARKER,
    SMALLEST_SIDE,
    AnnotationFolder,
    annotated,
)


def noise(height, width, mode="RGB"):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


@settings(deadline=None, max_examples=25)
@given(
    height=st.integers(1, 400),
    width=st.integers(1, 400),
    label=st.text(max_size=200),
    mode=st.sampled_from(["RGB", "L", "RGBA", "P", "1", "CMYK", "LA"]),
)
def test_any_picture_and_label(height, width, label, mode):
    copy = annotated(noise(height, width, mode), label, 0.5)
    assert copy.mode == "RGB"
    one_more = max(copy.size) + max(height, width)
    assert min(copy.size) >= SMALLEST_SIDE or one_more > LARGEST_ENLARGED_SIDE
    assert copy.width >= SMALLEST_SIDE


def test_sixteen_bits_keep_their_contrast():
    ramp = Image.fromarray(np.linspace(0, 60_000, 900).astype(np.uint16).reshape(30, 30))
    copy = np.asarray(annotated(ramp, "cat", 0.5).convert("L"))
    assert copy[0, 0] == 0
    assert copy[299, 299] > 250
    assert len(np.unique(copy[:300])) > 100


def test_pixels_of_tiny_pictures_stay_visible_and_whole():
    """Enlarged by a whole factor: shrinking it again gives the original back."""
    picture = noise(28, 28)
    copy = annotated(picture, "7", 0.93)
    assert copy.size[0] == 308
    inside = copy.crop((0, 0, 308, 308)).resize((28, 28), Image.Resampling.NEAREST)
    assert np.array_equal(np.asarray(inside), np.asarray(picture))


@pytest.mark.parametrize("colour", ["white", "black", "red"])
def test_text_has_contrast_on_any_background(colour):
    picture = Image.new("RGB", (400, 300), colour)
    strip = np.asarray(annotated(picture, "cat", 0.93).crop((0, 300, 400, 330)).convert("L"))
    assert strip.max() > 200
    assert np.median(strip) < 40


def test_text_says_the_label():
    """Other labels and other probabilities look different; the same ones look alike."""
    picture = noise(64, 64)
    first = annotated(picture, "cat", 0.93)
    assert first.tobytes() == annotated(picture, "cat", 0.93).tobytes()
    assert first.tobytes() != annotated(picture, "dog", 0.93).tobytes()
    assert first.tobytes() != annotated(picture, "cat", 0.53).tobytes()


def test_long_labels_fit():
    """The last column of the strip stays empty, so nothing is cut at the edge."""
    copy = annotated(noise(300, 300), "no entry for vehicles " * 10, 0.5)
    strip = np.asarray(copy.crop((0, 300, *copy.size)).convert("L"))
    assert strip[:, :4].max() < 40
    assert strip[:, -4:].max() < 40


def test_turned_as_the_camera_was_held(tmp_path):
    picture = Image.new("RGB", (400, 320))
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(tmp_path / "a.jpg", exif=exif)
    with Image.open(tmp_path / "a.jpg") as turned:
        assert annotated(turned, "cat", 0.5).width == 320


def test_folder_that_is_not_ours_is_refused(tmp_path):
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(RunError, match="no original is overwritten"):
        AnnotationFolder(tmp_path).check()
    with pytest.raises(RunError, match="is a file"):
        AnnotationFolder(tmp_path / "photo.jpg").check()


def test_folder_can_be_used_again(tmp_path):
    original = tmp_path / "a.gif"
    noise(20, 20).save(original)
    folder = AnnotationFolder(tmp_path / "copies")
    for probability in (0.5, 0.9):
        folder.check()
        folder.prepare()
        written = folder.write(original, original.relative_to(tmp_path), "cat", probability)
        assert written == tmp_path / "copies" / "a.gif.png"
    names = sorted(path.name for path in (tmp_path / "copies").iterdir())
    assert names == [MARKER, "a.gif.png"]
