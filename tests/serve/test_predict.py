"""Predictions of files against the network asked directly, one picture at a time."""

import csv
import os
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from acclimate.core.errors import ConfigurationError, DataError
from acclimate.core.types import Spec
from acclimate.models.network import build_network
from acclimate.serve.annotate import MARKER
from acclimate.serve.pictures import find_pictures
from acclimate.serve.predict import predict
from acclimate.serve.predictions import COLUMNS


def save(path, seed=0, size=(28, 28)):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_table_agrees_with_the_network(model, tmp_path):
    expected = {}
    for seed in range(5):
        path = tmp_path / "in" / f"{seed}.png"
        pixels = torch.from_numpy(save(path, seed)).permute(2, 0, 1).float()[None] / 255
        with torch.no_grad():
            shares = torch.softmax(model.network(pixels).logits[0].double(), dim=0).tolist()
        expected[str(path)] = sorted(zip(shares, model.class_names, strict=True), reverse=True)[:3]
    predict(model, [tmp_path / "in"], tmp_path / "out.csv", batch_size=2)
    table = rows(tmp_path / "out.csv")
    assert tuple(table[0]) == COLUMNS
    assert {row["file"] for row in table} == expected.keys()
    for row in table:
        best = expected[row["file"]]
        assert [row["class"], row["class_2"], row["class_3"]] == [name for _, name in best]
        shares = [row["probability"], row["probability_2"], row["probability_3"]]
        assert [float(share) for share in shares] == pytest.approx([p for p, _ in best], abs=1e-5)


def test_unreadable_ones_are_listed_and_skipped(model, tmp_path):
    save(tmp_path / "in" / "good.png")
    (tmp_path / "in" / "empty.png").touch()
    (tmp_path / "in" / "text.jpg").write_text("no picture")
    whole = (tmp_path / "in" / "good.png").read_bytes()
    (tmp_path / "in" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "in" / "notes.txt").write_text("not even meant to be one")
    done = predict(model, [tmp_path / "in"], tmp_path / "out.csv")
    assert [row["file"] for row in rows(tmp_path / "out.csv")] == [str(tmp_path / "in/good.png")]
    assert [line.split(":")[0].split("/")[-1] for line in done.skipped] == [
        "cut.png",
        "empty.png",
        "text.jpg",
    ]
    (tmp_path / "in" / "good.png").unlink()
    with pytest.raises(DataError, match="none of 3 pictures"):
        predict(model, [tmp_path / "in"], tmp_path / "other.csv")
    assert not (tmp_path / "other.csv").exists()


def test_copies_keep_nested_folders_apart(model, tmp_path):
    for place in ("a/x.png", "a/b/x.png", "c/a/x.png"):
        save(tmp_path / place, len(place))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.png")}
    copies = tmp_path / "copies"
    places = [tmp_path / "a", tmp_path / "c" / "a", tmp_path / "a" / "x.png"]
    predict(model, places, tmp_path / "out.csv", annotate=copies)
    found = sorted(str(path.relative_to(copies)) for path in copies.rglob("*.png"))
    assert found == ["a/b/x.png", "a/x-2.png", "a/x.png"]
    assert all(path.read_bytes() == content for path, content in before.items())


def test_copies_inside_the_pictures_folder_are_not_taken_for_pictures(model, tmp_path):
    save(tmp_path / "in" / "x.png")
    for _ in range(2):
        done = predict(
            model, [tmp_path / "in"], tmp_path / "out.csv", annotate=tmp_path / "in" / "copies"
        )
        assert len(done.predictions) == 1
    assert (tmp_path / "in" / "copies" / MARKER).exists()
    # nor by who asks without copies afterwards; who names the folder means it
    assert len(predict(model, [tmp_path / "in"], tmp_path / "out.csv").predictions) == 1
    assert len(predict(model, [tmp_path / "in/copies"], tmp_path / "out.csv").predictions) == 1


def test_two_classes_leave_the_third_empty(model, tmp_path):
    spec = Spec((3, 28, 28), ("no", "yes"))
    network = build_network("mnist-cnn", {"normalisation": "none"}, spec).eval()
    save(tmp_path / "x.png")
    small = replace(model, network=network, spec=spec)
    predict(small, [tmp_path / "x.png"], tmp_path / "out.csv")
    (row,) = rows(tmp_path / "out.csv")
    assert (row["class_3"], row["probability_3"]) == ("", "")
    assert float(row["probability"]) + float(row["probability_2"]) == pytest.approx(1, abs=1e-5)


def test_file_names_that_are_no_text(model, tmp_path):
    name = os.fsdecode(b"\xff.png")
    save(tmp_path / "in" / name)
    predict(model, [tmp_path / "in"], tmp_path / "out.csv")
    assert len(rows(tmp_path / "out.csv")) == 1


def test_diverged_model_is_refused(model, tmp_path):
    save(tmp_path / "x.png")
    network = deepcopy(model.network)
    network.head.weight.data.fill_(float("nan"))
    with pytest.raises(DataError, match="not finite"):
        predict(replace(model, network=network), [tmp_path / "x.png"], tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_model_for_vectors_is_refused(model, tmp_path):
    save(tmp_path / "x.png")
    vectors = replace(model, spec=Spec((20,), model.class_names))
    with pytest.raises(ConfigurationError, match="20 features"):
        predict(vectors, [tmp_path / "x.png"], tmp_path / "out.csv")


def test_tables_are_predicted_row_by_row(model, tmp_path):
    pixels = np.stack([save(tmp_path / "in" / f"{n}.png", n) for n in range(4)])
    np.savez(tmp_path / "x.npz", x=pixels)
    done = predict(model, [tmp_path / "x.npz", tmp_path / "in"], tmp_path / "out.csv", batch_size=3)
    files = [row["file"] for row in rows(tmp_path / "out.csv")]
    assert files[:2] == [f"{tmp_path}/x.npz/0", f"{tmp_path}/x.npz/1"]
    first, second = done.predictions[:4], done.predictions[4:]
    assert [p.name for p in first] == [p.name for p in second]
    shares = [[p for _, p in prediction.best] for prediction in (*first, *second)]
    assert np.allclose(shares[:4], shares[4:], atol=1e-6)
    np.savez(tmp_path / "vectors.npz", x=np.zeros((3, 5)))
    with pytest.raises((ConfigurationError, DataError), match="vectors"):
        predict(model, [tmp_path / "vectors.npz"], tmp_path / "other.csv")


def test_output_that_is_in_the_way(model, tmp_path):
    save(tmp_path / "x.png")
    for output in (tmp_path, tmp_path / "x.png"):
        with pytest.raises(ConfigurationError, match="--output"):
            predict(model, [tmp_path / "x.png"], output)


def test_pictures_given_twice_count_once(tmp_path):
    save(tmp_path / "in" / "x.png")
    (tmp_path / "link").symlink_to(tmp_path / "in")
    found, skipped = find_pictures([tmp_path / "in", tmp_path / "in" / "x.png", tmp_path / "link"])
    assert len(found) == 1
    assert not skipped


def test_missing_places_are_all_named(tmp_path):
    with pytest.raises(DataError, match=r"one, .*two"):
        find_pictures([tmp_path / "one", tmp_path / "two"])
