"""What a user does from the first day to the last, as processes of its own on real pictures."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from sklearn.datasets import load_digits

CLASSES = ("0", "1", "2")


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """``studio`` with class folders, ``phone`` as people keep it, ``new`` and ``labelled``."""
    root = tmp_path_factory.mktemp("story")
    digits = load_digits()
    chosen = [(im, str(y)) for im, y in zip(digits.images, digits.target, strict=True) if y < 3]
    for number, (image, name) in enumerate(chosen[:90]):
        save(image, root / "studio" / name / f"{number}.png")
    odd = ("plain", "two words", "grüße", "it's", 'say "hi"', "comma, semi;", "日本")
    for number, (image, _) in enumerate(chosen[90:160]):
        folder = root / "phone" / ("", "2024/may day", "Ünï/'x'")[number % 3]
        save(255 / 16 - image, folder / f"{odd[number % 7]} {number}.{('png', 'jpg')[number % 2]}")
    (root / "phone" / "2024" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut off")
    (root / "phone" / "empty.png").touch()
    (root / "phone" / "notes.txt").write_text("not a picture")
    for number, (image, name) in enumerate(chosen[160:200]):
        save(255 / 16 - image, root / "labelled" / name / f"{number}.png")
        save(255 / 16 - image, root / "new" / "deep er" / f"é {number}.png")
    return root


def save(image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    grey = Image.fromarray((image * 15.9).astype("uint8")).resize((24, 28))
    grey.convert("RGB").save(path)


def acclimate(place: Path, *arguments: str) -> tuple[dict, str]:
    """One command in a process of its own: its JSON object and what it said meanwhile."""
    environment = {key: value for key, value in os.environ.items() if key != "ACCLIMATE_DATA"}
    environment |= {"OMP_NUM_THREADS": "1", "ACCLIMATE_CACHE": str(place / "cache")}
    done = subprocess.run(
        [sys.executable, "-m", "acclimate", *arguments, "--json"],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return json.loads(done.stdout), done.stderr


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_from_pictures_to_labels(place):
    fitted, said = acclimate(
        place,
        *("fit", "--source", "studio", "--target", "phone", "--output", "runs/phone"),
        *("--steps", "40", "--batch-size", "16", "--evaluations", "2", "--no-report"),
    )
    assert fitted["status"] == "finished"
    assert fitted["verdict"] in ("helped", "hurt", "cannot tell")
    assert fitted["oracle_target_accuracy"] is None
    assert fitted["report"] is None
    assert "2024/broken.jpg" in said
    assert "empty.png" in said
    assert "notes.txt" not in said

    written = rows(place / fitted["predictions"])
    readable = {p for p in (place / "phone").rglob("*") if p.suffix in (".png", ".jpg")}
    readable -= {place / "phone" / "2024" / "broken.jpg", place / "phone" / "empty.png"}
    assert {place / row["file"] for row in written} == readable
    assert len(written) == 70
    assert all(
        row["class"] in CLASSES and 1 / 3 <= float(row["probability"]) <= 1 for row in written
    )

    predicted, _ = acclimate(
        place,
        *("predict", "runs/phone", "new", "--output", "new.csv", "--annotate", "seen"),
    )
    assert predicted["n"] == len(rows(place / "new.csv")) == 40
    assert len(list((place / "seen").rglob("é *.png"))) == 40
    assert len(list((place / "new").rglob("*.png"))) == 40

    measured, _ = acclimate(place, "evaluate", "runs/phone", "--data", "labelled")
    labelled, _ = acclimate(place, "predict", "runs/phone", "labelled", "--output", "l.csv")
    right = sum(Path(row["file"]).parent.name == row["class"] for row in rows(place / "l.csv"))
    assert (measured["n"], labelled["n"]) == (40, 40)
    assert measured["accuracy"] == pytest.approx(right / 40)

    reported, _ = acclimate(place, "report", "runs/phone")
    assert [row["algorithm"] for row in reported["runs"]] == ["source-only", "dann-self-training"]
    assert [row["n"] for row in reported["summary"]] == [1, 1]
    page = (place / "runs/phone/report.html").read_text(encoding="utf-8")
    assert "2 unreadable files" in page
    assert "2024/broken.jpg" in page


def test_twenty_thousand_tiny_files_of_which_some_are_cut_off(tmp_path):
    """One in a hundred cannot be read: a few are named, all are counted, nothing else is lost."""
    tiny = load_digits().images[:60] * 15.9
    whole = []
    for image in tiny:
        save_to = tmp_path / "one.png"
        Image.fromarray(image.astype("uint8")).save(save_to)
        whole.append(save_to.read_bytes())
    for number in range(20_000):
        if number < 2_000:
            path = tmp_path / "studio" / str(number % 3) / f"{number}.png"
        else:
            path = tmp_path / "phone" / f"{number % 7}" / f"day {number % 11}" / f"ü {number}.png"
        content = whole[number % 60]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content[: len(content) // 2] if number % 100 == 99 else content)
    _, warned = acclimate(
        tmp_path,
        *("fit", "--source", "studio", "--target", "phone", "--steps", "4", "--evaluations", "1"),
        *("--batch-size", "16", "--no-baseline", "--no-report", "--output", "run"),
    )
    assert warned.count("phone: skipped") == 11
    assert "phone: skipped 180 files in all; run/record.json names them" in warned
    assert "studio: skipped 20 files in all" in warned
    assert (
        len(json.loads((tmp_path / "run" / "record.json").read_text())["target"]["skipped"]) == 180
    )
    with open(tmp_path / "run" / "predictions.csv", newline="", encoding="utf-8") as file:
        assert len({row["file"] for row in csv.DictReader(file)}) == 17_820
    predicted, warned = acclimate(tmp_path, "predict", "run", "phone/3", "--output", "out.csv")
    skipped = len(predicted["skipped"])
    assert predicted["n"] + skipped == len(list((tmp_path / "phone" / "3").rglob("*.png")))
    assert skipped > 20
    assert warned.count("skipped") == 11
