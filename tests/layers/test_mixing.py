"""Mixes of zeros and ones tell their shares."""

import pytest
import torch

from acclimate.layers.mixing import mixed, shares


@pytest.mark.parametrize("shape", [(5, 3), (4, 3, 6, 8), (1, 1, 5, 5)])
def test_blends_item_by_item(shape):
    random = torch.Generator().manual_seed(0)
    first, second = (torch.randn(shape, generator=random) for _ in range(2))
    found = mixed(first, second, cut=False)
    for number in range(len(first)):
        share = (number + 0.5) / len(first)
        torch.testing.assert_close(
            found[number], share * first[number] + (1 - share) * second[number]
        )


@pytest.mark.parametrize("size", [(8, 8), (7, 11)])
def test_a_cut_is_one_rectangle_of_the_share_that_is_told(size):
    torch.manual_seed(0)
    first, second = torch.zeros(20, 2, *size), torch.ones(20, 2, *size)
    found, share = mixed(first, second, cut=True), shares(first, cut=True)
    torch.testing.assert_close(1 - found.mean((1, 2, 3)), share)
    assert torch.equal(found[:, 0], found[:, 1])
    for picture in found[:, 0]:
        rows, columns = picture.amax(1), picture.amax(0)
        assert torch.equal(picture, rows[:, None] * columns)
        for line in (rows, columns):  # no gap: it begins once
            assert int((line.diff(prepend=torch.zeros(1)) == 1).sum()) <= 1
    # as uniform as whole pixels allow
    torch.testing.assert_close(share, (torch.arange(20) + 0.5) / 20, atol=0.12, rtol=0)


def test_places_are_drawn_and_reach_every_corner():
    """A square of side h, of 6 pixels, has 7 - h places in either direction, all as likely."""
    torch.manual_seed(0)
    first, second = torch.zeros(4000, 1, 6, 6), torch.ones(4000, 1, 6, 6)
    # the last quarter: no square is larger than half a side, so that it touches one corner at most
    found = mixed(first, second, cut=True)[3000:, 0]
    sides = found.sum((1, 2)).sqrt()
    expected = float(((sides > 0) / (7 - sides).square()).sum())
    for row, column in ((0, 0), (0, 5), (5, 0), (5, 5)):
        assert float(found[:, row, column].sum()) == pytest.approx(expected, rel=0.5)


def test_vectors_are_never_cut():
    first, second = torch.randn(4, 3), torch.randn(4, 3)
    assert torch.equal(mixed(first, second, cut=True), mixed(first, second, cut=False))
    assert torch.equal(shares(first, cut=True), shares(first, cut=False))
