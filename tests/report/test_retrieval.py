"""Runs of retrieval: ranks in tables, CMC curves, words; nothing of classes, no picture."""

import base64
import json
import re
from html.parser import HTMLParser

import numpy as np
import plotly.graph_objects as go
import pytest
from retrieval_folder import write_retrieval_run

from acclimate.core.records import Verdict
from acclimate.report import embedding
from acclimate.report.html import load_runs, render_report
from acclimate.report.run import load_run
from acclimate.report.table import comparison_rows, text_table

OF_CLASSES = ("Confusion", "confusion", "alibration", "AUROC", "Items worth a look",
              "Reliability", "Most confident", "Accuracy at each")  # fmt: skip
VOID = {"meta", "br", "wbr", "img", "input", "link", "hr"}


class Page(HTMLParser):
    """Elements, visible text and figures; every element must be closed in its turn."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.text, self.scripts = [], [], "", {}
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append((tag, dict(attributes).get("id")))

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        tag, name = self.open[-1] if self.open else ("", None)
        if tag not in ("script", "style"):
            self.text += data
        elif name:
            self.scripts[name] = data

    def words(self):
        return " ".join(self.text.split())

    def figure(self, name):
        return json.loads(self.scripts[name])


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    """A layout that costs nothing, and how many points each was made of."""
    sizes = []

    class Cheap:
        def __init__(self, *_, **__): ...

        def fit_transform(self, features):
            sizes.append(len(features))
            return np.asarray(features[:, :2], dtype=np.float32)

    monkeypatch.setattr(embedding, "TSNE", Cheap)
    return sizes


def page_of(*folders):
    return Page(render_report(load_runs(folders)))


def test_the_headline_and_the_oracle_are_the_records(tmp_path):
    record = write_retrieval_run(tmp_path / "run", alone=2)
    before = load_run(tmp_path / "run" / "baseline").record.oracle_target_retrieval
    source, target = record.source_retrieval, record.oracle_target_retrieval
    words = page_of(tmp_path / "run").words()
    assert (
        f"On held-out identities of viper: rank 1 {source.rank1:.1%}, "
        f"mAP {source.mean_average_precision:.1%}." in words
    )
    for metrics, start in ((target, "On prid2011:"), (before, "Source-only:")):
        assert (
            f"{start} rank 1 {metrics.rank1:.1%}, rank 5 {metrics.rank5:.1%}, "
            f"rank 10 {metrics.rank10:.1%}, rank 20 {metrics.rank20:.1%}, "
            f"mAP {metrics.mean_average_precision:.1%}, "
            f"area under the CMC curve {metrics.area:.3f}." in words
        )
    change = f"{100 * (target.rank1 - before.rank1):+.1f}".replace("-", "−")
    assert f"The difference at rank 1 is {change} points." in words
    assert "No label-free estimate of retrieval accuracy is made" in words
    assert "no report holds pictures of people" in words
    assert "(632 identities)" in words
    assert "prid2011: 2 probes have no match" in words


def test_nothing_of_classes_and_no_picture(tmp_path):
    write_retrieval_run(tmp_path / "run")
    text = render_report(load_runs([tmp_path / "run"]))
    assert "data:image" not in text
    page = Page(text)
    labels = " ".join(a.get("aria-label") or "" for _, a in page.elements)
    for word in OF_CLASSES:
        assert word not in page.words() + labels, word
    assert not re.search(r"\bclass(es)?\b", page.words() + labels)


def test_pictures_in_the_folder_do_not_get_into_the_page(tmp_path):
    write_retrieval_run(tmp_path / "run", baseline=False)
    stored = dict(np.load(tmp_path / "run" / "samples.npz"))
    pictures = np.random.default_rng(0).integers(0, 255, (200, 32, 16, 3), dtype=np.uint8)
    for domain in ("source", "target"):
        some = pictures[: len(stored[f"{domain}_features"])]
        stored |= {f"{domain}_inputs": some, f"{domain}_large": some[:2]}
        stored[f"{domain}_large_indices"] = np.arange(2)
    np.savez(tmp_path / "run" / "samples.npz", **stored)
    text = render_report(load_runs([tmp_path / "run"]))
    assert "data:image" not in text
    assert 'class="thumb run' not in text


def test_a_run_without_target_labels_shows_no_oracle(tmp_path):
    record = write_retrieval_run(tmp_path / "run", oracle=False, cameras=False)
    page = page_of(tmp_path / "run")
    assert "(oracle)" not in page.words()
    assert "Labels for evaluation exist" not in page.words()
    assert "which of them show the same person" in page.words()
    headings, cells = text_table(comparison_rows([record]))
    line = dict(zip(headings, cells[0], strict=True))
    assert line["source rank 20"] == f"{record.source_retrieval.rank20:.1%}"
    assert not any("oracle" in heading for heading in headings)
    # without cameras there is one colouring, and so nothing to choose
    assert "colour by" not in page.words()
    assert not [a for _, a in page.elements if a.get("data-colouring") not in (None, "domain")]


def test_points_are_coloured_by_camera_and_tell_camera_and_identity(tmp_path):
    write_retrieval_run(tmp_path / "run", identities=30)
    page = page_of(tmp_path / "run")
    stored = np.load(tmp_path / "run" / "samples.npz")
    figure = page.figure("run0-plane1")
    legend = [
        (a["data-traces"].split(), name)
        for (_, a), name in zip(
            [e for e in page.elements if "data-traces" in e[1]],
            re.findall(
                r"data-traces.*?</i>(.*?)</button>", render_report(load_runs([tmp_path / "run"]))
            ),
            strict=True,
        )
        if "camera" in name
    ]
    assert [name for _, name in legend] == [
        "source, camera 1", "source, camera 2", "target, camera 1", "target, camera 2",
    ]  # fmt: skip
    for traces, name in legend:
        domain, number = name.split(", camera ")
        items = [i for t in traces for i in figure["data"][int(t)]["customdata"]]
        wanted = np.flatnonzero(stored[f"{domain}_cameras"] == int(number))
        assert sorted(items) == wanted.tolist()
        assert all(figure["data"][int(t)]["meta"]["colouring"] == "camera" for t in traces)
    text = render_report(load_runs([tmp_path / "run"]))
    items = json.loads(re.search(r'class="items"[^>]*>(.*?)</script>', text)[1])
    labels = np.load(tmp_path / "run" / "oracle.npz")["target_labels"]
    assert items["target"]["lines"][3] == [
        f"camera {stored['target_cameras'][3]}", f"identity prid2011-{labels[3]:04d} (oracle)",
    ]  # fmt: skip
    assert items["source"]["lines"][0] == ["camera 1", "identity viper-0000"]
    assert items["source"]["cells"] is None


def test_runs_of_both_objectives_get_tables_of_their_own(tmp_path, make_run):
    make_run(tmp_path / "classes", items=20, baseline=False)
    for seed in (0, 1):
        write_retrieval_run(tmp_path / f"people{seed}", seed=seed, identities=30, baseline=False)
    page = page_of(tmp_path / "people0", tmp_path / "classes", tmp_path / "people1")
    labels = [a["aria-label"] for t, a in page.elements if t == "section" and "aria-label" in a]
    tables = [label for label in labels if label.startswith("Comparison")]
    assert tables == [
        "Comparison of classification",
        "Comparison of retrieval over seeds",
        "Comparison of retrieval",
    ]
    assert "Runs of classification" in page.words()
    assert "Runs of retrieval" in page.words()
    # the columns of both, for one table of a terminal
    runs = [load_run(tmp_path / name).record for name in ("people0", "classes")]
    headings, cells = text_table(comparison_rows(runs))
    people, classes = (dict(zip(headings, line, strict=True)) for line in cells)
    assert (people["label-free estimate"], classes["rank 1 (oracle)"]) == ("–", "–")


def test_source_only_of_the_same_seed_is_the_reference_where_a_run_brings_none(tmp_path):
    write_retrieval_run(tmp_path / "dann", baseline=False, identities=30)
    for seed in (0, 1):
        write_retrieval_run(tmp_path / f"so{seed}", algorithm="source_only", seed=seed, noise=1.2,
                            identities=30, baseline=False)  # fmt: skip
    words = page_of(tmp_path / "dann", tmp_path / "so1", tmp_path / "so0").words()
    wanted = load_run(tmp_path / "so0").record.oracle_target_retrieval
    assert words.count("Source-only: rank 1") == 1
    assert f"Source-only: rank 1 {wanted.rank1:.1%}" in words


@pytest.mark.parametrize("status", ["running", "interrupted", "failed"])
def test_an_unfinished_run_shows_its_latest_evaluation(tmp_path, status):
    record = write_retrieval_run(tmp_path / "run", status=status, baseline=False, samples=False,
                                 chosen=None, source_retrieval=None,
                                 oracle_target_retrieval=None)  # fmt: skip
    words = page_of(tmp_path / "run").words()
    latest = record.evaluations[-1]
    assert "No verdict: the run is" in words
    assert f"rank 1 {latest.source_accuracy:.1%}" in words
    assert f"On prid2011: rank 1 {latest.oracle_target_accuracy:.1%}, mAP" in words
    assert "the record holds no metrics against identities" in words
    assert "holds no sample items" in words


def test_a_run_with_nothing_in_it_has_a_page(tmp_path, minimal):
    (tmp_path / "run").mkdir()
    changes = {"objective": "retrieval", "status": "finished"}
    minimal.model_copy(update=changes).write(tmp_path / "run")
    assert "Nothing has been measured." in page_of(tmp_path / "run").words()


def test_a_verdict_that_cannot_tell_is_said(tmp_path):
    verdict = Verdict(outcome="cannot tell", probability_helped=None, reason="no estimate exists")
    write_retrieval_run(tmp_path / "run", verdict=verdict, samples=False)
    words = page_of(tmp_path / "run").words()
    assert "Whether adapting helped cannot be told. No estimate exists." in words


@pytest.mark.parametrize(
    "change",
    [
        {"source_cameras": np.arange(3)},
        {"source_cameras": np.zeros((20, 2))},
        {"target_features": None},
        {"source_labels": np.arange(2)},
    ],
    ids=["few cameras", "flat cameras", "no descriptors", "few labels"],
)
def test_damaged_samples_are_a_note(tmp_path, change):
    write_retrieval_run(tmp_path / "run", baseline=False, identities=20)
    stored = dict(np.load(tmp_path / "run" / "samples.npz")) | change
    kept = {name: values for name, values in stored.items() if values is not None}
    np.savez(tmp_path / "run" / "samples.npz", **kept)
    assert "samples.npz was not read" in page_of(tmp_path / "run").words()


@pytest.mark.parametrize("content", [b"[1, 2]", b"{", b'{"target": 3}', b"\xff"])
def test_damaged_names_are_a_note(tmp_path, content):
    write_retrieval_run(tmp_path / "run", baseline=False, identities=20)
    (tmp_path / "run" / "item_names.json").write_bytes(content)
    assert "samples.npz was not read" in page_of(tmp_path / "run").words()


def test_missing_names_labels_and_cameras_cost_nothing_else(tmp_path):
    write_retrieval_run(
        tmp_path / "run", baseline=False, identities=20, cameras=False, oracle=False
    )
    (tmp_path / "run" / "item_names.json").unlink()
    text = render_report(load_runs([tmp_path / "run"]))
    items = json.loads(re.search(r'class="items"[^>]*>(.*?)</script>', text)[1])
    assert items["target"]["names"][7] == "target item 7"
    assert items["target"]["lines"][7] == []


def test_descriptors_that_are_not_finite_are_left_out(tmp_path, cheap):
    write_retrieval_run(tmp_path / "run", baseline=False, identities=20)
    stored = dict(np.load(tmp_path / "run" / "samples.npz"))
    stored["target_features"][:4, 0] = np.inf
    stored["target_features"][4:6] = 0
    np.savez(tmp_path / "run" / "samples.npz", **stored)
    page_of(tmp_path / "run")
    assert cheap[0] == 20 + 40 - 4


def test_identities_are_counted_and_not_listed(tmp_path):
    write_retrieval_run(tmp_path / "run", baseline=False, samples=False)
    words = page_of(tmp_path / "run").words()
    assert "source.identities632" in words
    assert "viper-0001" not in words


def test_strings_are_escaped(tmp_path):
    nasty = "</script><img src=x onerror=alert(1)>"
    record = write_retrieval_run(tmp_path / "run", baseline=False, identities=20, command=nasty)
    changed = record.model_dump(mode="json")
    changed["source"] |= {"name": nasty, "class_names": [nasty] * 20}
    changed["target"]["name"] = nasty
    (tmp_path / "run" / "record.json").write_text(json.dumps(changed))
    page = page_of(tmp_path / "run")
    assert "img" not in {tag for tag, _ in page.elements}
    assert nasty in page.text
    for name in ("run0-cmc0", "run0-plane0"):
        assert not any("<" in (t.get("name") or "") for t in page.figure(name)["data"])


def test_plotly_accepts_every_figure_and_each_says_what_it_shows(tmp_path):
    write_retrieval_run(tmp_path / "run", identities=60)
    page = page_of(tmp_path / "run")
    plots = [a for _, a in page.elements if a.get("class") == "plot"]
    assert len(plots) == 10
    for plot in plots:
        figure = page.figure(plot["data-figure"])
        go.Figure(data=figure["data"], layout=figure["layout"])
        assert plot["role"] == "img"
        assert len(plot["aria-label"]) > 30
    assert base64.b64decode(page.scripts["plotly"])[:2] == b"\x1f\x8b"
