"""Saturation and hue against torchvision, which takes one number for all pictures."""

import pytest
import torch
import torchvision.transforms.v2.functional as reference

from acclimate.data.colour import luminance, saturate, turn_hue


def draw(count=6, channels=3):
    random = torch.Generator().manual_seed(0)
    images = torch.rand(count, channels, 9, 7, generator=random)
    images[0, :, :4] = 0.3  # grey pixels, which have no hue
    images[1] = torch.randint(0, 2, images[1].shape, generator=random).float()  # ties of channels
    return images


def test_luminance():
    torch.testing.assert_close(luminance(draw()), reference.rgb_to_grayscale(draw()))
    torch.testing.assert_close(luminance(draw(2, 4)), draw(2, 4).mean(1, keepdim=True))


@pytest.mark.parametrize(
    ("ours", "theirs", "numbers"),
    [
        (saturate, reference.adjust_saturation, (0.0, 0.3, 1.0, 1.4, 1.9, 2.5)),
        (turn_hue, reference.adjust_hue, (0.0, 0.5, -0.5, 0.1, -0.23, 1 / 3)),
    ],
)
def test_each_picture_by_its_own_number(ours, theirs, numbers):
    images = draw()
    kept = images.clone()
    result = ours(images, torch.tensor(numbers))
    assert torch.equal(images, kept)
    for image, found, number in zip(images, result, numbers, strict=True):
        torch.testing.assert_close(found, theirs(image, number), atol=1e-5, rtol=0)


def test_a_third_of_the_circle_swaps_channels():
    images = draw()
    result = turn_hue(images, torch.full((6,), 1 / 3))
    torch.testing.assert_close(result, images.roll(1, 1), atol=1e-5, rtol=0)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_without_three_channels_nothing_changes(channels):
    images = draw(2, channels)
    assert torch.equal(saturate(images, torch.zeros(2)), images)
    assert torch.equal(turn_hue(images, torch.full((2,), 0.3)), images)
