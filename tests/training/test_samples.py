"""Pictures for the report: small for all items, larger for those that are looked at."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from acclimate.data.domain import Domain, ResidentStore
from acclimate.report.gallery import strips
from acclimate.report.run import load_run
from acclimate.training.samples import LARGE, THUMBNAIL, worth_a_look, write_samples

CLASSES = ("a", "b", "c")


def domain(name, height, width, items=90, labelled=True, channels=3):
    generator = torch.Generator().manual_seed(len(name))
    coarse = torch.randint(256, (items, channels, 5, 4), generator=generator).float()
    large = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bilinear")
    pictures = large.round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
    labels = torch.arange(items) % 3 if labelled else None
    return Domain(name, ResidentStore(pictures), labels, CLASSES)


def write(folder, source, target, oracle=True, bias=0.0):
    task = SimpleNamespace(
        source=SimpleNamespace(validation=source),
        target=SimpleNamespace(evaluate=target),
        oracle_labels=torch.arange(len(target)) % 3 if oracle else None,
    )
    generator = torch.Generator().manual_seed(1)
    made = [
        (torch.randn(len(d), 3, generator=generator) + bias, torch.zeros(len(d), 2))
        for d in (source, target)
    ]
    write_samples(folder, task, *made)
    with np.load(folder / "samples.npz", allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


@pytest.mark.parametrize(("side", "large"), [(40, None), (100, None), (128, LARGE), (200, LARGE)])
def test_sizes(tmp_path, side, large):
    stored = write(tmp_path, domain("s", side, side), domain("t", side, side))
    small = min(side, THUMBNAIL)
    assert stored["source_inputs"].shape == stored["target_inputs"].shape == (90, small, small, 3)
    assert ("target_large" in stored) == (large is not None)
    if large:
        assert stored["target_large"].shape[1:] == (large, large, 3)
        assert len(stored["target_large"]) == len(stored["target_large_indices"]) <= 80


def test_the_ratio_of_the_sides_is_kept(tmp_path):
    stored = write(tmp_path, domain("s", 224, 112), domain("t", 224, 112))
    assert stored["target_inputs"].shape[1:] == (64, 32, 3)
    assert stored["target_large"].shape[1:] == (112, 56, 3)


def test_shrunk_pictures_are_pillows(tmp_path):
    target = domain("t", 224, 224)
    stored = write(tmp_path, domain("s", 224, 224), target)
    original = target.store.tensor.numpy()
    for array, indices, side in (
        (stored["target_inputs"], np.arange(90), 64),
        (stored["target_large"], stored["target_large_indices"], 112),
    ):
        for picture, index in list(zip(array, indices, strict=True))[::17]:
            wanted = Image.fromarray(original[index]).resize((side, side), Image.Resampling.BOX)
            assert np.abs(picture.astype(int) - np.asarray(wanted)).max() <= 4


@pytest.mark.parametrize("oracle", [True, False])
def test_the_larger_ones_are_what_the_report_shows(tmp_path, oracle, minimal_record):
    write(tmp_path, domain("s", 130, 130), domain("t", 130, 130), oracle)
    minimal_record.write(tmp_path)
    target = load_run(tmp_path).samples.target
    shown = {tile.index for strip in strips(target, list(CLASSES)) for tile in strip.tiles}
    assert shown
    assert shown <= set(target.large_indices.tolist())


def test_worth_a_look_against_sorting_by_hand():
    logits = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(200) % 4
    confidence = torch.softmax(logits, 1).amax(1).tolist()
    unsure = sorted(range(200), key=lambda i: confidence[i])[:40]
    assert worth_a_look(logits, None).tolist() == sorted(unsure)
    wrong = [i for i in range(200) if int(logits[i].argmax()) != int(labels[i])]
    sure = sorted(wrong, key=lambda i: -confidence[i])[:40]
    assert worth_a_look(logits, labels).tolist() == sorted({*unsure, *sure})
    assert len(worth_a_look(logits[:0], None)) == 0
    assert len(worth_a_look(torch.full((50, 4), torch.nan), None)) == 40


def test_features_show_the_pictures_they_were_made_of(tmp_path):
    photos = domain("t", 160, 160)
    features = ResidentStore(torch.randn(90, 7))
    target = Domain("t", features, photos.labels, CLASSES, pictures=photos.store)
    source = Domain("s", features, photos.labels, CLASSES)
    stored = write(tmp_path, source, target)
    assert "source_inputs" not in stored
    assert stored["target_inputs"].shape == (90, 64, 64, 3)
    assert stored["target_large"].shape[1:] == (112, 112, 3)


@pytest.fixture
def minimal_record():
    from acclimate.core.records import DomainSummary, Environment, RunRecord

    filled = dict.fromkeys(Environment.model_fields, "x") | {"threads": 1, "world_size": 1}
    side = DomainSummary(name="d", shape=(3, 9, 9), class_names=list(CLASSES), items={})
    return RunRecord(
        created="", command="", algorithm="dann", settings={}, source=side, target=side,
        environment=Environment(**filled),
    )  # fmt: skip
