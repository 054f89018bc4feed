"""From stored inputs to the network's, against closed forms."""

import pytest
import torch
import torchvision.transforms.v2.functional as reference

from acclimate.core.errors import ConfigurationError, DataError
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


IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def test_a_network_is_given_what_it_was_trained_with():
    pictures = draw_pictures(0)
    found = fit_preprocessing("network", domain(pictures), given=IMAGENET)
    assert (found.mean, found.deviation) == IMAGENET
    scaled = reference.to_dtype(pictures.permute(0, 3, 1, 2), torch.float32, scale=True)
    expected = reference.normalize(scaled, *IMAGENET)
    torch.testing.assert_close(found(pictures), expected, atol=1e-5, rtol=0)
    standard = Preprocessing(kind="standard", mean=IMAGENET[0], deviation=IMAGENET[1])
    assert torch.equal(found(pictures), standard(pictures))
    # the other kinds look at the pictures alone
    assert fit_preprocessing("mean", domain(pictures), given=IMAGENET).mean != IMAGENET[0]


@pytest.mark.parametrize(
    ("items", "given", "message"),
    [
        (
            draw_pictures(0)[..., :1],
            IMAGENET,
            "grey: pictures have 1 channel and .* on 3; open them with 3 channels$",
        ),
        (
            draw_pictures(0),
            ((0.5,), (0.2,)),
            "d: pictures have 3 channels and .* on 1; open them with 1 channel$",
        ),
        (draw_vectors(0), IMAGENET, "grey: items are vectors .* give another network"),
        (draw_pictures(0), None, "pretrained network .* and this one is not; give 'standard'"),
        (draw_pictures(0), ((0.5,) * 3, (0.2,) * 2), "should be as many numbers"),
        (draw_pictures(0), ((0.5,) * 3, (0.2, 0.0, 0.2)), "deviations above 0"),
    ],
)
def test_what_a_network_cannot_take_is_one_line(items, given, message):
    with pytest.raises((ConfigurationError, DataError), match=message) as caught:
        fit_preprocessing("network", domain(draw_pictures(1)), domain(items, "grey"), given=given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["none", "mean", "standard", "per-image", "network"])
@pytest.mark.parametrize("crop", [1, 3, 4])
def test_a_crop_is_the_centre_of_what_is_stored(kind, crop):
    """Pictures are 5×4, and stored in another order of axes than torchvision's."""
    pictures = draw_pictures(0)
    found = fit_preprocessing(kind, domain(pictures), given=IMAGENET, crop=crop)
    kept = pictures.clone()
    result = found(pictures)
    assert torch.equal(pictures, kept)
    assert result.shape == (9, 3, crop, crop)
    centre = reference.center_crop(pictures.permute(0, 3, 1, 2), [crop, crop])
    whole = found.model_copy(update={"crop": None})
    assert torch.equal(result, whole(centre.permute(0, 2, 3, 1)))
    assert result.is_contiguous(memory_format=torch.channels_last)
    # statistics are of all that is stored
    assert found.mean == fit_preprocessing(kind, domain(pictures), given=IMAGENET).mean


def test_what_is_remembered_of_the_pictures():
    squares = domain(draw_pictures(0)[:, :4])
    found = fit_preprocessing("mean", squares, crop=3, fit="crop")
    assert (found.crop, found.stored_size, found.fit) == (3, 4, "crop")
    assert Preprocessing.build("x", found.model_dump(mode="json")) == found
    assert fit_preprocessing("mean", squares, domain(draw_pictures(0)), crop=3).stored_size is None
    whole = fit_preprocessing("mean", squares)
    assert (whole.crop, whole.stored_size, whole.fit) == (None, None, "squash")


def test_a_description_from_before_there_were_crops_is_valid():
    before = {"kind": "standard", "mean": [0.1, 0.2, 0.3], "deviation": [1.0, 2.0, 3.0]}
    found = Preprocessing.build("model.json: preprocessing", before)
    assert (found.crop, found.stored_size, found.fit) == (None, None, "squash")
    pictures = draw_pictures(0)
    mean, deviation = (torch.tensor(before[key]).view(1, 3, 1, 1) for key in ("mean", "deviation"))
    expected = (as_network_sees(pictures).float() - mean) / deviation
    torch.testing.assert_close(found(pictures), expected, atol=1e-5, rtol=0)


def test_a_crop_that_cannot_be_is_one_line():
    pictures, larger = (
        domain(draw_pictures(0), "small"),
        domain(draw_pictures(0).repeat(1, 2, 2, 1)),
    )
    with pytest.raises(
        DataError, match=r"^small: pictures of 5×4 .* side 5; .* at most 4"
    ) as caught:
        fit_preprocessing("mean", larger, pictures, crop=5)
    assert "\n" not in str(caught.value)
    with pytest.raises(ConfigurationError, match=r"^d: items are vectors, .* crop of 5"):
        fit_preprocessing("mean", domain(draw_vectors(0)), crop=5)
    # and pictures that come later
    with pytest.raises(DataError, match="5×4 pixels hold no crop of side 6"):
        Preprocessing(kind="none", crop=6)(draw_pictures(0))


def test_vectors_are_never_cropped():
    vectors = draw_vectors(0)
    assert torch.equal(Preprocessing(kind="none", crop=2)(vectors), vectors)


@pytest.mark.parametrize("kind", ["none", "mean", "standard", "network", "per-image"])
@pytest.mark.parametrize("side", [4, 300])
def test_a_few_pictures_at_a_time_are_the_same_pictures(kind, side):
    """Of 300×300 pixels one fits at a time, of 4×4 all do."""
    random = torch.Generator().manual_seed(0)
    stored = torch.randint(0, 256, (5, side, side, 3), generator=random).to(torch.uint8)
    given = ((0.5, 0.4, 0.3), (0.2, 0.3, 0.4)) if kind == "network" else None
    domain = Domain("pictures", ResidentStore(stored), None, ("a",))
    preprocessing = fit_preprocessing(kind, domain, given=given)
    kept = stored.clone()
    made = preprocessing(stored)
    assert torch.equal(stored, kept)
    assert made.is_contiguous(memory_format=torch.channels_last)
    expected = preprocessing.normalise(preprocessing.to_unit(stored))
    if kind == "per-image":
        torch.testing.assert_close(made, expected)
    else:
        assert torch.equal(made, expected)


@pytest.mark.parametrize("unit", [1e-9, 1e-6, 1.0, 1e6])
def test_features_in_any_unit_get_the_deviation_one(unit):
    vectors = unit * draw_vectors(0, count=400, shift=3.0)
    fitted = fit_preprocessing("standard", domain(vectors))
    torch.testing.assert_close(
        fitted(vectors).std(0, correction=0), torch.ones(vectors.shape[1]), rtol=1e-3, atol=1e-3
    )
