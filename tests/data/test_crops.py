"""Crops against torchvision's and against slices."""

import hypothesis.strategies as st
import pytest
import torch
import torchvision.transforms.v2.functional as reference
from hypothesis import given, settings

from acclimate.core.errors import DataError
from acclimate.data.crops import central_places, centre_crop, check_crop, cut, places


@settings(deadline=None, max_examples=60)
@given(height=st.integers(1, 20), width=st.integers(1, 20), data=st.data())
def test_the_centre_is_torchvisions(height, width, data):
    crop = data.draw(st.integers(1, min(height, width)))
    random = torch.Generator().manual_seed(0)
    stored = torch.randint(0, 256, (2, height, width, 3), generator=random).to(torch.uint8)
    found = centre_crop(stored, crop)
    expected = reference.center_crop(stored.permute(0, 3, 1, 2), [crop, crop])
    assert torch.equal(found.permute(0, 3, 1, 2), expected)
    assert found.is_contiguous()


@settings(deadline=None, max_examples=60)
@given(height=st.integers(1, 12), width=st.integers(1, 12), data=st.data())
def test_a_cut_is_a_slice_and_its_mirror(height, width, data):
    size = (data.draw(st.integers(1, height)), data.draw(st.integers(1, width)))
    random = torch.Generator().manual_seed(data.draw(st.integers(0, 9)))
    images = torch.rand(5, 2, height, width, generator=random)
    starts = places(height, width, size, torch.rand(2, 5, generator=random))
    mirrored = torch.rand(5, generator=random) < 0.5
    found = cut(images, starts, size, mirrored)
    assert found.is_contiguous(memory_format=torch.channels_last)
    for item in range(5):
        top, left = starts[:, item].long().tolist()
        expected = images[item, :, top : top + size[0], left : left + size[1]]
        assert expected.shape[1:] == size  # the crop lies within the picture
        assert torch.equal(found[item], expected.flip(2) if mirrored[item] else expected)


def test_every_place_is_as_probable():
    drawn = torch.rand(2, 20_000, generator=torch.Generator().manual_seed(0))
    rows, columns = places(12, 9, (8, 8), drawn).long()
    for found, number in ((rows, 5), (columns, 2)):
        shares = found.bincount(minlength=number) / len(found)
        assert len(shares) == number
        torch.testing.assert_close(shares, torch.full((number,), 1 / number), atol=0.015, rtol=0)


def test_the_largest_draw_stays_inside():
    largest = torch.full((2, 1), 1 - 2**-24)
    for room in range(1, 1000):
        assert places(room + 3, room + 3, (3, 3), largest).tolist() == [[room], [room]]
    assert central_places(10, 13, (4, 4), largest).tolist() == [[3.0, 3.0], [4.0, 4.0]]


@pytest.mark.parametrize("crop", [0, 8])
def test_a_crop_that_does_not_fit_is_one_line(crop):
    with pytest.raises(DataError, match=r"^birds: pictures of 9×7 pixels .* at most 7") as caught:
        check_crop(9, 7, crop, "birds")
    assert "\n" not in str(caught.value)
    check_crop(9, 7, 7, "birds")
