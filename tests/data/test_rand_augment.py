"""Each operation of RandAugment against Pillow and torchvision on single pictures."""

import numpy as np
import pytest
import torch
import torchvision.transforms.functional as functional
from PIL import Image, ImageEnhance, ImageOps
from torchvision.transforms import InterpolationMode

from acclimate.data import rand_augment
from acclimate.data.affine import resample
from acclimate.data.rand_augment import OPERATIONS, Drawn, change_values, movement

MOVING = ("rotate", "shear-x", "shear-y", "translate-x", "translate-y")
STRENGTHS = (-1.0, -0.5, 0.0, 0.3, 1.0)
SIDE = 40


def picture(seed=0, channels=3):
    """A picture of 8 bits with structure, and not of the whole range: (1, C, 40, 40) float."""
    random = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, channels, 6, 6, generator=random)
    fine = torch.nn.functional.interpolate(coarse, (SIDE, SIDE), mode="bicubic").clamp(0, 1)
    return ((0.15 + 0.7 * fine) * 255).round() / 255


def pillow(image):
    return Image.fromarray((image[0] * 255).round().byte().permute(1, 2, 0).numpy())


def from_pillow(image):
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255


def one(name, strength, count=1):
    return Drawn(
        torch.full((1, count), OPERATIONS.index(name)), torch.full((1, count), float(strength))
    )


def moved(image, drawn):
    size = tuple(image.shape[2:])
    linear, offset = movement(drawn, *size)
    return resample(image, size, linear, torch.zeros(len(image), 2), offset)


def inner(image, margin=13):
    return image[..., margin:-margin, margin:-margin]


def torchvision_movement(image, name, strength):
    sheared = np.degrees(np.arctan(0.3 * strength))
    pixels = int(150 / 331 * SIDE * strength)
    bilinear = InterpolationMode.BILINEAR
    if name == "rotate":
        return functional.rotate(image, 30 * strength, bilinear)
    shear = {"shear-x": [sheared, 0.0], "shear-y": [0.0, sheared]}.get(name, [0.0, 0.0])
    # a translation is to either side as often: theirs counts from the output's side
    shift = {"translate-x": [-pixels, 0], "translate-y": [0, -pixels]}.get(name, [0, 0])
    return functional.affine(image, 0.0, shift, 1.0, shear, bilinear)


@pytest.mark.parametrize("strength", STRENGTHS)
@pytest.mark.parametrize("name", MOVING)
def test_movement_against_torchvision(name, strength):
    image = picture()
    expected = torchvision_movement(image, name, strength)
    found = moved(image, one(name, strength))
    margin = 18 if name.startswith("translate") else 13  # beyond it they fill with black
    torch.testing.assert_close(inner(found, margin), inner(expected, margin), atol=2e-4, rtol=0)


@pytest.mark.parametrize("strength", [-0.7, 0.4, 1.0])
@pytest.mark.parametrize("name", MOVING)
def test_movement_against_pillow(name, strength):
    image = picture()
    middle, slope = (SIDE - 1) / 2 + 0.5, 0.3 * strength
    shift = int(150 / 331 * SIDE * strength)
    maps = {
        "shear-x": (1, slope, -slope * middle, 0, 1, 0),
        "shear-y": (1, 0, 0, slope, 1, -slope * middle),
        "translate-x": (1, 0, shift, 0, 1, 0),
        "translate-y": (1, 0, 0, 0, 1, shift),
    }
    bilinear = Image.Resampling.BILINEAR
    if name == "rotate":
        expected = pillow(image).rotate(30 * strength, bilinear)
    else:
        how = Image.Transform.AFFINE
        expected = pillow(image).transform((SIDE, SIDE), how, maps[name], bilinear)
    margin = 18 if name.startswith("translate") else 13
    found = moved(image, one(name, strength))
    torch.testing.assert_close(
        inner(found, margin), inner(from_pillow(expected), margin), atol=1.01 / 255, rtol=0
    )


def test_movements_compose_in_the_order_drawn():
    """One resampling errs less than two, so the picture is smooth and the tolerance not zero."""
    rows, columns = torch.meshgrid(
        torch.linspace(0, 2, SIDE), torch.linspace(0, 3, SIDE), indexing="ij"
    )
    image = (0.5 + 0.4 * rows.sin() * columns.cos())[None, None]
    pairs = [("rotate", 0.8), ("shear-x", -1.0), ("translate-y", 0.4), ("shear-y", 0.6)]
    drawn = Drawn(
        torch.tensor([[OPERATIONS.index(name)] for name, _ in pairs]),
        torch.tensor([[strength] for _, strength in pairs]),
    )
    expected = image
    for name, strength in pairs:
        expected = torchvision_movement(expected, name, strength)
    torch.testing.assert_close(
        inner(moved(image, drawn), 16), inner(expected, 16), atol=2e-3, rtol=0
    )
    backwards = moved(image, Drawn(drawn.operation.flip(0), drawn.strength.flip(0)))
    assert (inner(backwards, 16) - inner(expected, 16)).abs().max() > 0.02


def torchvision_values(image, name, strength):
    in_8_bits = (image * 255).round().byte()
    bits = 8 - round(4 * abs(strength))
    return {
        "identity": lambda: image,
        "autocontrast": lambda: functional.autocontrast(image),
        "equalise": lambda: functional.equalize(in_8_bits) / 255,
        "solarise": lambda: functional.solarize(image, 1 - abs(strength)),
        "colour": lambda: functional.adjust_saturation(image, 1 + 0.9 * strength),
        "posterise": lambda: functional.posterize(in_8_bits, bits) / 255,
        "contrast": lambda: functional.adjust_contrast(image, 1 + 0.9 * strength),
        "brightness": lambda: functional.adjust_brightness(image, 1 + 0.9 * strength),
        "sharpness": lambda: functional.adjust_sharpness(image, 1 + 0.9 * strength),
    }[name]()


def pillow_values(image, name, strength):
    bits, threshold = 8 - round(4 * abs(strength)), 255 * (1 - abs(strength))
    factor = 1 + 0.9 * strength
    return {
        "identity": lambda: image,
        "autocontrast": lambda: ImageOps.autocontrast(image),
        "equalise": lambda: ImageOps.equalize(image),
        "solarise": lambda: ImageOps.solarize(image, threshold),
        "colour": lambda: ImageEnhance.Color(image).enhance(factor),
        "posterise": lambda: ImageOps.posterize(image, bits),
        "contrast": lambda: ImageEnhance.Contrast(image).enhance(factor),
        "brightness": lambda: ImageEnhance.Brightness(image).enhance(factor),
        "sharpness": lambda: ImageEnhance.Sharpness(image).enhance(factor),
    }[name]()


VALUES = tuple(name for name in OPERATIONS if name not in MOVING)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", VALUES)
def test_values_against_torchvision(name, channels):
    for seed in range(2):
        for strength in STRENGTHS:
            image = picture(seed, channels)
            found = change_values(image.clone(), one(name, strength))
            expected = torchvision_values(image, name, strength)
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_the_threshold_itself_is_solarised():
    image = torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0]).repeat(1, 3, 4, 1)
    for strength in (0.0, 0.25, 0.5, -0.75, 1.0):
        found = change_values(image.clone(), one("solarise", strength))
        assert torch.equal(found, functional.solarize(image, 1 - abs(strength)))


@pytest.mark.parametrize("name", VALUES)
def test_values_against_pillow(name):
    """Theirs are cut off to 8 bits, in blends also on the way: up to two steps."""
    exact = name in ("identity", "equalise", "solarise", "posterise")
    for seed in range(2):
        for strength in STRENGTHS:
            image = picture(seed)
            found = change_values(image.clone(), one(name, strength))
            expected = from_pillow(pillow_values(pillow(image), name, strength))
            tolerance = 1e-5 if exact else 2.01 / 255
            torch.testing.assert_close(found, expected, atol=tolerance, rtol=0)


def test_every_operation_is_tested_here():
    assert sorted((*MOVING, *VALUES)) == sorted(OPERATIONS)
    assert len(OPERATIONS) == 14


@pytest.mark.parametrize("name", VALUES)
def test_each_item_takes_its_own(name):
    """One batch in which every item has another operation, and the same picture alone."""
    images = torch.cat([picture(seed) for seed in range(len(OPERATIONS))])
    strengths = torch.linspace(-1, 1, len(OPERATIONS))
    result = change_values(images.clone(), Drawn(torch.arange(14)[None], strengths[None]))
    index = OPERATIONS.index(name)
    alone = change_values(images[index : index + 1].clone(), one(name, strengths[index]))
    torch.testing.assert_close(result[index : index + 1], alone, atol=1e-6, rtol=0)
    for moving in MOVING:
        index = OPERATIONS.index(moving)
        assert torch.equal(result[index], images[index])


def test_values_change_in_the_order_drawn():
    image, names = picture(), ("brightness", "solarise", "sharpness")
    drawn = Drawn(
        torch.tensor([[OPERATIONS.index(name)] for name in names]),
        torch.tensor([[0.5], [0.4], [1.0]]),
    )
    expected = image
    for name, strength in zip(names, (0.5, 0.4, 1.0), strict=True):
        expected = torchvision_values(expected, name, strength)
    torch.testing.assert_close(change_values(image.clone(), drawn), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("value", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("name", ["autocontrast", "equalise", "contrast", "sharpness"])
def test_a_plain_picture_stays_plain(name, value):
    """Also with the differences that resampling leaves, far below a step of 8 bits."""
    noise = 1e-6 * torch.rand(1, 3, 9, 9, generator=torch.Generator().manual_seed(0))
    plain = (torch.full((1, 3, 9, 9), value) + noise).clamp(0, 1)
    result = change_values(plain.clone(), one(name, 1.0))
    torch.testing.assert_close(result, plain, atol=1.01 / 510, rtol=0)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_operations_are_drawn_evenly_and_signs_by_a_coin(number):
    drawn = rand_augment.draw(
        number, 14_000, 7.0, torch.Generator().manual_seed(0), torch.device("cpu")
    )
    assert drawn.operation.shape == drawn.strength.shape == (number, 14_000)
    for operation, strength in zip(drawn.operation, drawn.strength, strict=True):
        counts = operation.bincount(minlength=14)
        assert len(counts) == 14
        # 1,000 expected, deviation 30.5
        assert (counts - 1000).abs().max() < 150
        torch.testing.assert_close(strength.abs(), torch.full((14_000,), 0.7))
        assert 0.47 < (strength > 0).float().mean() < 0.53
    if number > 1:
        same = (drawn.operation[0] == drawn.operation[1]).float().mean()
        assert 0.05 < same < 0.1  # with replacement: one in 14
