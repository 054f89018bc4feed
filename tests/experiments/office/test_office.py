"""The tables of photos on drawn features: rows, resuming, pages; and the real ones where they are at hand."""

import json

import numpy as np
import pytest
from PIL import Image

from acclimate.core.errors import ConfigurationError, RecordError, UnknownNameError
from acclimate.experiments.office import fine_tuning
from acclimate.experiments.office.benchmarks import BENCHMARKS, Benchmark, find_benchmark
from acclimate.experiments.office.page import lines_of, page, write_page
from acclimate.experiments.office.results import OfficeResult, read, write
from acclimate.experiments.office.rows import ON_FEATURES, WHOLE, Pair
from acclimate.experiments.office.run import run, wanted

CALTECH = find_benchmark("office-caltech-10")


def drawn_pair(seed=0, items=90, shift=1.5):
    """Three classes in twelve dimensions; the target's are moved along all of them."""
    draws = np.random.default_rng(seed)
    centres = 3 * draws.normal(size=(3, 12))
    labels = np.arange(items) % 3
    rows = [centres[labels] + draws.normal(size=(items, 12)) for _ in range(2)]
    target = rows[1] + shift * draws.normal(size=12)
    return Pair(rows[0].astype(np.float32), labels, target.astype(np.float32), labels)


DRAWN = "mobilenetv3_small_050"


class DrawnFeatures:
    """Stands in for ``Features``: the same rows for every pair, and a count of how often it was made."""

    made = 0

    class Backbone:
        class options:  # noqa: N801  (as the real one is spelt)
            name = DRAWN
            weights = "none"

    backbone = Backbone
    weights = "none"

    def __init__(self):
        DrawnFeatures.made += 1

    def pair(self, name, said):
        return drawn_pair()

    def of(self, domain):
        return type("Photos", (), {"class_names": ("a", "b", "c")})


@pytest.mark.parametrize("row", ON_FEATURES, ids=lambda row: row.name)
def test_every_row_gives_probabilities_that_tell_the_classes(row, monkeypatch):
    monkeypatch.setattr("acclimate.experiments.office.rows.STEPS", 60)
    outcome = row.run(drawn_pair(), 0)
    assert outcome.probabilities.shape == (90, 3)
    assert np.allclose(outcome.probabilities.sum(1), 1, atol=1e-5)
    assert (outcome.probabilities.argmax(1) == drawn_pair().oracle_labels).mean() > 0.8


@pytest.mark.parametrize("row", [r for r in ON_FEATURES if not r.oracle], ids=lambda row: row.name)
def test_labels_of_the_target_change_nothing_but_the_oracle(row, monkeypatch):
    monkeypatch.setattr("acclimate.experiments.office.rows.STEPS", 20)
    pair = drawn_pair()
    wrong = pair._replace(oracle_labels=(pair.oracle_labels + 1) % 3)
    first, second = (row.run(each, 0).probabilities for each in (pair, wrong))
    assert np.array_equal(first, second)


def test_the_oracle_predicts_each_photo_unseen():
    """Labels without any meaning cannot be learnt by folds; a fit to all of them could."""
    pair = drawn_pair()
    nonsense = np.random.default_rng(3).permutation(pair.oracle_labels)
    (row,) = [row for row in ON_FEATURES if row.name == "train-on-target"]
    outcome = row.run(pair._replace(oracle_labels=nonsense), 0)
    assert (outcome.probabilities.argmax(1) == nonsense).mean() < 0.6


def test_pairs_and_rows_by_name():
    assert len(CALTECH.pairs) == 12 + 4
    assert CALTECH.sources_of("others-webcam") == (("amazon", "caltech", "dslr"), "webcam")
    jobs = wanted(CALTECH, ["amazon-webcam"], [0, 1, 2])
    counts = {job.row.name: 0 for job in jobs}
    for job in jobs:
        counts[job.row.name] += 1
    assert counts["dann"] == 3
    assert counts["best"] == 1
    pooled = wanted(CALTECH, ["others-dslr"], [0])
    assert [job.row.name for job in pooled] == ["source-only"]
    with pytest.raises(ConfigurationError, match=r"no pair 'amazon-wecam'.*amazon-webcam"):
        wanted(CALTECH, ["amazon-wecam"], [0])
    with pytest.raises(UnknownNameError, match=r"no row 'dan'.*dann"):
        wanted(CALTECH, ["*/dan"], [0])
    with pytest.raises(ConfigurationError, match="office-31"):
        find_benchmark("office-32")


def test_whole_backbones_are_trained_where_they_are_named():
    whole = {row.name for row in WHOLE}
    for names in ([], ["amazon-webcam"]):
        assert not whole & {job.row.name for job in wanted(CALTECH, names, [0])}
    jobs = wanted(CALTECH, ["amazon-dslr/fine-tuned-mcc", "amazon-dslr"], [0, 1])
    assert sum(job.row.name == "fine-tuned-mcc" for job in jobs) == 2
    assert whole & {job.row.name for job in jobs} == {"fine-tuned-mcc"}


@pytest.mark.parametrize("name", ["fine-tuned-mcc", "fine-tuned-train-on-target"])
def test_a_row_that_trains_the_backbone(name, tmp_path, monkeypatch):
    monkeypatch.setattr(fine_tuning, "ON_PROCESSOR", fine_tuning.Budget(32, 40, 4, 4))
    monkeypatch.setattr(fine_tuning, "ON_GPU", fine_tuning.Budget(32, 40, 4, 4))
    draws = np.random.default_rng(0)
    for place in [tmp_path / d / c for d in ("one", "two") for c in ("red", "blue")]:
        place.mkdir(parents=True)
        for number in range(12):
            pixels = draws.integers(0, 256, (40, 48, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(place / f"{number}.png")
    folders = {name: str(tmp_path / name) for name in ("one", "two")}
    benchmark = Benchmark("office-tiny", "Two drawn domains", folders)
    jobs = wanted(benchmark, [f"one-two/{name}"], [0])
    run(benchmark, jobs, DRAWN, DrawnFeatures, results=tmp_path, command="acclimate")
    (result,) = read(tmp_path, "office-tiny")
    oracle = name == "fine-tuned-train-on-target"
    assert result.uses_target_labels == oracle
    # an oracle is measured on what it has not seen, the others on all there is
    assert (result.target_items < 24) == oracle
    assert result.chosen["steps"] == 4
    assert 0 < result.chosen["step"] <= 4
    text = page(benchmark, [result])
    assert "photos of 40 pixels cut to 32, 4 steps of 4 + 4" in text
    # not among the rows on features
    assert text.index("## Fine-tuned") < text.index(f"| fine-tuned {'train' if oracle else 'MCC'}")


def test_every_domain_is_a_registered_data_set():
    from acclimate.data import datasets

    for benchmark in BENCHMARKS.values():
        assert set(benchmark.published) <= set(benchmark.pairs)
        for name in benchmark.domains.values():
            assert name in datasets


def test_stopped_and_called_again_it_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr("acclimate.experiments.office.rows.STEPS", 10)
    DrawnFeatures.made = 0
    jobs = wanted(CALTECH, ["amazon-webcam/source-only", "amazon-webcam/best"], [0])
    run(CALTECH, jobs[:1], DRAWN, DrawnFeatures, results=tmp_path, command="first")
    said = []
    run(CALTECH, jobs, DRAWN, DrawnFeatures, results=tmp_path, command="second", said=said.append)
    found = read(tmp_path, CALTECH.name)
    assert sorted(result.command for result in found) == ["first", "second"]
    assert len(said) == 1
    run(CALTECH, jobs, DRAWN, DrawnFeatures, results=tmp_path, command="third")
    assert DrawnFeatures.made == 2
    path = write_page(tmp_path, CALTECH, found)
    assert "| best: selective pseudo-labels | 1 |" in path.read_text()


def test_a_table_has_one_backbone(tmp_path):
    """The numbers of another one were shown as the answer."""
    write(tmp_path, made_result("source-only", "amazon-webcam", 0, 0.5))
    jobs = wanted(CALTECH, ["amazon-webcam/source-only"], [0])
    with pytest.raises(RecordError, match="results of backbone drawn, not of another: give"):
        run(CALTECH, jobs, "another", DrawnFeatures, results=tmp_path, command="")
    run(CALTECH, jobs, "drawn", DrawnFeatures, results=tmp_path, command="")


def made_result(row, pair, seed, accuracy):
    return OfficeResult(
        benchmark=CALTECH.name,
        row=row,
        pair=pair,
        seed=seed,
        backbone="drawn",
        weights="none",
        source_items=9,
        target_items=9,
        uses_target_labels=False,
        oracle_target_accuracy=accuracy,
        oracle_target_auroc=0.9,
        seconds=1,
        threads=1,
        processor="p",
        command="c",
    )


def test_means_and_deviations_over_seeds():
    pairs = [pair for pair in CALTECH.pairs if not pair.startswith("others")]
    results = [
        made_result("dann", pair, seed, 0.5 + 0.1 * seed) for pair in pairs for seed in range(3)
    ] + [made_result("network-source-only", pair, seed, 0.5) for pair in pairs for seed in range(3)]
    line = {line.row.name: line for line in lines_of(results)}["dann"]
    mean, deviation = line.mean(pairs)
    assert mean == pytest.approx(60)
    assert deviation == pytest.approx(10)
    text = page(CALTECH, results)
    assert "| DANN | 3 | 60.0 ± 10.0" in text
    assert "| DANN | source-only: network | 12 of 12 | +10.0 | +10.0 |" in text
    assert "generalisation" not in text
    assert line.mean([*pairs, "others-webcam"]) is None


def test_a_file_that_is_no_result_is_one_line(tmp_path):
    broken = tmp_path / "office" / CALTECH.name / "amazon-webcam" / "best-seed0.json"
    broken.parent.mkdir(parents=True)
    broken.write_text("{}")
    with pytest.raises(RecordError, match="is no result of this table") as caught:
        read(tmp_path, CALTECH.name)
    assert "\n" not in str(caught.value)


def test_the_command_shows_and_refuses(acclimate, tmp_path):
    shown = acclimate(
        "reproduce", "office", "--show", "--json", "--results", str(tmp_path / "none")
    )
    assert json.loads(shown.out) == {"table": CALTECH.name, "page": None, "lines": []}
    assert not (tmp_path / "none").exists()
    wrong = acclimate("reproduce", "office", "--steps", "3")
    assert wrong.code == 2
    assert "--steps: not for office" in wrong.err
    wrong = acclimate("reproduce", "digits", "--backbone", "x")
    assert wrong.code == 2
    assert "--backbone: for 'reproduce office'" in wrong.err
