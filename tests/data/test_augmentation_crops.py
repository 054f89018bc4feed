"""Augmentation that shows a part of each picture: against slices, torchvision and closed forms."""

import pytest
import torch
import torchvision.transforms.v2.functional as reference

from acclimate.core.errors import DataError
from acclimate.data import augmentation as module
from acclimate.data import rand_augment
from acclimate.data.augmentation import PRESETS, Augmentation
from acclimate.data.crops import cut, places


def draw(count=8, height=16, width=12, seed=0):
    """Pictures of 8 bits, without black and white."""
    random = torch.Generator().manual_seed(seed)
    return torch.randint(5, 250, (count, 3, height, width), generator=random) / 255


def coordinates(height, width, count=1):
    """Channels 0 and 1 are the places of the pixels' middles, x and y in pixels."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    picture = torch.stack([columns + 0.5, rows + 0.5, 0.0 * rows])
    return picture.repeat(count, 1, 1, 1)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def always(monkeypatch, value):
    """Every uniform draw in [-1, 1) is ``value``."""
    monkeypatch.setattr(module, "_uniform", lambda shape, like, generator: torch.full(shape, value))


def test_without_any_change_it_is_the_centre():
    for augmentation in PRESETS["none"]:
        for size in (5, 6, 12):
            found = augmentation(draw(), seeded(), size)
            assert torch.equal(found, reference.center_crop(draw(), [size, size]))


@pytest.mark.parametrize("which", [0, 1])
def test_crop_flip_shows_slices_and_their_mirrors(which):
    images = coordinates(16, 12, 4000)
    found = PRESETS["crop-flip"][which](images, seeded(), 9)
    left, top = found[:, 0].amin((1, 2)), found[:, 1].amin((1, 2))
    assert set(left.tolist()) == {0.5, 1.5, 2.5, 3.5}
    assert set(top.tolist()) == {row + 0.5 for row in range(8)}
    mirrored = found[:, 0, 0, 0] > found[:, 0, 0, 1]
    assert 0.46 < mirrored.float().mean() < 0.54
    upright = torch.where(mirrored[:, None, None, None], found.flip(3), found)
    start = torch.stack([left - 0.5, top - 0.5, 0 * top], 1)[..., None, None]
    assert torch.equal(upright, coordinates(9, 9) + start)


def test_resampled_without_zoom_is_the_slice():
    """What nearly does not move is nearly the same crop, at the stored resolution."""
    images = draw(30)
    exact = Augmentation(random_crop=True, flip=0.5)(images, seeded(), 7)
    moved = Augmentation(random_crop=True, flip=0.5, shift=1e-7)(images, seeded(), 7)
    torch.testing.assert_close(moved, exact, atol=1e-4, rtol=0)
    centred = Augmentation(rotation=1e-5)(images, seeded(), 7)
    expected = reference.center_crop(images, [7, 7])
    torch.testing.assert_close(centred, expected, atol=1e-4, rtol=0)


def test_a_quarter_turn_of_the_crop_is_exact(monkeypatch):
    always(monkeypatch, 1.0)
    for height, width, size in ((9, 9, 5), (9, 15, 5), (10, 8, 4), (9, 8, 5)):
        images = draw(height=height, width=width)
        found = Augmentation(rotation=90)(images, seeded(), size)
        expected = reference.center_crop(images, [size, size]).rot90(1, (2, 3))
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_a_turned_crop_shows_what_is_around_it(monkeypatch):
    """By 45 degrees the corners look √2 as far, without a border."""
    always(monkeypatch, 1.0)
    found = Augmentation(rotation=45)(coordinates(40, 60), seeded(), 20)[0, :2]
    middle = torch.tensor([30.0, 20.0])
    corners = [found[:, row, column] - middle for row in (0, -1) for column in (0, -1)]
    expected = [[-13.435, 0], [0, -13.435], [0, 13.435], [13.435, 0]]
    found_corners = sorted([[round(v, 2) for v in corner.tolist()] for corner in corners])
    for one, other in zip(found_corners, sorted(expected), strict=True):
        assert one == pytest.approx(other, abs=0.02)


def test_shift_is_a_share_of_the_crop(monkeypatch):
    always(monkeypatch, 1.0)
    found = Augmentation(shift=0.25)(coordinates(30, 40), seeded(), 8)[0]
    assert found[0, 0, 0].item() == pytest.approx(16 + 0.25 * 8 + 0.5, abs=1e-3)
    assert found[1, 0, 0].item() == pytest.approx(11 + 0.25 * 8 + 0.5, abs=1e-3)


@pytest.mark.parametrize(("draws", "window"), [(0.0, (6, 6, 12, 12)), (1.0, (12, 0, 12, 24))])
@pytest.mark.parametrize("size", [None, 10])
def test_area_against_torchvision(draws, window, size, monkeypatch):
    """A quarter of the picture from the middle; half of it, twice as wide as high, from below."""
    monkeypatch.setattr(module, "_ASPECT", 2.0)
    always(monkeypatch, draws)
    images = reference.gaussian_blur(draw(height=24, width=24), [5, 5])
    share = 0.25 if draws == 0.0 else 0.5
    found = Augmentation(area=(share, share))(images, seeded(), size)
    side = size or 24
    expected = reference.resized_crop(images, *window, [side, side], antialias=False)
    # theirs repeats the window's border, ours sees past it
    inside = (..., slice(2, -2), slice(2, -2))
    torch.testing.assert_close(found[inside], expected[inside], atol=1e-4, rtol=0)


def test_windows_have_the_area_and_aspect_that_are_asked_for():
    images = coordinates(60, 90, 3000)
    found = Augmentation(area=(0.1, 0.4))(images, seeded(), 30)
    # pixels' middles are the window's side / 30 apart
    across, down = (
        found[:, 0, 15, 16] - found[:, 0, 15, 15],
        found[:, 1, 16, 15] - found[:, 1, 15, 15],
    )
    width, height = across * 30, down * 30
    share = width * height / (60 * 90)
    assert share.min() > 0.1 - 1e-3
    assert share.max() < 0.4 + 1e-3
    assert share.mean().item() == pytest.approx(0.25, abs=0.01)
    ratio = (width / height).log()
    assert ratio.abs().max() < torch.tensor(4 / 3).log() + 1e-3
    assert ratio.mean().item() == pytest.approx(0, abs=0.02)
    # from the first to the last pixel's middle, all within the picture, and everywhere in it
    assert found[:, :2].min() > 0
    assert found[:, 0].max() < 90
    assert found[:, 1].max() < 60
    assert found[:, 0].mean().item() == pytest.approx(45, abs=1)
    assert found[:, 1].mean().item() == pytest.approx(30, abs=1)


def test_a_window_is_never_larger_than_the_picture():
    found = Augmentation(area=(1.0, 1.0))(coordinates(20, 50, 200), seeded(), 10)
    assert found[:, 0].max() <= 50
    assert found[:, 1].max() <= 20
    assert found.min() >= 0


def test_rand_augment_of_a_crop_is_its_operations_on_the_slice():
    """With magnitude 0 nothing moves, and values change as they do in the slice itself."""
    images = draw(40)
    found = Augmentation(random_crop=True, operations=2)(images, seeded(), 9)
    generator = seeded()
    starts = places(16, 12, (9, 9), torch.rand((2, 40), generator=generator))
    drawn = rand_augment.draw(2, 40, 0.0, generator, torch.device("cpu"))
    slices = cut(images, starts, (9, 9), torch.zeros(40, dtype=torch.bool))
    expected = rand_augment.change_values(slices, drawn)
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)
    assert (expected - slices).abs().amax((1, 2, 3)).gt(0.01).sum() > 5


def test_rand_augment_turns_the_mirrored_crop(monkeypatch):
    """The published order: first the crop and its mirror, then the operations, on its pixels."""
    turned = rand_augment.Drawn(
        torch.full((1, 1), rand_augment.OPERATIONS.index("translate-x")), torch.ones(1, 1)
    )
    monkeypatch.setattr(rand_augment, "draw", lambda *_: turned)
    for flip in (0.0, 1.0):
        augmentation = Augmentation(flip=flip, operations=1, magnitude=10)
        found = 40 * augmentation(coordinates(20, 40) / 40, seeded(), 10)[0, 0, 0]
        slices = coordinates(20, 40)[0, 0, 0, 15:25]
        # by 4 = ⌊150 / 331 · 10⌋ pixels of what the crop shows, whichever way it looks
        expected = slices.flip(0) - 4 if flip else slices + 4
        torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize("size", [13, 200])
def test_a_crop_larger_than_the_picture_is_one_line(size):
    with pytest.raises(
        DataError, match=r"16×12 pixels hold no crop of side .* at most 12"
    ) as caught:
        PRESETS["crop-flip"][0](draw(), seeded(), size)
    assert "\n" not in str(caught.value)
