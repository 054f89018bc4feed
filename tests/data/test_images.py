"""Modes, depths and orientations of image files; size and channels of arrays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from acclimate.data.images import decode, harmonise

RED = (200, 30, 60)
GREY_OF_RED = round(0.299 * 200 + 0.587 * 30 + 0.114 * 60)


def pixel(tmp_path, image, channels=3, suffix=".png", **options):
    path = tmp_path / f"image{suffix}"
    image.save(path, **options)
    decoded = decode(path, 4, channels)
    assert decoded.dtype == np.uint8
    assert decoded.shape == (4, 4, channels)
    return decoded[2, 2].tolist()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_colour_modes(tmp_path, mode):
    image = Image.new("RGB", (6, 6), RED).convert(mode)
    # Pillow's own palette has no exact match of the colour
    assert pixel(tmp_path, image) == pytest.approx(RED, abs=5 if mode == "P" else 0)
    assert pixel(tmp_path, image, channels=1) == pytest.approx([GREY_OF_RED], abs=1)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.new("L", (6, 6), 77), 77),
        (Image.new("1", (6, 6), 1), 255),
        (Image.fromarray(np.full((6, 6), 77 * 257, np.uint16)), 77),
        (Image.new("LA", (6, 6), (77, 255)), 77),
    ],
)
def test_grey_modes(tmp_path, image, expected):
    assert pixel(tmp_path, image) == [expected] * 3
    assert pixel(tmp_path, image, channels=1) == [expected]


def test_cmyk_and_floating_point(tmp_path):
    cmyk = Image.new("RGB", (6, 6), RED).convert("CMYK")
    assert pixel(tmp_path, cmyk, suffix=".tif") == pytest.approx(RED, abs=2)
    floating = Image.fromarray(np.full((6, 6), 0.2, np.float32))
    assert pixel(tmp_path, floating, suffix=".tiff") == [51] * 3
    with pytest.raises(ValueError, match="outside 0 … 1"):
        pixel(tmp_path, Image.fromarray(np.full((6, 6), 7.0, np.float32)), suffix=".tiff")


def test_transparent_becomes_white(tmp_path):
    hidden_colour = Image.new("RGBA", (6, 6), (*RED, 0))
    assert pixel(tmp_path, hidden_colour) == [255, 255, 255]
    palette = Image.new("P", (6, 6), 3)
    palette.putpalette([0] * 768)
    assert pixel(tmp_path, palette, transparency=3) == [255, 255, 255]


def test_first_frame_of_an_animation(tmp_path):
    frames = [Image.new("RGB", (6, 6), colour) for colour in (RED, (0, 0, 255))]
    got = pixel(tmp_path, frames[0], suffix=".gif", save_all=True, append_images=frames[1:])
    assert got == pytest.approx(RED, abs=2)


def test_exif_orientation_is_applied(tmp_path):
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:4] = 255  # bright on top
    exif = Image.Exif()
    exif[0x0112] = 3  # turned by 180°
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    decoded = decode(tmp_path / "turned.png", 8, 1)[..., 0]
    assert decoded[:4].max() == 0
    assert decoded[4:].min() == 255


def test_large_photographs_are_read_as_pillow_reads_them(tmp_path):
    random = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(random).resize((640, 640)).save(tmp_path / "large.jpg", quality=95)
    with Image.open(tmp_path / "large.jpg") as image:
        expected = np.asarray(image.resize((32, 32), Image.Resampling.BILINEAR), np.int64)
    assert np.abs(decode(tmp_path / "large.jpg", 32, 3) - expected).mean() < 3


def test_resizing_is_antialiased_and_matches_torch():
    import torch
    from torch.nn.functional import interpolate

    images = np.random.default_rng(1).integers(0, 256, (3, 40, 30, 3), dtype=np.uint8)
    ours = harmonise(images, 16, None).astype(np.int64)
    channels_first = torch.from_numpy(images).permute(0, 3, 1, 2)
    theirs = interpolate(channels_first, (16, 16), mode="bilinear", antialias=True)
    assert np.abs(ours - theirs.permute(0, 2, 3, 1).numpy()).max() <= 1


@settings(max_examples=30, deadline=None)
@given(
    size=st.none() | st.integers(1, 12),
    before=st.sampled_from([1, 3]),
    after=st.sampled_from([None, 1, 3]),
    grey=st.integers(0, 255),
)
def test_harmonise_keeps_what_is_flat(size, before, after, grey):
    images = np.full((2, 7, 5, before), grey, np.uint8)
    result = harmonise(images, size, after)
    assert result.dtype == np.uint8
    assert result.shape == (2, size or 7, size or 5, after or before)
    assert (result == grey).all()


def test_grey_is_luma():
    colours = np.array([RED, (255, 255, 255), (0, 0, 0)], np.uint8).reshape(3, 1, 1, 3)
    assert harmonise(colours, None, 1).ravel().tolist() == [GREY_OF_RED, 255, 0]
