"""From stored batches to what a step takes."""

from dataclasses import replace

import pytest
import torch

from acclimate.core.types import Blend
from acclimate.data.augmentation import PRESETS, Augmentation, augmentation_pair
from acclimate.data.batches import make_batches
from acclimate.data.domain import Domain, ResidentStore
from acclimate.data.loader import BatchLoader
from acclimate.data.preprocessing import Preprocessing, fit_preprocessing

CPU = torch.device("cpu")
NAMES = tuple("abcdefgh")


def vectors(name, shift):
    random = torch.Generator().manual_seed(len(name))
    items = torch.randn(24, 4, generator=random) * 3 + shift
    return Domain(name, ResidentStore(items), torch.arange(24) % 8, NAMES)


def pictures(name):
    """Every picture is of one grey, which says its label."""
    labels = torch.arange(24) % 8
    greys = (labels * 30).to(torch.uint8)
    return Domain(name, ResidentStore(greys.view(-1, 1, 1, 1).repeat(1, 6, 6, 3)), labels, NAMES)


def make_loader(source, target, preprocessing, augmentation=None, weak=None, seed=0):
    def batches(domain, purpose):
        return make_batches(domain, 6, seed=seed, purpose=purpose, device=CPU)

    return BatchLoader(
        batches(source, "source"),
        batches(target.unlabelled(), "target") if target else None,
        preprocessing,
        augmentation or Augmentation(),
        weak,
        seed,
        CPU,
    )


@pytest.mark.parametrize("kind", ["none", "mean", "standard", "per-image"])
def test_both_views_of_vectors_are_normalised_once(kind):
    """Vectors are not augmented: both views are the items themselves, and apart in memory."""
    source, target = vectors("s", 0.0), vectors("target", 5.0)
    preprocessing = fit_preprocessing(kind, source, target)
    loader = make_loader(source, target, preprocessing, weak=Augmentation(rotation=10))
    stored = make_batches(target.unlabelled(), 6, seed=0, purpose="target", device=CPU)
    for batch, raw in zip(loader.between(2, 6), stored.between(2, 6), strict=True):
        expected = preprocessing(raw.items.clone())
        torch.testing.assert_close(batch.target, expected)
        torch.testing.assert_close(batch.target_weak, expected)
        assert batch.target.data_ptr() != batch.target_weak.data_ptr()


def test_labels_stay_with_their_augmented_pictures():
    augmentation = Augmentation(rotation=30, scale=0.2, shift=0.2, shear=0.2, flip=0.5)
    loader = make_loader(pictures("s"), None, Preprocessing(kind="none"), augmentation)
    for batch in loader.between(0, 8):
        assert torch.equal(
            (batch.source * 255 / 30).mean((1, 2, 3)).round().long(), batch.source_labels
        )
        assert batch.target is None
        assert batch.target_weak is None


def test_the_weak_view_shows_the_same_items():
    loader = make_loader(
        pictures("s"), pictures("t"), Preprocessing(kind="none"), weak=Augmentation(rotation=20)
    )
    for batch in loader.between(0, 4):
        torch.testing.assert_close(batch.target, batch.target_weak)


def test_a_step_sees_the_same_wherever_one_starts():
    def batches(start, seed=0):
        augmentation, weak = augmentation_pair("photos")
        preprocessing = Preprocessing(kind="per-image")
        loader = make_loader(pictures("s"), pictures("t"), preprocessing, augmentation, weak, seed)
        return list(loader.between(start, 7))

    for ours, theirs in zip(batches(0)[4:], batches(4), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(ours[:4], theirs[:4], strict=True))
        assert ours.labelled_target is theirs.labelled_target is None
    first, other = batches(0)[0], batches(0, seed=1)[0]
    assert not torch.equal(first.source, other.source)


def test_the_stored_data_are_left_alone():
    source, target = vectors("s", 0.0), vectors("t", 1.0)
    kept = source.store.tensor.clone(), target.store.tensor.clone()
    preprocessing = fit_preprocessing("standard", source, target)
    for _ in make_loader(source, target, preprocessing, weak=Augmentation(flip=1)).between(0, 9):
        pass
    assert torch.equal(source.store.tensor, kept[0])
    assert torch.equal(target.store.tensor, kept[1])


def test_blended_source_pictures_are_lerps_of_the_batch():
    plain = make_loader(pictures("s"), pictures("t"), Preprocessing(kind="none"))
    mixed = replace(plain, blend=Blend(0.4))
    for ours, theirs in zip(mixed.between(0, 4), plain.between(0, 4), strict=True):
        assert torch.equal(ours.target, theirs.target)
        assert torch.equal(ours.source_labels, theirs.source_labels)
        for index, share in enumerate((0.0, 0.08, 0.16, 0.24, 0.32, 0.4)):
            expected = (1 - share) * theirs.source[index] + share * theirs.target[index]
            torch.testing.assert_close(ours.source[index], expected)


def test_vectors_are_never_blended():
    source, target = vectors("s", 0.0), vectors("target", 5.0)
    preprocessing = fit_preprocessing("standard", source, target)
    plain = make_loader(source, target, preprocessing)
    for ours, theirs in zip(
        replace(plain, blend=Blend(0.4, 1.0)).between(0, 3), plain.between(0, 3), strict=True
    ):
        assert torch.equal(ours.source, theirs.source)


def noisy(name):
    random = torch.Generator().manual_seed(len(name))
    items = torch.randint(0, 256, (24, 9, 11, 3), generator=random).to(torch.uint8)
    return Domain(name, ResidentStore(items), torch.arange(24) % 8, NAMES)


def test_without_augmentation_every_view_is_the_centre():
    preprocessing = Preprocessing(kind="per-image", crop=6)
    source, target = noisy("s"), noisy("target")
    loader = make_loader(source, target, preprocessing, weak=Augmentation())
    loader = replace(loader, labelled_target=loader.source)
    stored = [
        make_batches(domain, 6, seed=0, purpose=purpose, device=CPU).between(0, 4)
        for domain, purpose in ((source, "source"), (target, "target"))
    ]
    for batch, ours, theirs in zip(loader.between(0, 4), *stored, strict=True):
        # of 9×11 pixels; halves are rounded to even, as torchvision does
        expected = [
            preprocessing.normalise(preprocessing.to_unit(raw.items[:, 2:8, 2:8].contiguous()))
            for raw in (ours, theirs)
        ]
        assert torch.equal(batch.source, expected[0])
        assert torch.equal(batch.target, expected[1])
        assert torch.equal(batch.target_weak, expected[1])
        assert torch.equal(batch.labelled_target.inputs, expected[0])


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("crop", [None, 5])
def test_every_preset_gives_every_view_the_side_of_the_crop(name, crop):
    augmentation, weak = augmentation_pair(name)
    preprocessing = Preprocessing(kind="none", crop=crop)
    loader = make_loader(noisy("s"), noisy("target"), preprocessing, augmentation, weak)
    loader = replace(loader, labelled_target=loader.source, blend=Blend(0.5, 0.5))
    side = (6, 3, 9, 11) if crop is None else (6, 3, 5, 5)
    for batch in loader.between(0, 2):
        for view in (batch.source, batch.target, batch.target_weak, batch.labelled_target.inputs):
            assert view.shape == side
            assert view.min() >= 0
            assert view.max() <= 1 + 1e-6


def test_crops_are_blended_as_they_are_seen():
    preprocessing = Preprocessing(kind="none", crop=5)
    plain = make_loader(noisy("s"), noisy("target"), preprocessing, PRESETS["crop-flip"][0])
    mixed = replace(plain, blend=Blend(0.5))
    for ours, theirs in zip(mixed.between(0, 3), plain.between(0, 3), strict=True):
        shares = torch.linspace(0, 0.5, 6).view(-1, 1, 1, 1)
        expected = (1 - shares) * theirs.source + shares * theirs.target
        torch.testing.assert_close(ours.source, expected, atol=1e-6, rtol=0)


def test_random_crops_of_a_step_are_the_same_wherever_one_starts():
    def batches(start):
        augmentation, weak = augmentation_pair("rand-augment")
        preprocessing = Preprocessing(kind="none", crop=5)
        loader = make_loader(noisy("s"), noisy("target"), preprocessing, augmentation, weak)
        return list(loader.between(start, 5))

    for ours, theirs in zip(batches(0)[3:], batches(3), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(ours[:4], theirs[:4], strict=True))
