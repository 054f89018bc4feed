"""The story of photos: two folders, one command, a report, predictions for a third folder."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from acclimate.core.records import read_record

BACKBONE = ("--backbone", "test_resnet", "--weights", "none", "--size", "32")
COLOURS = {"red": (200, 40, 40), "green": (40, 200, 40), "blue": (40, 40, 200)}


def picture(path, colour, seed, side=(40, 56)):
    draws = np.random.default_rng(seed)
    pixels = np.clip(np.array(colour) + draws.normal(0, 30, (*side, 3)), 0, 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def folders(tmp_path):
    """A source of class folders; a target of plain pictures, some nested, oddly named or damaged."""
    for number, (name, colour) in enumerate(COLOURS.items()):
        for index in range(24):
            picture(tmp_path / "studio" / name / f"{index}.png", colour, 100 * number + index)
            dim = tuple(int(0.7 * value) + 20 for value in colour)
            place = f"box {number}/Ünïcode {index} %.jpg" if index % 5 else f"{number}-{index}.webp"
            picture(tmp_path / "phone" / place, dim, 1000 + 100 * number + index)
    (tmp_path / "phone" / "damaged.jpg").write_bytes(b"\xff\xd8\xff not a picture")
    (tmp_path / "phone" / "notes.txt").write_text("no picture")
    for index in range(4):
        picture(tmp_path / "inbox" / f"{index}.png", COLOURS["blue"], 5000 + index)
    return tmp_path


def fit(acclimate, folders, *more):
    return acclimate(
        *("fit", "--source", folders / "studio", "--target", folders / "phone"),
        *("--output", folders / "run", "--steps", "20", "--evaluations", "2", "--json"),
        *(*BACKBONE, *more),
    )


@pytest.mark.parametrize("freeze", [("--freeze", "backbone"), ("--algorithm", "dann")])
def test_from_two_folders_to_predictions_for_a_third(acclimate, folders, freeze):
    done = fit(acclimate, folders, *freeze)
    assert done.code == 0, done.err
    assert "damaged.jpg" in done.err
    record = read_record(folders / "run")
    assert record.status == "finished"
    assert record.verdict is not None
    assert "<svg" in (folders / "run" / "report.html").read_text()
    with open(folders / "run" / "predictions.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == 72
    predicted = acclimate("predict", folders / "run", folders / "inbox", "--json")
    assert predicted.code == 0, predicted.err
    assert json.loads(predicted.out)["n"] == 4
    measured = acclimate("evaluate", folders / "run", "--data", folders / "studio", "--json")
    assert measured.code == 0, measured.err
    assert json.loads(measured.out)["n"] == 72


def test_a_frozen_backbone_lies_in_the_run_and_needs_nothing_else(acclimate, folders):
    assert fit(acclimate, folders, "--freeze", "backbone").code == 0
    description = json.loads((folders / "run" / "model.json").read_text())
    assert description["input_shape"] != [3, 32, 32]
    assert (folders / "run" / "backbone.safetensors").stat().st_size > 0
    before = acclimate("predict", folders / "run", folders / "inbox", "--output", "a.csv")
    (folders / "run").rename(folders / "moved")
    after = acclimate("predict", folders / "moved", folders / "inbox", "--output", "b.csv")
    assert before.code == after.code == 0
    assert (folders / "a.csv").read_text() == (folders / "b.csv").read_text()


def test_the_same_predictions_as_from_the_whole_network(acclimate, folders):
    """Features made once, or anew by ``predict``: the probabilities are those of training."""
    assert fit(acclimate, folders, "--freeze", "backbone").code == 0
    with open(folders / "run" / "predictions.csv", newline="") as file:
        kept = {row["file"]: float(row["probability"]) for row in csv.DictReader(file)}
    assert (
        acclimate("predict", folders / "run", folders / "phone", "--output", "again.csv").code == 0
    )
    with open(folders / "again.csv", newline="") as file:
        again = {row["file"]: float(row["probability"]) for row in csv.DictReader(file)}
    assert kept.keys() == again.keys()
    assert max(abs(kept[name] - again[name]) for name in kept) < 1e-4


def test_a_killed_run_on_features_goes_on(acclimate, folders, monkeypatch):
    from acclimate.training import run as running

    real = running.save_checkpoint

    def killed(folder, step, *rest):
        real(folder, step, *rest)
        if folder.name == "run" and step == 10:
            raise KeyboardInterrupt

    monkeypatch.setattr(running, "save_checkpoint", killed)
    assert fit(acclimate, folders, "--freeze", "backbone", "--algorithm", "dann").code != 0
    monkeypatch.setattr(running, "save_checkpoint", real)
    done = acclimate("fit", "--output", folders / "run", "--resume", "--json")
    assert done.code == 0, done.err
    assert read_record(folders / "run").steps_done == 20


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--weights", "missing.safetensors"), "missing.safetensors"),
        (("--freeze", "everything"), "should be none, backbone, or a number"),
        (("--batch-norm", "melted"), "batch_norm"),
        (("--resize", "16"), "--resize 16 is smaller than --size 32"),
        (("--network", "mlp"), "give one of the two"),
        (("--set", "network.name=resnet18"), "is given by an option already"),
        (("--classes", "some"), "--classes"),
        (("--logger", "paper"), "paper"),
    ],
)
def test_mistakes_are_one_line(acclimate, folders, more, said):
    wrong = fit(acclimate, folders, *more)
    assert wrong.code == 2, wrong.err
    (line,) = [text for text in wrong.err.splitlines() if text.startswith("error:")]
    assert said in line
    assert not (folders / "run").exists()


def test_options_of_a_backbone_need_a_backbone(acclimate, folders):
    wrong = acclimate(
        *("fit", "--source", folders / "studio", "--target", folders / "phone"),
        *("--freeze", "backbone"),
    )
    assert wrong.code == 2
    assert "give --backbone NAME too" in wrong.err


def test_classes_that_only_one_domain_has(acclimate, folders):
    for index in range(3):
        picture(folders / "labelled" / "red" / f"{index}.png", COLOURS["red"], index)
    for name in ("green", "purple"):
        for index in range(12):
            picture(folders / "labelled" / name / f"{index}.png", COLOURS["green"], index)
    arguments = [
        *("fit", "--source", folders / "studio", "--target", folders / "labelled", "--steps", "4"),
        *("--evaluations", "1", "--output", folders / "shared", *BACKBONE, "--batch-size", "4"),
    ]
    refused = acclimate(*arguments)
    assert refused.code == 2
    assert "--classes shared" in refused.err
    done = acclimate(*arguments, "--classes", "shared")
    assert done.code == 0, done.err
    assert read_record(folders / "shared").source.class_names == ["green", "red"]


def test_two_thousand_tiny_files(acclimate, tmp_path):
    for index in range(1000):
        for domain in ("a", "b"):
            name = list(COLOURS)[index % 3]
            path = tmp_path / domain / name / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            if index % 100 == 7:
                path.write_bytes(b"")
            else:
                Image.new("RGB", (8, 8), COLOURS[name]).save(path)
    done = acclimate(
        *("fit", "--source", tmp_path / "a", "--target", tmp_path / "b", "--size", "8", "--steps", "5"),
        *("--evaluations", "1", "--output", tmp_path / "run", "--algorithm", "source-only"),
    )  # fmt: skip
    assert done.code == 0, done.err
    assert read_record(tmp_path / "run").source.items == {"train": 792, "validation": 198}
