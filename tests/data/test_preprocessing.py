"""From stored inputs to the network's, against closed forms."""

import pytest
import torch

from acclimate.core.errors import DataError
from acclimate.data.domain import Domain, ResidentStore
from acclimate.data.preprocessing import Preprocessing, fit_preprocessing


def domain(items, name="d"):
    return Domain(name, ResidentStore(items), None, ("a", "b"))


def draw_pictures(seed, count=9, low=0, high=256):
    random = torch.Generator().manual_seed(seed)
    return torch.randint(low, high, (count, 5, 4, 3), generator=random).to(torch.uint8)


def draw_vectors(seed, count=9, shift=0.0):
    return torch.randn(count, 4, generator=torch.Generator().manual_seed(seed)) + shift


def as_network_sees(pictures):
    return pictures.permute(0, 3, 1, 2).double() / 255


def test_none_only_changes_the_layout():
    pictures = draw_pictures(0)
    result = Preprocessing(kind="none")(pictures)
    torch.testing.assert_close(result.double(), as_network_sees(pictures), atol=1e-7, rtol=1e-6)
    assert result.is_contiguous(memory_format=torch.channels_last)
    vectors = draw_vectors(0)
    assert torch.equal(Preprocessing(kind="none")(vectors), vectors)


@pytest.mark.parametrize("kind", ["mean", "standard"])
def test_pictures_by_the_global_mean_and_deviation(kind):
    first, second = draw_pictures(0, 9), draw_pictures(1, 5, high=90)
    found = fit_preprocessing(kind, domain(first), domain(second))
    units = [as_network_sees(first), as_network_sees(second)]
    # each domain weighs the same, however many items it has
    mean = sum(unit.mean((0, 2, 3)) for unit in units) / 2
    square = sum(unit.square().mean((0, 2, 3)) for unit in units) / 2
    deviation = (square - mean.square()).sqrt()
    assert found.mean == pytest.approx(mean.tolist(), abs=1e-6)
    assert found.deviation == pytest.approx(deviation.tolist(), abs=1e-6)
    expected = units[0] - mean.view(1, 3, 1, 1)
    if kind == "standard":
        expected = expected / deviation.view(1, 3, 1, 1)
    torch.testing.assert_close(found(first).double(), expected, atol=1e-5, rtol=1e-4)


def test_a_single_domain_ends_with_mean_zero_and_deviation_one():
    for items in (draw_pictures(3, 40), draw_vectors(3, 40, 7.0)):
        result = fit_preprocessing("standard", domain(items))(items).double()
        axes = (0, 2, 3) if result.ndim == 4 else (0,)
        size = result.shape[1]
        torch.testing.assert_close(result.mean(axes), torch.zeros(size).double(), atol=1e-5, rtol=0)
        deviation = result.std(axes, correction=0)
        torch.testing.assert_close(deviation, torch.ones(size).double(), atol=1e-5, rtol=0)


def test_per_image_takes_brightness_and_contrast_out():
    pictures = draw_pictures(0, low=60, high=120)
    preprocessing = Preprocessing(kind="per-image")
    result = preprocessing(pictures)
    torch.testing.assert_close(result.mean((2, 3)), torch.zeros(9, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(result.std((2, 3), correction=0), torch.ones(9, 3))
    brighter = preprocessing(pictures * 2 + 10)
    torch.testing.assert_close(brighter, result, atol=1e-4, rtol=1e-4)


def test_a_plain_picture_becomes_zeros():
    plain = torch.full((2, 5, 4, 3), 77, dtype=torch.uint8)
    for kind in ("per-image", "standard", "mean"):
        result = fit_preprocessing(kind, domain(plain))(plain)
        torch.testing.assert_close(result, torch.zeros(2, 3, 5, 4), atol=1e-3, rtol=0)


def test_a_constant_feature_is_harmless():
    vectors = draw_vectors(0)
    vectors[:, 1] = 3.0
    result = fit_preprocessing("standard", domain(vectors))(vectors)
    assert torch.isfinite(result).all()
    assert result[:, 1].abs().max() < 0.1


@pytest.mark.parametrize("items", [draw_pictures(0), draw_vectors(0)], ids=["pictures", "vectors"])
@pytest.mark.parametrize("kind", ["none", "mean", "standard"])
def test_what_is_given_is_left_alone(items, kind):
    kept = items.clone()
    fit_preprocessing(kind, domain(items))(items)
    assert torch.equal(items, kept)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_none_are_refused(value):
    vectors = draw_vectors(0)
    vectors[3, 1] = value
    with pytest.raises(DataError, match="d: features hold NaN or infinite"):
        fit_preprocessing("standard", domain(vectors))


def test_it_survives_json():
    made = fit_preprocessing("standard", domain(draw_vectors(0)))
    again = Preprocessing.build("x", made.model_dump(mode="json"))
    assert again == made
    assert torch.equal(again(draw_vectors(1)), made(draw_vectors(1)))


def test_large_domains_are_sampled_evenly(monkeypatch):
    monkeypatch.setattr("acclimate.data.preprocessing._SAMPLE", 5)
    vectors = torch.arange(9.0).view(9, 1)
    found = fit_preprocessing("mean", domain(vectors))
    assert found.mean == pytest.approx([4.0])  # of items 0, 2, 4, 6, 8


def test_a_feature_that_varies_only_later_is_left_as_it_is():
    vectors = draw_vectors(0)
    vectors[:, 1] = 0
    preprocessing = fit_preprocessing("standard", domain(vectors))
    vectors[:, 1] = 2.5
    torch.testing.assert_close(preprocessing(vectors)[:, 1], vectors[:, 1])
