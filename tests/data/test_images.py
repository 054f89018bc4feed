"""Modes, depths and orientations of image files; size and channels of arrays."""

from __future__ import annotations

import io
import threading

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from acclimate.data.images import decode, harmonise, in_threads, probe

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


def noise(height, width, channels=3, seed=0, top=256, dtype=np.uint8):
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(seed).integers(0, top, shape, dtype=dtype)


def encoded(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def scaled_by_pillow(image, size):
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR)).astype(np.int64)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("WEBP", {"lossless": True}),
        ("PPM", {}),
        ("JPEG", {"quality": 90}),
        ("JPEG", {"quality": 90, "progressive": True}),
    ],
)
def test_every_format_is_what_pillow_reads(tmp_path, kind, options):
    content = encoded(Image.fromarray(noise(20, 31)), kind, **options)
    (tmp_path / "picture").write_bytes(content)  # the content tells the format, not the name
    with Image.open(io.BytesIO(content)) as image:
        expected = scaled_by_pillow(image.convert("RGB"), 12)
        grey = scaled_by_pillow(image.convert("L"), 12)
    for picture in (content, tmp_path / "picture"):
        assert (decode(picture, 12, 3) == expected).all()
        assert (decode(picture, 12, 1)[..., 0] == grey).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_every_exif_orientation_is_what_opencv_shows(orientation, kind):
    # two bright corners of three tell all eight apart
    pixels = np.zeros((16, 24), np.uint8)
    pixels[:8, :8], pixels[8:, :8] = 255, 120
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 100, "lossless": True} if kind == "WEBP" else {"quality": 100}
    image = Image.fromarray(pixels).convert("RGB" if kind == "WEBP" else "L")
    # opencv turns JPEG files for certain, other kinds in some versions only
    jpeg = encoded(image.convert("L"), "JPEG", exif=exif, quality=100)
    shown = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    expected = scaled_by_pillow(Image.fromarray(shown), 8)
    content = encoded(image, kind, exif=exif, **options)
    assert np.abs(decode(content, 8, 1)[..., 0] - expected).max() <= 2


def test_cmyk_jpeg_is_inverted_as_adobe_does():
    image = Image.fromarray(noise(4, 4)).resize((32, 32)).convert("CMYK")
    content = encoded(image, "JPEG", quality=100)
    assert b"Adobe" in content[:64]
    expected = np.asarray(image.convert("RGB")).astype(np.int64)
    assert np.abs(decode(content, 32, 3) - expected).mean() < 3
    # opencv converts by itself, from the inverted values that are in the file
    theirs = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert np.abs(decode(content, 32, 3) - theirs.astype(np.int64)).mean() < 3


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_half_transparent_is_blended_with_white(mode):
    alpha = noise(9, 9, 1, seed=1)
    image = Image.fromarray(noise(9, 9)).convert("RGBA" if mode == "RGBA" else "LA")
    image.putalpha(Image.fromarray(alpha))
    image = image.convert(mode) if mode == "PA" else image
    with_alpha = np.asarray(image.convert("RGBA")).astype(np.float64)
    share = with_alpha[..., 3:] / 255
    expected = with_alpha[..., :3] * share + 255 * (1 - share)
    found = decode(encoded(image, "TIFF" if mode == "PA" else "PNG"), 9, 3)
    assert np.abs(found - expected).max() <= 1


def test_palette_with_a_transparency_for_each_colour():
    image = Image.fromarray(np.arange(16, dtype=np.uint8).reshape(4, 4), "P")
    image.putpalette(noise(16, 3, 1).ravel().tolist())
    alphas = bytes(range(0, 256, 17))
    found = decode(encoded(image, "PNG", transparency=alphas), 4, 3)
    colours = noise(16, 3, 1).astype(np.float64)
    share = np.frombuffer(alphas, np.uint8)[:, None] / 255
    expected = (colours * share + 255 * (1 - share)).reshape(4, 4, 3)
    assert np.abs(found - expected).max() <= 1


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_sixteen_bits_are_rounded_to_eight(tmp_path, suffix):
    deep = noise(11, 11, 1, top=65536, dtype=np.uint16)
    cv2.imwrite(str(tmp_path / f"deep{suffix}"), deep)
    found = decode(tmp_path / f"deep{suffix}", 11, 1)[..., 0]
    assert (found == np.round(deep / 257)).all()


def test_sixteen_bits_in_the_other_order_of_bytes(tmp_path):
    deep = noise(11, 11, 1, top=65536, dtype=np.uint16)
    image = Image.frombytes("I;16B", (11, 11), deep.astype(">u2").tobytes())
    exif = Image.Exif()
    exif[0x0112] = 3
    found = decode(encoded(image, "TIFF", exif=exif), 11, 1)[..., 0]
    assert (found == np.round(deep[::-1, ::-1] / 257)).all()


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_sixteen_bits_in_colour(tmp_path, suffix):
    deep = noise(11, 11, top=65536, dtype=np.uint16)
    cv2.imwrite(str(tmp_path / f"deep{suffix}"), deep[..., ::-1])
    assert np.abs(decode(tmp_path / f"deep{suffix}", 11, 3) - deep / 257).max() <= 1


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    size=st.integers(1, 40),
    channels=st.sampled_from([1, 3]),
)
def test_crop_is_torchvisions_resize_and_centre_crop(height, width, size, channels):
    from torchvision.transforms import functional as transforms

    image = Image.fromarray(noise(height, width, channels))
    bilinear = transforms.InterpolationMode.BILINEAR
    expected = transforms.center_crop(transforms.resize(image, [size], bilinear), [size])
    found = decode(encoded(image, "PNG"), size, channels, "crop").astype(np.int64)
    assert np.abs(found - np.asarray(expected).reshape(found.shape)).max() <= 1


def test_crop_shows_the_middle_of_what_is_upright():
    pixels = np.zeros((30, 90), np.uint8)
    pixels[:, 30:60] = 200
    exif = Image.Exif()
    exif[0x0112] = 6
    image = encoded(Image.fromarray(pixels), "PNG", exif=exif)
    assert decode(image, 30, 1, "crop").min() == 200
    assert decode(image, 30, 1, "squash").min() == 0
    assert (harmonise(pixels[None, :, :, None], 30, None, "crop") == 200).all()


def test_a_strip_is_cropped_without_scaling_all_of_it():
    strip = Image.new("L", (60000, 1), 9)
    # the whole of it at this scale would have 60000 · 400 · 400 pixels
    assert (decode(encoded(strip, "PNG"), 400, 1, "crop") == 9).all()


def test_threads_keep_the_order_and_hand_on_errors():
    assert list(in_threads(lambda n: n * n, range(1000), ahead=3)) == [n * n for n in range(1000)]
    done = []

    def work(task):
        done.append(task)
        if task == 7:
            raise ValueError("seven")
        return task * task

    results = in_threads(work, iter(range(10**9)), ahead=4)
    assert [next(results) for _ in range(7)] == [n * n for n in range(7)]
    with pytest.raises(ValueError, match="seven"):
        next(results)
    assert len(done) < 20


def test_threads_give_up_what_is_not_wanted_any_more():
    gate, started = threading.Event(), []

    def work(task):
        started.append(task)
        if task == 0:
            raise ValueError("zero")
        gate.wait(10)

    with pytest.raises(ValueError, match="zero"):
        next(in_threads(work, range(100), ahead=100))
    gate.set()
    # tasks are taken in order, so that those that were still to come would be done before these
    assert list(in_threads(lambda n: n, range(50))) == list(range(50))
    assert len(started) < 20


def test_probe_looks_at_headers_only():
    content = encoded(Image.fromarray(noise(50, 50)), "PNG")
    probe(content[: len(content) // 2])
    with pytest.raises(OSError, match="truncated"):
        decode(content[: len(content) // 2], 8, 3)
    with pytest.raises(OSError, match="cannot identify"):
        probe(b"nothing")


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


@pytest.mark.parametrize("turn", range(1, 9))
def test_turned_as_pillow_turns_also_where_another_tag_is_odd(turn, tmp_path):
    """Pillow writes the EXIF anew when it turns a picture, and fails on what a camera wrote wrongly."""
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = turn
    image.save(tmp_path / "x.png", exif=exif)
    with Image.open(tmp_path / "x.png") as opened:
        expected = np.asarray(
            ImageOps.exif_transpose(opened).resize((5, 5), Image.Resampling.BILINEAR)
        )
    np.testing.assert_array_equal(decode(tmp_path / "x.png", 5, 3), expected)


def test_a_tag_that_cannot_be_written_again_costs_nothing(tmp_path):
    exif = Image.Exif()
    exif[0x0112], exif[0x011A] = 6, 72.0
    data = exif.tobytes()
    entry = (0x011A).to_bytes(2, "big") + (5).to_bytes(2, "big")
    assert data.count(entry) == 1
    # the resolution, a fraction, as text
    odd = data.replace(entry, entry[:2] + (2).to_bytes(2, "big"))
    Image.new("RGB", (8, 4), "red").save(tmp_path / "x.jpg", exif=odd)
    with Image.open(tmp_path / "x.jpg") as opened, pytest.raises(TypeError):
        ImageOps.exif_transpose(opened)
    assert decode(tmp_path / "x.jpg", 4, 3).shape == (4, 4, 3)
