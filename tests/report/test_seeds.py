"""Rows over seeds against hand computation."""

import json

import pytest

from acclimate.core.records import Estimate
from acclimate.report.html import compared_records, load_runs, write_page
from acclimate.report.seeds import once_per_seed, summary_rows, summary_table


@pytest.fixture
def record(minimal, make_run, tmp_path):
    made = make_run(tmp_path / "model", items=20, baseline=False)

    def of(algorithm, accuracy, seed=0, *, verdict=None, seconds=10.0, settings=None, **changes):
        oracle = made.oracle_target_metrics.model_copy(update={"accuracy": accuracy})
        source = made.source_metrics.model_copy(update={"accuracy": accuracy + 0.1})
        estimate = Estimate(method="x", value=accuracy - 0.1, low=0.1, high=0.9)
        words = made.verdict.model_copy(update={"outcome": verdict}) if verdict else None
        fields = {
            "algorithm": algorithm,
            "settings": {"algorithm": algorithm, "steps": 5, **(settings or {}), "seed": seed},
            "oracle_target_metrics": oracle,
            "source_metrics": source,
            "estimate": estimate,
            "verdict": words,
            "training_seconds": seconds,
            "status": "finished",
            "uses_target_labels": algorithm == "train-on-target",
            **changes,
        }
        return minimal.model_copy(update=fields)

    return of


def test_mean_and_sample_deviation_by_hand(record):
    runs = [
        record("dann", a, s, seconds=t) for s, (a, t) in enumerate([(0.6, 8), (0.7, 10), (0.5, 12)])
    ]
    (row,) = summary_rows(runs)
    # deviations 0, .1, −.1: sd = √(.02 / 2) = .1; 8, 10, 12: √(8 / 2) = 2
    assert (row.n, row.seeds) == (3, (0, 1, 2))
    assert row.oracle_target_accuracy.mean == pytest.approx(0.6)
    assert row.oracle_target_accuracy.sd == pytest.approx(0.1)
    assert row.source_accuracy.mean == pytest.approx(0.7)
    assert row.estimate.mean == pytest.approx(0.5)
    assert (row.seconds.mean, row.seconds.sd) == pytest.approx((10, 2))
    headings, (cells,) = summary_table([row])
    line = dict(zip(headings, cells, strict=True))
    assert line["target accuracy (oracle)"] == "60.0% ± 10.0"
    assert line["n"] == "3"
    assert line["time"] == "10 s ± 2.0 s"


def test_one_run_has_no_deviation_and_keeps_its_interval(record):
    (row,) = summary_rows([record("dann", 0.6)])
    assert (row.n, row.oracle_target_accuracy.sd) == (1, None)
    headings, (cells,) = summary_table([row])
    line = dict(zip(headings, cells, strict=True))
    assert line["target accuracy (oracle)"] == "60.0%"
    assert line["label-free estimate"] == "50.0% (10.0–90.0)"


def test_gap_closed_comes_from_the_means(record):
    runs = [record("source-only", 0.4, 0), record("source-only", 0.6, 1),
            record("dann", 0.5, 0), record("dann", 0.9, 1), record("train-on-target", 0.9, 0)]  # fmt: skip
    rows = summary_rows(runs)
    # (.7 − .5) / (.9 − .5); the mean of the single gaps (.2, 1) would be .6
    assert [row.oracle_gap_closed for row in rows] == pytest.approx([0.0, 0.5, 1.0])


def test_verdicts_are_counted_in_their_order(record):
    verdicts = ["cannot tell", "helped", "helped"]
    (row,) = summary_rows([record("dann", 0.6, s, verdict=v) for s, v in enumerate(verdicts)])
    assert row.verdicts == {"helped": 2, "cannot tell": 1}
    assert "helped 2, cannot tell 1" in summary_table([row])[1][0]
    (row,) = summary_rows([record("source-only", 0.6, seed) for seed in (0, 1)])
    assert "reference" in summary_table([row])[1][0]


def test_other_settings_are_another_row_that_says_so(record):
    runs = [record("dann", 0.5, 0, settings={"learning_rate": 0.1, "algorithm_options": {"w": 1}}),
            record("dann", 0.7, 1, settings={"learning_rate": 0.2, "algorithm_options": {"w": 1}}),
            record("dann", 0.9, 2, settings={"learning_rate": 0.2, "algorithm_options": {"w": 1}})]  # fmt: skip
    first, second = summary_rows(runs)
    assert (first.n, second.n) == (1, 2)
    assert (first.settings, second.settings) == ({"learning_rate": 0.1}, {"learning_rate": 0.2})
    headings, cells = summary_table([first, second])
    assert [line[headings.index("settings")] for line in cells] == [
        "learning_rate=0.1",
        "learning_rate=0.2",
    ]


def test_references_under_other_conditions_do_not_count_where_there_are_equal_ones(record):
    short, long = {"steps": 5}, {"steps": 50}
    runs = [record("source-only", 0.1, settings=long), record("source-only", 0.5, settings=short),
            record("dann", 0.6, settings=short), record("train-on-target", 0.9, settings=long)]  # fmt: skip
    # floor .5 of the same steps; the ceiling exists under others only: (.6 − .5) / (.9 − .5)
    assert summary_rows(runs)[2].oracle_gap_closed == pytest.approx(0.25)


def test_unfinished_runs_are_counted_but_not_averaged(record):
    runs = [record("dann", 0.6, 0, verdict="helped"), record("dann", 0.8, 1, verdict="helped"),
            record("dann", 0.1, 2, status="interrupted")]  # fmt: skip
    (row,) = summary_rows(runs)
    assert (row.n, row.seeds) == (2, (0, 1))
    assert row.oracle_target_accuracy.mean == pytest.approx(0.7)
    assert row.verdicts == {"helped": 2, "interrupted": 1}
    (row,) = summary_rows(runs[2:])
    assert row.oracle_target_accuracy.mean == pytest.approx(0.1)


def test_order_of_the_runs_does_not_matter_to_the_seeds(record):
    (row,) = summary_rows([record("dann", 0.6, seed) for seed in (2, 0, 1)])
    assert row.seeds == (0, 1, 2)
    assert [run.seed for run in row.runs] == [0, 1, 2]


def test_a_baseline_counts_once_for_each_seed(record):
    base = [record("source-only", 0.5, seed) for seed in (0, 1, 0)]
    assert once_per_seed(base, [False, False, False]) == [0, 1]
    # the one that was asked for is kept, wherever it stands
    assert once_per_seed(base, [False, False, True]) == [1, 2]
    other = record("source-only", 0.5, 0, settings={"steps": 9})
    assert once_per_seed([base[0], other], [False, False]) == [0, 1]


def test_the_page_shows_rows_over_seeds_and_folds_the_rest(tmp_path, make_run):
    for algorithm in ("dann", "other"):
        for seed in (0, 1):
            make_run(tmp_path / f"{algorithm}{seed}", items=12, algorithm=algorithm, seed=seed,
                     settings={"seed": seed, "steps": 5})  # fmt: skip
            baseline = tmp_path / f"{algorithm}{seed}" / "baseline" / "record.json"
            content = json.loads(baseline.read_text())
            content["settings"] = {"seed": seed, "steps": 5}
            baseline.write_text(json.dumps(content))
    runs = load_runs([tmp_path / name for name in ("dann0", "dann1", "other0", "other1")])
    records = compared_records(runs)
    assert [r.algorithm for r in records] == [
        "source_only",
        "dann",
        "source_only",
        "dann",
        "other",
        "other",
    ]
    page = write_page(runs, tmp_path / "report.html").read_text(encoding="utf-8")
    assert [row.n for row in summary_rows(records)] == [2, 2, 2]
    assert page.index(" ± ") < page.index("The 6 single runs")
    assert page.count('<table class="comparison">') == 2
    assert page.count("<article") == 4
    assert page.count("<details open>\n<summary><h2>") == 1
    assert page.count("<details>\n<summary><h2>") == 3


def test_json_is_plain(record):
    rows = summary_rows([record("dann", 0.5, 0), record("dann", 0.7, 1)])
    plain = json.loads(json.dumps([row.as_dict() for row in rows]))
    assert plain[0]["oracle_target_accuracy"]["mean"] == pytest.approx(0.6)
    assert plain[0]["seeds"] == [0, 1]
    assert "runs" not in plain[0]
