"""The page as a file: self-contained, escaped, complete, and true to the record."""

import base64
import gzip
import html
import io
import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import plotly.graph_objects as go
import pytest
from PIL import Image

from acclimate.core.errors import AcclimateError
from acclimate.report.chart import embed
from acclimate.report.html import write_report
from acclimate.report.sprites import make_sheet
from acclimate.report.table import percent

HEADINGS = (
    "Learning curves",
    "Confusion matrix",
    "Confidence and class shares",
    "Features of source and target",
    "Items worth a look",
    "Settings and environment",
)
NASTY = "</script><img src=x onerror=alert(1)> & \"quotes\" 'single' <b>"


class Page(HTMLParser):
    """What a browser would see: elements with attributes, visible text, scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text, self.raw, self.inside = "", "", []
        self.scripts: dict[str, str] = {}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag in ("script", "style"):
            self.inside = [tag, dict(attributes)]

    def handle_endtag(self, tag):
        if self.inside and tag == self.inside[0]:
            self.inside = []

    def handle_data(self, data):
        if not self.inside:
            self.text += data
        elif self.inside[1].get("id"):
            name = self.inside[1]["id"]
            self.scripts[name] = self.scripts.get(name, "") + data
        else:
            self.raw += data

    def figures(self):
        plots = [a for _, a in self.elements if a.get("class") == "plot"]
        return {a["data-figure"]: json.loads(self.scripts[a["data-figure"]]) for a in plots}


def report(folders, output):
    text = write_report(folders, output).read_text(encoding="utf-8")
    return Page(text)


@pytest.fixture(scope="module")
def helped(tmp_path_factory, make_run):
    folder = tmp_path_factory.mktemp("helped") / "run"
    record = make_run(folder)
    return record, report([folder], folder.parent / "report.html")


def test_nothing_is_loaded_from_anywhere(helped):
    _, page = helped
    for tag, attributes in page.elements:
        for name in ("src", "href", "srcset", "data", "poster", "action"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:")), (tag, name, value)
        assert "url(" not in (attributes.get("style") or "")
    urls = re.findall(r"url\(\s*['\"]?([^)'\"]{0,20})", page.raw)
    assert urls
    assert all(url.startswith("data:image/") for url in urls)
    assert "@import" not in page.raw
    assert "fetch(" not in page.raw
    policy = [a["content"] for t, a in page.elements if a.get("http-equiv")]
    assert policy[0].startswith("default-src 'none'")


def test_plotly_is_there_once_and_whole(helped):
    _, page = helped
    assert sum(a.get("id") == "plotly" for _, a in page.elements) == 1
    script = gzip.decompress(base64.b64decode(page.scripts["plotly"])).decode()
    assert "Plotly" in script
    assert "newPlot" in script


def test_all_parts_are_there(helped):
    record, page = helped
    order = [page.text.index(part) for part in ("Adapting from", "source_only", *HEADINGS)]
    assert order == sorted(order)
    titles = " ".join(page.text.split())
    for title in ("Losses", "Domain accuracy, λ", "Accuracy at each evaluation", "Learning rate",
                  "Label-free scores", "Reliability", "Class shares", "Before: source-only",
                  "After: dann", "Most confident mistakes", "Least certain"):  # fmt: skip
        assert title in titles
    for setting in ("algorithm.gamma", record.command, record.environment.processor, "momentum"):
        assert setting in page.text


def test_numbers_are_the_records(helped):
    record, page = helped
    for value in (
        record.source_metrics.accuracy,
        record.oracle_target_metrics.accuracy,
        record.estimate.value,
        record.estimate.low,
        record.verdict.baseline_estimate.high,
    ):
        assert percent(value) in page.text
    assert f"{record.verdict.probability_helped:.0%}" in page.text
    figures = page.figures()
    heatmaps = [f["data"][0] for f in figures.values() if f["data"][0]["type"] == "heatmap"]
    assert heatmaps[0]["customdata"] == record.oracle_target_metrics.confusion
    assert heatmaps[1]["customdata"] == record.source_metrics.confusion
    drawn = [
        t["y"] for f in figures.values() for t in f["data"] if t.get("name") == "target (oracle)"
    ]
    oracle = [e.oracle_target_accuracy for e in record.evaluations]
    assert any(values == pytest.approx(oracle, rel=1e-4) for values in drawn)
    bars = {t["name"]: t["y"] for f in figures.values() for t in f["data"] if t["type"] == "bar"}
    confusion = np.array(record.oracle_target_metrics.confusion)
    shares = confusion.sum(axis=0) / confusion.sum()
    assert bars["predicted on target"] == pytest.approx(shares, rel=1e-4)


def test_plotly_accepts_every_figure(helped):
    _, page = helped
    figures = page.figures()
    assert len(figures) == 11
    for figure in figures.values():
        go.Figure(data=figure["data"], layout=figure["layout"])


def test_every_chart_says_what_it_shows(helped):
    _, page = helped
    plots = [a for _, a in page.elements if a.get("class") == "plot"]
    assert all(a["role"] == "img" and len(a["aria-label"]) > 30 for a in plots)
    thumbs = [
        a
        for t, a in page.elements
        if t == "span" and (a.get("class") or "").startswith("thumb run")
    ]
    assert thumbs
    assert all(a["aria-label"] for a in thumbs)


def test_strings_are_escaped_everywhere(tmp_path, make_run):
    names = [NASTY, "b", "c"]
    record = make_run(tmp_path / "run", items=30, class_names=names, command=NASTY)
    nasty = {d: [NASTY] * 30 for d in ("source", "target")}
    (tmp_path / "run" / "item_names.json").write_text(json.dumps(nasty))
    changed = record.model_dump(mode="json")
    changed["source"] |= {"name": NASTY, "skipped": [NASTY]}
    changed["settings"] = {NASTY: NASTY}
    changed["warnings"] = [{"step": 1, "kind": NASTY, "message": NASTY}]
    (tmp_path / "run" / "record.json").write_text(json.dumps(changed))
    page = report([tmp_path / "run"], tmp_path / "report.html")
    assert "img" not in {tag for tag, _ in page.elements}
    assert not [a for _, a in page.elements if any(name.startswith("on") for name in a)]
    assert NASTY in page.text
    for figure in page.figures().values():  # plotly reads HTML in these strings
        ticks = figure["layout"].get("xaxis", {}).get("ticktext", [])
        assert not any("<" in tick for tick in ticks)
    items = json.loads(re.search(r'class="items"[^>]*>(.*?)</script>', _text(tmp_path))[1])
    assert items["target"]["names"][0] == NASTY


def _text(folder):
    return (folder / "report.html").read_text(encoding="utf-8")


def test_embedded_data_cannot_leave_its_script():
    value = {NASTY: ["<!--", "\u2028"]}
    text = embed(value)
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == value


def test_a_hurt_and_collapsed_run_says_so(tmp_path, make_run, collapse_warnings):
    make_run(tmp_path / "run", items=20, skill=0.2, bias=6, outcome="hurt",
             warnings=collapse_warnings)  # fmt: skip
    page = report([tmp_path / "run"], tmp_path / "report.html")
    assert "hurt." in page.text
    assert "Use the source-only model" in page.text
    for warned in collapse_warnings:
        assert warned.message in page.text


def test_a_verdict_that_the_labels_contradict_says_so(tmp_path, make_run):
    make_run(tmp_path / "run", items=40, skill=-3, outcome="helped")
    page = report([tmp_path / "run"], tmp_path / "report.html")
    assert "contradicts the verdict" in page.text


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(0.0, 1.0, ""), (0.99, 1.0, "estimate is too high"), (0.0, 0.01, "estimate is too low")],
)
def test_an_interval_that_misses_the_truth_is_admitted(tmp_path, make_run, low, high, words):
    estimate = {"method": "any", "value": (low + high) / 2, "low": low, "high": high}
    make_run(tmp_path / "run", items=40, baseline=False, estimate=estimate)
    text = report([tmp_path / "run"], tmp_path / "report.html").text
    assert words in text
    assert ("its interval misses" in text) == bool(words)


def test_vectors_without_labels(tmp_path, make_run):
    make_run(tmp_path / "run", items=20, vectors=True, oracle=False, names=False,
             outcome="cannot tell")  # fmt: skip
    page = report([tmp_path / "run"], tmp_path / "report.html")
    assert "data:image" not in page.raw
    assert "cannot be told" in page.text
    assert "target item 3" in page.text
    assert "Most confident mistakes" not in page.text
    assert "target accuracy (oracle)" not in page.text


@pytest.mark.parametrize("status", ["running", "interrupted", "failed"])
def test_an_unfinished_run_with_nothing_in_it(tmp_path, minimal, status):
    (tmp_path / "run").mkdir()
    minimal.model_copy(update={"status": status}).write(tmp_path / "run")
    page = report([tmp_path / "run"], tmp_path / "report.html")
    assert "No verdict" in page.text
    assert all(heading in page.text for heading in HEADINGS)
    assert page.figures() == {}


def test_damaged_parts_are_named_and_left_out(tmp_path, make_run):
    make_run(tmp_path / "run", items=20, baseline=False)
    (tmp_path / "run" / "samples.npz").write_bytes(b"PK not an archive")
    with (tmp_path / "run" / "metrics.csv").open("a") as file:
        file.write("410,0.9")  # killed while writing
    page = report([tmp_path / "run"], tmp_path / "report.html")
    assert "samples.npz was not read" in page.text
    assert "Losses" in page.text


def test_lost_baseline_is_a_note(tmp_path, make_run):
    make_run(tmp_path / "run", items=20, baseline=False)
    record = json.loads((tmp_path / "run" / "record.json").read_text())
    record["baseline"] = "gone"
    (tmp_path / "run" / "record.json").write_text(json.dumps(record))
    page = report([tmp_path / "run"], tmp_path / "report.html")
    assert "source-only run was not read" in page.text


def test_not_finite_values_are_gaps(tmp_path, make_run):
    make_run(tmp_path / "run", items=20, baseline=False)
    metrics = tmp_path / "run" / "metrics.csv"
    metrics.write_text("step,loss,other\n1,nan,inf\n2,1.5,inf\n3,inf,-inf\n")
    samples = dict(np.load(tmp_path / "run" / "samples.npz"))
    samples["target_logits"][:] = np.nan
    samples["target_features"][:5] = np.inf
    np.savez(tmp_path / "run" / "samples.npz", **samples)
    page = report([tmp_path / "run"], tmp_path / "report.html")
    losses = page.figures()["run0-0-0"]["data"][0]["y"]
    assert losses == [None, 1.5, None]


def test_several_runs_share_a_table_and_their_baseline(tmp_path, make_run):
    make_run(tmp_path / "one", items=20)
    make_run(tmp_path / "two", items=20, algorithm="other", baseline=False, outcome="hurt")
    record = json.loads((tmp_path / "two" / "record.json").read_text())
    record["baseline"] = str(tmp_path / "one" / "baseline")
    (tmp_path / "two" / "record.json").write_text(json.dumps(record))
    make_run(tmp_path / "top", items=20, algorithm="train_on_target", baseline=False, outcome=None)
    folders = [tmp_path / name for name in ("one", "two", "top", "one")]
    page = report(folders, tmp_path / "report.html")
    rows = _comparison(page, _text(tmp_path))
    assert rows == ["source_only", "dann", "other", "train_on_target (oracle)"]
    assert [a["id"] for t, a in page.elements if t == "article"] == ["run0", "run1", "run2"]
    assert "3 runs: 1 helped, 1 hurt, 1 without a verdict." in page.text


def _comparison(page, text):
    table = re.search(r'<table class="comparison">.*?</table>', text, re.DOTALL)[0]
    return [html.unescape(cell) for cell in re.findall(r'<th scope="row">(.*?)</th>', table)]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_the_sheet_holds_each_picture_in_its_cell(channels):
    generator = np.random.default_rng(0)
    inputs = generator.integers(0, 255, (7, 1, 1, channels), dtype=np.uint8)
    inputs = np.broadcast_to(inputs, (7, 30, 20, channels))
    sheet = make_sheet(inputs)
    image = Image.open(io.BytesIO(base64.b64decode(sheet.uri.split(",")[1]))).convert("RGB")
    for index, picture in enumerate(inputs):
        x, y = sheet.cell(index)
        pixel = image.getpixel((x * sheet.pitch[0] + 10, y * sheet.pitch[1] + 15))
        wanted = np.broadcast_to(picture[0, 0, :3] if channels > 1 else picture[0, 0], 3)
        assert np.abs(np.subtract(pixel, wanted)).max() < 6


def test_large_pictures_are_shrunk_and_odd_ones_left_out():
    assert make_sheet(np.zeros((2, 224, 112, 3), dtype=np.uint8)).height == 56
    assert make_sheet(np.zeros((2, 8, 8, 5), dtype=np.uint8)) is None


def test_user_errors_are_one_line(tmp_path):
    for folders in ([], [tmp_path]):
        with pytest.raises(AcclimateError) as caught:
            write_report(folders, tmp_path / "report.html")
        assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_importing_needs_no_torch():
    code = (
        "import sys, acclimate.report.html, acclimate.report.table; "
        "print(sorted(m for m in ('torch', 'torchvision') if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_table_alone_needs_no_scikit_learn():
    code = "import sys, acclimate.report.table; print('sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
