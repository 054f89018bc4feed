"""The real files, where ``ACCLIMATE_DATA`` names a folder that has them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from torchvision.datasets import ImageFolder

from acclimate.data import datasets
from acclimate.data.check import check_dataset
from acclimate.data.sources import open_source, open_target
from acclimate.data.splits import split_source, split_target

ROOT = Path(os.environ.get("ACCLIMATE_DATA", "no data here"))


def needs(*parts: str) -> pytest.MarkDecorator:
    missing = [part for part in parts if not (ROOT / part).exists()]
    return pytest.mark.skipif(bool(missing), reason=f"ACCLIMATE_DATA has no {missing}")


@needs("mnist")
def test_mnist_is_the_published_one():
    findings = [f for f in check_dataset("mnist") if f.where]
    assert {f.status for f in findings} == {"ok"}
    domain = datasets.get("mnist").load()
    assert len(domain) == 60_000
    # the mean and deviation that everyone normalises with
    pixels = domain.store.tensor.float() / 255
    assert pixels.mean().item() == pytest.approx(0.1307, abs=1e-4)
    assert pixels.std().item() == pytest.approx(0.3081, abs=1e-4)
    train, validation = split_source(domain, seed=0)
    assert (len(train), len(validation)) == (58_000, 2_000)


@needs("mnist", "bsds500")
def test_mnist_m_shows_mnist_digits_on_photos(tmp_path_factory, monkeypatch):
    cache = tmp_path_factory.getbasetemp() / "shared-cache"
    monkeypatch.setenv("ACCLIMATE_CACHE", str(cache))
    digits = datasets.get("mnist").load(split="test").store.tensor.float()
    blended = open_target("mnist-m", class_names=tuple("0123456789"), split="test")
    pictures = blended.store.tensor.float()
    background, stroke = (digits == 0).expand_as(pictures), (digits == 255).expand_as(pictures)
    # in a full stroke the photo is inverted, so the two means add up to white
    assert (pictures[background].mean() + pictures[stroke].mean()).item() == pytest.approx(
        255, abs=3
    )
    parts = split_target(blended, seed=0)
    assert parts.oracle.evaluate.shape == (2000,)


@needs("svhn_subset")
def test_a_subset_of_svhn_says_so():
    domain = open_source("svhn", size=28, channels=1)
    assert domain.name == "svhn_subset"
    assert domain.input_shape == (1, 28, 28)


@needs("gtsrb32")
def test_a_third_of_gtsrb_is_cut_by_track(tmp_path_factory, monkeypatch):
    cache = tmp_path_factory.getbasetemp() / "shared-cache"
    monkeypatch.setenv("ACCLIMATE_CACHE", str(cache))
    train, test = (datasets.get("gtsrb").load(split=split) for split in ("train", "test"))
    assert train.name == "gtsrb32-third"
    assert (len(train), len(test)) == (10_460, 2_610)
    assert len(train.groups.unique()) + len(test.groups.unique()) == 1307
    assert not set(train.groups.tolist()) & set(test.groups.tolist())
    parts = split_source(train, seed=0)
    assert not set(parts.train.groups.tolist()) & set(parts.validation.groups.tolist())
    assert parts.validation.labels.bincount(minlength=43).min() == 10


@needs("office_caltech10")
def test_photos_of_two_places_have_the_same_classes():
    folder = ROOT / "office_caltech10"
    dslr = open_source(folder / "dslr", size=32)
    webcam = open_target(folder / "webcam", size=32, class_names=dslr.class_names)
    assert (len(dslr), len(webcam)) == (157, 295)
    assert webcam.labels.unique().tolist() == list(range(10))
    streamed = open_source(folder / "dslr", size=32, resident_limit=1)
    some = torch.tensor([0, 50, 156])
    assert torch.equal(streamed.store.gather(some), dslr.store.gather(some))


@needs("office_caltech10")
@pytest.mark.parametrize("domain", ["amazon", "caltech", "dslr", "webcam"])
def test_office_caltech_10_is_the_published_one(domain):
    name = f"office-caltech-10-{domain}"
    assert {f.status for f in check_dataset(name)} == {"ok"}
    listing = datasets.get(name).list()
    reference = ImageFolder(str(ROOT / "office_caltech10" / domain))
    assert listing.class_names == tuple(reference.classes)
    found = {(str(listing.root / p), k) for p, k in zip(listing.files, listing.labels, strict=True)}
    assert found == set(reference.samples)
    assert len(listing.files) == datasets.get(name).counts["train"]
    assert listing.skipped == ()


@needs("office_caltech10")
def test_a_registered_photo_set_is_its_folder():
    named = datasets.get("office-caltech-10-dslr").load(size=32)
    folder = open_source(ROOT / "office_caltech10" / "dslr", size=32)
    assert named.item_names == folder.item_names
    assert torch.equal(named.labels, folder.labels)
    assert torch.equal(named.store.tensor, folder.store.tensor)


@needs("amazon_reviews")
@pytest.mark.parametrize(
    ("goods", "tested"),
    [("books", 4465), ("dvd", 3586), ("electronics", 5681), ("kitchen", 5945)],
)
def test_reviews_are_those_of_the_paper(goods, tested):
    name = f"amazon-{goods}"
    assert {f.status for f in check_dataset(name) if f.where} == {"ok"}
    train, test = (datasets.get(name).load(split=split) for split in ("train", "test"))
    assert train.labels.bincount().tolist() == [1000, 1000]
    assert (len(train), len(test)) == (2000, tested)
    counts = train.store.gather(torch.arange(2000))
    assert counts.shape == (2000, 5000)
    # counts of words, few in each review
    assert torch.equal(counts, counts.round())
    assert counts.min() == 0
    assert (counts > 0).float().mean() < 0.05
