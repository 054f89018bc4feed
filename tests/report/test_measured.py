"""Numbers by domain and class, their curves, and pictures large enough to see something."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from acclimate.core.records import PlaceMetrics
from acclimate.report import embedding
from acclimate.report.curves import learning_curves
from acclimate.report.gallery import strips
from acclimate.report.html import write_report
from acclimate.report.measured import measured
from acclimate.report.run import load_run
from acclimate.report.sprites import LARGE_SIDE, make_sheet
from acclimate.report.table import comparison_rows


def places(accuracy, area=0.75):
    return [
        PlaceMetrics(name="dslr", n=30, accuracy=accuracy, auroc=area),
        PlaceMetrics(name="caltech", n=0, accuracy=None),
    ]


@pytest.fixture
def record(tmp_path, make_run):
    made = make_run(tmp_path / "run", items=40, baseline=False)
    evaluations = [
        e.model_copy(
            update={
                "source_auroc": 0.6 + 0.01 * i,
                "oracle_target_auroc": 0.4 + 0.01 * i,
                "place_metrics": places(0.1 * i),
            }
        )
        for i, e in enumerate(made.evaluations)
    ]
    return made.model_copy(update={"evaluations": evaluations, "place_metrics": places(0.625)})


def test_domains_and_classes_are_the_records(record):
    found = measured(record)
    source, target = record.source_metrics, record.oracle_target_metrics
    by_name = {line.name: line for line in found.by_domain}
    assert by_name["digits, held out"].cells[:3] == ["40", f"{source.accuracy:.1%}", "0.950"]
    assert by_name["of these, dslr"].cells == ["30", "62.5%", "0.750", "–"]
    assert by_name["of these, caltech"].cells == ["0", "–", "–", "–"]
    assert [line.name for line in found.by_domain if line.oracle] == ["digits-m"]
    assert found.sides == ["source", "target"]
    assert [line.name for line in found.by_class] == record.source.class_names
    for k, line in enumerate(found.by_class):
        assert line.cells[0] == str(source.class_counts[k])
        assert line.cells[3] == str(target.class_counts[k])
        share = target.class_accuracy[k]
        assert line.cells[4] == ("–" if share is None else f"{share:.1%}")


def test_without_labels_of_the_target_there_is_no_oracle_row(record):
    found = measured(record.model_copy(update={"oracle_target_metrics": None}))
    assert not any(line.oracle for line in found.by_domain)
    assert found.sides == ["source"]
    assert all(len(line.cells) == 3 for line in found.by_class)


def test_a_run_without_metrics_measures_nothing(minimal):
    found = measured(minimal)
    assert (found.by_domain, found.by_class) == ([], [])


def drawn(charts, title):
    (one,) = [c for c in charts if c.title == title]
    return {trace["name"]: trace["y"] for trace in one.figure["data"]}


def test_curves_of_area_and_of_each_source(record):
    charts = learning_curves(record, {})
    lines = drawn(charts, "AUROC at each evaluation")
    assert lines["source validation"] == pytest.approx([e.source_auroc for e in record.evaluations])
    oracle = [e.oracle_target_auroc for e in record.evaluations]
    assert lines["target (oracle)"] == pytest.approx(oracle)
    assert lines["dslr"] == [0.75] * len(record.evaluations)
    accuracy = drawn(charts, "Accuracy at each evaluation")
    assert accuracy["dslr"] == pytest.approx([0.1 * i for i in range(len(record.evaluations))])
    assert accuracy["caltech"] == [None] * len(record.evaluations)


def test_older_records_have_no_curve_of_areas(tmp_path, make_run):
    charts = learning_curves(make_run(tmp_path / "run", items=20, baseline=False), {})
    assert "AUROC at each evaluation" not in {one.title for one in charts}


def test_areas_are_in_the_plain_rows(record):
    row = comparison_rows([record])[0].as_dict()
    assert row["source_auroc"] == record.source_metrics.auroc
    assert row["oracle_target_auroc"] == record.oracle_target_metrics.auroc


def test_the_page_shows_them(record, tmp_path):
    record.write(tmp_path / "run")
    text = write_report([tmp_path / "run"], tmp_path / "r.html").read_text(encoding="utf-8")
    assert "of these, dslr" in text
    assert "Class by class" in text
    assert "AUROC at each evaluation" in text


def photos(count, side=150):
    generator = np.random.default_rng(0)
    ramp = np.linspace(0, 255, side)
    ends = generator.uniform(0, 1, (count, 2, 1, 1, 3))
    images = ends[:, 0] * ramp[:, None, None] + ends[:, 1] * ramp[None, :, None]
    return np.clip(images + generator.normal(0, 30, images.shape), 0, 255).astype(np.uint8)


def with_large(folder, indices):
    stored = dict(np.load(folder / "samples.npz"))
    stored["target_large"] = photos(len(indices), LARGE_SIDE)
    stored["target_large_indices"] = np.asarray(indices)
    np.savez(folder / "samples.npz", **stored)


def test_the_gallery_takes_the_larger_pictures_where_all_are_there(tmp_path, make_run):
    make_run(tmp_path / "run", items=30, baseline=False)
    run = load_run(tmp_path / "run")
    shown = {
        t.index for strip in strips(run.samples.target, list("0123456789")) for t in strip.tiles
    }
    with_large(tmp_path / "run", sorted(shown))
    text = write_report([tmp_path / "run"], tmp_path / "a.html").read_text(encoding="utf-8")
    assert text.count('class="thumb run0-large large"') >= len(shown)
    assert ".run0-large {" in text
    with_large(tmp_path / "run", sorted(shown)[:-1])  # one is missing: all are shown small
    text = write_report([tmp_path / "run"], tmp_path / "b.html").read_text(encoding="utf-8")
    assert "run0-large" not in text
    assert 'class="thumb run0-target"' in text


@pytest.mark.parametrize(
    "change",
    [
        {"target_large_indices": np.array([99])},
        {"target_large_indices": np.array([0, 1])},
        {"target_large": np.zeros((1, 4, 4), dtype=np.uint8)},
        {"target_large": np.zeros((1, 4, 4, 3))},
    ],
    ids=["outside", "too many", "flat", "not bytes"],
)
def test_odd_larger_pictures_are_left_out(tmp_path, make_run, change):
    make_run(tmp_path / "run", items=20, baseline=False)
    with_large(tmp_path / "run", [0])
    stored = dict(np.load(tmp_path / "run" / "samples.npz")) | change
    np.savez(tmp_path / "run" / "samples.npz", **stored)
    assert load_run(tmp_path / "run").samples.target.large is None


@pytest.mark.parametrize("most", [400_000, 60_000, 8_000])
def test_a_sheet_keeps_to_its_bytes_and_its_pictures_can_still_be_told(most):
    inputs = photos(30)
    sheet = make_sheet(inputs, LARGE_SIDE, most)
    assert len(sheet.uri) <= most
    image = Image.open(io.BytesIO(base64.b64decode(sheet.uri.split(",")[1]))).convert("RGB")
    pixels = np.asarray(image, dtype=float)
    for index, picture in enumerate(inputs):
        x, y = sheet.cell(index)
        left, top = x * sheet.pitch[0], y * sheet.pitch[1]
        cell = pixels[top : top + sheet.height, left : left + sheet.width]
        assert np.abs(cell.mean((0, 1)) - picture.mean((0, 1))).max() < 12


def test_a_sheet_that_cannot_fit_is_none():
    assert make_sheet(photos(30), LARGE_SIDE, 200) is None


def test_a_page_of_many_photos_stays_below_its_bound(tmp_path, make_run, monkeypatch):
    class Cheap:
        def __init__(self, *_, **__): ...

        def fit_transform(self, features):
            return features[:, :2]

    monkeypatch.setattr(embedding, "TSNE", Cheap)
    folder = tmp_path / "run"
    make_run(folder, items=1000, baseline=False)
    noise = np.random.default_rng(0).integers(0, 256, (1000, 64, 64, 3), dtype=np.uint8)
    stored = dict(np.load(folder / "samples.npz"))
    stored |= {"source_inputs": noise, "target_inputs": noise[::-1]}  # nothing compresses worse
    np.savez(folder / "samples.npz", **stored)
    page = write_report([folder], tmp_path / "r.html")
    assert page.stat().st_size < 8_000_000
    assert json.loads((folder / "item_names.json").read_text())["target"][0] in page.read_text()
