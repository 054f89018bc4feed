"""Augmentation of a batch against other libraries and closed forms."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from scipy import ndimage
from torch.utils._python_dispatch import TorchDispatchMode

from acclimate.core.errors import ConfigurationError
from acclimate.data import augmentation as module
from acclimate.data.augmentation import PRESETS, Augmentation, augmentation_pair

SINGLE = {
    "rotation": 30,
    "scale": 0.3,
    "shear": 0.3,
    "shift": 0.2,
    "flip": 0.5,
    "brightness": 0.3,
    "contrast": 0.4,
    "colour": 0.3,
    "invert": 0.5,
    "noise": 0.2,
    "cutout": 0.5,
    "saturation": 0.6,
    "hue": 0.3,
    "random_crop": True,
    "area": (0.2, 0.8),
    "operations": 2,
    "magnitude": 8,
}
TOGETHER = {"magnitude": {"operations": 2}, "operations": {"magnitude": 5}}


def single(option, value):
    return Augmentation(**TOGETHER.get(option, {}), **{option: value})


def crop_for(option):
    return 8 if option == "random_crop" else None


def draw(count=8, channels=3, height=12, width=12, seed=0):
    random = torch.Generator().manual_seed(seed)
    images = torch.rand(count, channels, height, width, generator=random)
    return images.contiguous(memory_format=torch.channels_last)


def smooth(height, width):
    """One picture without sharp edges, so that interpolation errs little."""
    rows, columns = torch.meshgrid(
        torch.linspace(0, 3, height), torch.linspace(0, 2, width), indexing="ij"
    )
    return (0.5 + 0.25 * (rows.sin() + (2 * columns).cos() * rows.cos()))[None, None]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def largest(monkeypatch):
    """Every uniform draw is the largest, 1."""
    monkeypatch.setattr(module, "_uniform", lambda shape, like, generator: torch.ones(shape))


def test_without_ranges_nothing_changes():
    images = draw()
    nothing = Augmentation()
    assert not nothing.changes_anything
    assert torch.equal(nothing(images.clone(), seeded()), images)
    assert not any(augmentation.changes_anything for augmentation in PRESETS["none"])


@pytest.mark.parametrize("option", SINGLE)
def test_every_option_does_something_and_zero_does_nothing(option):
    images, crop = draw(), crop_for(option)
    changed = single(option, SINGLE[option])
    without = single(option, Augmentation.model_fields[option].default)
    assert changed.changes_anything
    ours, plain = (each(images.clone(), seeded(), crop) for each in (changed, without))
    assert not torch.allclose(ours, plain, atol=1e-3)
    if option != "magnitude":
        expected = images if crop is None else images[..., 2:10, 2:10]
        assert torch.equal(plain, expected)


def test_every_option_is_tested_here():
    assert SINGLE.keys() == Augmentation.model_fields.keys()


@pytest.mark.parametrize("option", SINGLE)
def test_every_item_has_its_own_draw(option):
    images = draw(1).repeat(16, 1, 1, 1)
    result = single(option, SINGLE[option])(images, seeded(), crop_for(option))
    distinct = {tuple(item.flatten().tolist()) for item in result}
    # a coin has two sides; all else is continuous (a cut-out may miss every pixel)
    assert len(distinct) == 2 if option in ("flip", "invert") else len(distinct) >= 10


@pytest.mark.parametrize("crop", [None, 7])
@pytest.mark.parametrize("name", [name for name in PRESETS if name != "none"])
def test_items_do_not_see_each_other(name, crop):
    for augmentation in filter(lambda each: each.changes_anything, PRESETS[name]):
        images, other = draw(), draw()
        other[3] = 1 - other[3]
        ours, theirs = augmentation(images, seeded(), crop), augmentation(other, seeded(), crop)
        rest = [index for index in range(8) if index != 3]
        assert torch.equal(ours[rest], theirs[rest])
        assert not torch.equal(ours[3], theirs[3])


@settings(deadline=None, max_examples=150)
@given(
    name=st.sampled_from(sorted(PRESETS)),
    strong=st.booleans(),
    shape=st.tuples(st.integers(1, 9), st.sampled_from([1, 3, 4]), *[st.integers(1, 20)] * 2),
    seed=st.integers(0, 99),
    data=st.data(),
)
def test_presets_stay_between_zero_and_one_and_in_shape(name, strong, shape, seed, data):
    augmentation = PRESETS[name][0 if strong else 1]
    crop = data.draw(st.none() | st.integers(1, min(shape[2:])), "crop")
    images = draw(*shape, seed)
    kept = images.clone()
    result = augmentation(images, seeded(seed), crop)
    assert result.shape == (*shape[:2], *(shape[2:] if crop is None else (crop, crop)))
    assert result.dtype == torch.float32
    assert result.min() >= 0
    assert result.max() <= 1 + 1e-6
    assert torch.equal(images, kept)
    # the generator decides, and nothing else
    torch.manual_seed(seed + 1)
    assert torch.equal(augmentation(images, seeded(seed), crop), result)


@pytest.mark.parametrize("crop", [None, 7])
@pytest.mark.parametrize("name", sorted(PRESETS))
def test_another_generator_draws_otherwise(name, crop):
    for augmentation in PRESETS[name]:
        first, other = (augmentation(draw(), seeded(seed), crop) for seed in (1, 2))
        assert torch.equal(first, other) != augmentation.changes_anything


# sums over a batch before pictures could be larger than what the network sees
SUMS = {
    "none": (1.2788, 1.2788),
    "light": (3.6037, 1.2788),
    "strong": (6.4991, 3.3522),
    "digits": (110.0678, 3.3522),
    "photos": (-9.3354, 2.9396),
}


@pytest.mark.parametrize("name", SUMS)
def test_without_a_crop_a_preset_is_what_it_was(name):
    for augmentation, expected in zip(PRESETS[name], SUMS[name], strict=True):
        images = draw(height=13, width=11)
        weights = torch.linspace(-1, 1, images.numel()).view(images.shape)
        found = augmentation(images, seeded()).mul(weights).sum().item()
        assert found == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("name", PRESETS)
def test_a_crop_of_the_whole_is_no_crop(name):
    for augmentation in PRESETS[name]:
        ours, theirs = (augmentation(draw(), seeded(), crop) for crop in (None, 12))
        assert torch.equal(ours, theirs)


class NoWaiting(TorchDispatchMode):
    """Refuses what makes a host wait for its device."""

    FORBIDDEN = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "bincount")

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = str(func)
        assert not any(word in name for word in self.FORBIDDEN), name
        if "index" in name and isinstance(args[1], (list, tuple)):  # a mask's size is looked up
            assert not any(each is not None and each.dtype == torch.bool for each in args[1]), name
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("crop", [None, 7])
@pytest.mark.parametrize("name", [*PRESETS, *SINGLE])
def test_nothing_waits_for_the_device(name, crop):
    pair = PRESETS[name] if name in PRESETS else (single(name, SINGLE[name]),)
    for augmentation in pair:
        images, generator = draw(), seeded()
        with NoWaiting():
            augmentation(images, generator, crop)


def test_the_check_for_waiting_notices():
    for waits in (lambda x: x.max().item(), lambda x: x[x > 0.5]):
        with NoWaiting(), pytest.raises(AssertionError):
            waits(draw())


@pytest.mark.parametrize("shape", [(41, 41), (31, 51)])
@pytest.mark.parametrize("degrees", [0, 15, 33, 90, 180])
def test_rotation_against_scipy(degrees, shape, largest):
    image = smooth(*shape)
    result = Augmentation(rotation=degrees)(image.clone(), seeded()) if degrees else image
    expected = ndimage.rotate(image[0, 0].numpy(), degrees, reshape=False, order=1, mode="nearest")
    inside = (slice(None), slice(None), *(slice(s // 2 - 8, s // 2 + 9) for s in shape))
    torch.testing.assert_close(
        result[inside], torch.from_numpy(expected)[None, None][inside], atol=1e-4, rtol=0
    )


def test_rotation_by_a_quarter_turn_is_exact(largest):
    image = draw(1, height=7, width=7)
    result = Augmentation(rotation=90)(image.clone(), seeded())
    torch.testing.assert_close(result, image.rot90(1, (2, 3)), atol=1e-5, rtol=0)


def test_shift_by_whole_pixels(largest):
    image = draw(1, height=8, width=12)
    result = Augmentation(shift=0.25)(image.clone(), seeded())
    torch.testing.assert_close(result[..., :6, :9], image[..., 2:, 3:], atol=1e-5, rtol=0)


def test_scale(largest):
    """The largest zoom shows the middle 1/1.25 of a picture."""
    image = smooth(40, 40)
    result = Augmentation(scale=0.25)(image.clone(), seeded())
    expected = torch.nn.functional.interpolate(
        image[..., 4:36, 4:36], size=(40, 40), mode="bilinear", align_corners=False
    )
    torch.testing.assert_close(
        result[..., 2:-2, 2:-2], expected[..., 2:-2, 2:-2], atol=2e-3, rtol=0
    )


def test_flip_is_a_mirror():
    image = draw()
    result = Augmentation(flip=1.0)(image.clone(), seeded())
    torch.testing.assert_close(result, image.flip(3), atol=1e-5, rtol=0)


def test_flip_happens_as_often_as_asked():
    images = draw(1).repeat(2000, 1, 1, 1)
    result = Augmentation(flip=0.3)(images, seeded())
    mirrored = (result - draw(1).flip(3)).abs().amax((1, 2, 3)) < 1e-4
    assert 0.26 < mirrored.float().mean() < 0.34


def test_invert_is_exactly_the_negative():
    image = draw()
    assert torch.equal(Augmentation(invert=1.0)(image.clone(), seeded()), 1 - image)


def test_brightness_and_colour(largest):
    image = draw() * 0.5
    brighter = Augmentation(brightness=0.2)(image.clone(), seeded())
    torch.testing.assert_close(brighter, image + 0.2)
    contrast = Augmentation(contrast=0.5)(image.clone(), seeded())
    torch.testing.assert_close(contrast, (1.5 * (image - 0.5) + 0.5).clamp(0, 1))


def test_colour_moves_channels_apart():
    grey = torch.full((4, 3, 5, 5), 0.5)
    alike = Augmentation(brightness=0.3)(grey.clone(), seeded())
    apart = Augmentation(colour=0.3)(grey.clone(), seeded())
    assert torch.equal(alike[:, 0], alike[:, 1])
    assert (apart[:, 0] - apart[:, 1]).abs().min() > 0
    # within a channel nothing but the level changes
    assert apart.std((2, 3)).max() < 1e-6


def test_noise_has_its_deviation():
    result = Augmentation(noise=0.1)(torch.full((20, 3, 20, 20), 0.5), seeded())
    assert 0.098 < (result - 0.5).std() < 0.102
    assert abs((result - 0.5).mean()) < 0.002


def test_cutout_hides_a_square_of_bounded_side():
    images = torch.zeros(200, 3, 20, 20)
    hidden = Augmentation(cutout=0.5)(images, seeded())[:, 0] == 0.5
    rows, columns = hidden.any(2).sum(1), hidden.any(1).sum(1)
    assert rows.max() <= 11
    assert columns.max() <= 11
    assert torch.equal(hidden.sum((1, 2)), rows * columns)
    assert len(set(rows.tolist())) > 5


def test_vectors_pass_unchanged():
    vectors = torch.randn(5, 4)
    for name in PRESETS:
        for augmentation in augmentation_pair(name):
            assert torch.equal(augmentation(vectors, seeded()), vectors)
            assert torch.equal(augmentation(vectors, seeded(), 9), vectors)


def test_unknown_preset_is_explained():
    with pytest.raises(ConfigurationError, match=r"unknown augmentation 'photo'.*'photos'"):
        augmentation_pair("photo")
    with pytest.raises(ConfigurationError, match=r"scale: .*less than 1"):
        Augmentation.build("augmentation", {"scale": 1.5})
    for area in ((0, 0.5), (0.8, 0.3), (0.5, 1.1)):
        with pytest.raises(ConfigurationError, match=r"area: should be two numbers") as caught:
            Augmentation.build("augmentation", {"area": area})
        assert "\n" not in str(caught.value)
