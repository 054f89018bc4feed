"""What source pictures take from target pictures, against numpy and by meaning."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from acclimate.core.types import Blend
from acclimate.data.blending import blended, texture


def pictures(count, height=6, width=8, seed=0):
    random = torch.Generator().manual_seed(seed)
    return torch.rand((count, 3, height, width), generator=random)


def test_a_texture_is_the_first_corner_enlarged():
    given = pictures(2, 6, 8)
    expected = np.kron(given[:, :, :3, :4].numpy(), np.ones((2, 2), np.float32))
    assert np.array_equal(texture(given).numpy(), expected)


@pytest.mark.parametrize(("height", "width"), [(5, 7), (1, 1), (2, 3)])
def test_a_texture_has_the_shape_of_its_picture(height, width):
    given = pictures(2, height, width)
    made = texture(given)
    assert made.shape == given.shape
    assert made.unique().numel() <= given[:, :, : (height + 1) // 2, : (width + 1) // 2].numel()


def test_every_second_picture_is_a_distance_and_the_others_are_lerps():
    source, target = pictures(6), pictures(6, seed=1)
    made = blended(source, target, Blend(0.5, 0.5)).numpy()
    shares = np.linspace(0, 0.5, 6, dtype=np.float32)
    for index in range(6):
        ours, theirs = source[index].numpy(), target[index].numpy()
        if index % 2:
            expected = np.abs(ours - np.kron(theirs[:, :3, :4], np.ones((2, 2), np.float32)))
        else:
            expected = (1 - shares[index]) * ours + shares[index] * theirs
        np.testing.assert_allclose(made[index], expected, atol=1e-6)


@given(st.integers(1, 40), st.integers(1, 40), st.floats(0, 0.99), st.floats(0, 1))
def test_any_blend_stays_in_range_and_changes_no_argument(sources, targets, largest, difference):
    source, target = pictures(sources), pictures(targets, seed=1)
    kept = source.clone(), target.clone()
    made = blended(source, target, Blend(largest, difference))
    assert made.shape == source.shape
    assert made.min() >= 0
    assert made.max() <= 1 + 1e-6
    assert torch.equal(source, kept[0])
    assert torch.equal(target, kept[1])


@given(st.integers(1, 64), st.floats(0, 1))
def test_the_share_of_distances_is_the_one_asked_for(count, difference):
    # against black, a distance is the picture itself; against white, its negative
    made = blended(
        torch.full((count, 3, 2, 2), 0.2), torch.ones(count, 3, 2, 2), Blend(0.0, difference)
    )
    negatives = int((made[:, 0, 0, 0] > 0.5).sum())
    assert negatives == pytest.approx(count * difference, abs=1)


def test_the_distance_to_white_is_the_negative_and_to_black_the_picture():
    source = pictures(4)
    torch.testing.assert_close(
        blended(source, torch.ones_like(source), Blend(0.0, 1.0)), 1 - source
    )
    assert torch.equal(blended(source, torch.zeros_like(source), Blend(0.0, 1.0)), source)
