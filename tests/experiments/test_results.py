"""Results on disk are what they say, and their summary is plain arithmetic."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acclimate.core.errors import RecordError
from acclimate.experiments.lines import summarise
from acclimate.experiments.results import RowResult, read_results, write_result
from acclimate.experiments.summary import NOTHING, page, percent, short_cells
from acclimate.experiments.tables import ROWS, Pair, Published, Table

SMALL = Table(
    "small",
    "Small pairs",
    (
        Pair("one", "a", "b", "Note.", {}, {"dann": (Published("somebody", 0.5, "once"),)}),
        Pair("two", "a", "c", "", {}, {}),
    ),
    ROWS,
)


def result(row, seed, accuracy, pair="one", **changes):
    values = {
        "table": "small",
        "pair": pair,
        "row": row,
        "seed": seed,
        "algorithm": row,
        "uses_target_labels": False,
        "source": "a",
        "target": "b",
        "items": {"source train": 1000},
        "settings": {"network": "mlp"},
        "estimate": None if accuracy is None else accuracy / 2,
        "verdict": None,
        "oracle_target_accuracy": accuracy,
        "oracle_last_accuracy": accuracy,
        "oracle_best_accuracy": accuracy,
        "steps": 4,
        "chosen_step": 4,
        "seconds": 10.0 + seed,
        "acclimate": "0",
        "torch": "2",
        "processor": "test",
        "device": "cpu",
        "precision": "32",
        "threads": 1,
        "finished": None,
        "command": "",
        **changes,
    }
    return RowResult(**values)


def line_of(results, row, pair="one"):
    (line,) = [line for line in summarise(SMALL, results) if (line.pair, line.row) == (pair, row)]
    return line


accuracies = st.lists(st.integers(0, 1000).map(lambda n: n / 1000), min_size=1, max_size=5)


@given(accuracies, accuracies, accuracies)
def test_mean_deviation_and_gap_are_numpys(floor, ceiling, own):
    results = [
        result(row, seed, accuracy)
        for row, values in (("source-only", floor), ("train-on-target", ceiling), ("dann", own))
        for seed, accuracy in enumerate(values)
    ]
    line = line_of(results, "dann")
    spread = line.oracle_target_accuracy
    assert spread.n == len(own) == len(line.seeds)
    assert spread.mean == pytest.approx(np.mean(own))
    assert line.estimate.mean == pytest.approx(np.mean(own) / 2)
    if len(own) == 1:
        assert spread.sd is None
    else:
        assert spread.sd == pytest.approx(np.std(own, ddof=1), abs=1e-12)
    # of the seeds that all have: each one's luck is in all three
    common = min(map(len, (floor, ceiling, own)))
    low, high, ours = (np.mean(values[:common]) for values in (floor, ceiling, own))
    gap = high - low
    if gap > 1e-9:
        expected = (ours - low) / gap
        assert line.oracle_gap_closed == pytest.approx(expected)
    elif gap < -1e-9:
        assert line.oracle_gap_closed is None
    # seeds in another order are the same result
    assert line_of(results[::-1], "dann").model_dump() == line.model_dump()


def test_without_a_common_seed_there_is_no_gap():
    results = [
        *(result("source-only", seed, 0.2) for seed in (0, 1)),
        result("train-on-target", 2, 0.6),
        result("dann", 1, 0.5),
    ]
    assert line_of(results, "dann").oracle_gap_closed is None


def test_both_families_have_ends_of_their_own():
    results = [
        result("source-only", 0, 0.2),
        result("train-on-target", 0, 0.6),
        result("best-source-only", 0, 0.5),
        result("best-train-on-target", 0, 0.9),
        result("dann", 0, 0.5),
        result("best", 0, 0.8),
        result("best", 0, 0.1, pair="two"),
    ]
    assert line_of(results, "dann").oracle_gap_closed == pytest.approx(0.75)
    assert line_of(results, "best").oracle_gap_closed == pytest.approx(0.75)
    assert line_of(results, "best", "two").oracle_gap_closed is None


def test_what_is_published_stands_there_without_a_result():
    (line,) = summarise(SMALL, [])
    assert (line.pair, line.row, line.seeds) == ("one", "dann", [])
    assert line.oracle_target_accuracy is None
    assert line.published == [{"system": "somebody", "accuracy": 0.5, "note": "once"}]
    assert short_cells(line)[2:] == ["0", *[NOTHING] * 6]


def test_a_last_layer_has_no_curve_to_average():
    line = line_of([result("dann", 0, 0.5, oracle_last_accuracy=None)], "dann")
    assert line.oracle_last_accuracy is None
    assert line.oracle_target_accuracy.mean == 0.5


def test_the_page_names_what_differs():
    results = [
        result("dann", 0, 0.5, verdict="helped"),
        result("dann", 1, 0.7, verdict="hurt", items={"source train": 2000}, threads=2),
        result("best", 0, 0.8, settings={"network": "compact-cnn"}, precision="bf16"),
        result("of another version", 0, 0.1, settings={"network": "forgotten"}),
    ]
    text = page(SMALL, results)
    assert "## a → b" in text
    assert "source train 1,000 or 2,000" in text
    assert "1 thread of test (cpu); 2 threads of test (cpu)" in text
    assert (
        "paper's rows: mlp in precision 32; of the best rows: compact-cnn in precision bf16."
        in text
    )
    assert "forgotten" not in text
    (row,) = [line for line in text.splitlines() if line.startswith("| dann |")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    sd = 100 * np.std([0.5, 0.7], ddof=1)
    assert cells[:3] == ["dann", "2", f"60.0 ± {sd:.1f}"]
    assert cells[-4:] == [
        f"30.0 ± {sd / 2:.1f}",
        "helped 1, hurt 1",
        "10",
        "somebody 50 (once)",
    ]
    assert len(cells) == text.splitlines()[text.splitlines().index(row) - 2].count("|") - 1


def test_written_and_read_it_is_the_same(tmp_path):
    results = [result("dann", seed, 0.1 * seed, warnings=["ü"]) for seed in range(3)]
    for each in results:
        write_result(tmp_path, each)
    assert read_results(tmp_path, "small") == results
    assert read_results(tmp_path, "other") == []
    assert percent(line_of(results, "dann").oracle_target_accuracy) == "10.0 ± 10.0"


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda text: text[:100], "not a result"),
        (lambda text: "[]", "not a result"),
        (lambda text: "", "not a result"),
        (lambda text: text.replace('"seed":0', '"seed":-1'), "seed: "),
        (lambda text: text.replace("0.5", "1.5"), "oracle_target_accuracy: "),
        (lambda text: text.replace('"version":1', '"version":2'), "version: "),
        (lambda text: text.replace('"torch"', '"porch"'), "torch: "),
        (lambda text: text.replace('"pair":"one"', '"pair":"two"'), "belongs in"),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(tmp_path, damage, complaint):
    path = write_result(tmp_path, result("dann", 0, 0.5))
    whole = json.dumps(json.loads(path.read_text()), separators=(",", ":"))
    assert damage(whole) != whole
    path.write_text(damage(whole))
    with pytest.raises(RecordError) as caught:
        read_results(tmp_path, "small")
    assert complaint in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_copy_does_not_count_twice(tmp_path):
    path = write_result(tmp_path, result("dann", 0, 0.5))
    path.with_name("dann-seed0 (copy).json").write_bytes(path.read_bytes())
    with pytest.raises(RecordError, match="belongs in"):
        read_results(tmp_path, "small")


def test_seeds_on_other_data_are_lines_of_their_own():
    """Who measures on the whole SVHN must not be averaged with what was measured on its subset."""
    whole = {"target": "whole", "items": {"source train": 9, "target evaluate": 26032}}
    part = {"target": "part", "items": {"source train": 9, "target evaluate": 1000}}
    results = [
        *(result("source-only", seed, 0.2, **part) for seed in range(3)),
        *(result("train-on-target", seed, 0.6, **part) for seed in range(3)),
        result("source-only", 3, 0.8, **whole),
        result("train-on-target", 3, 0.9, **whole),
        result("dann", 3, 0.85, **whole),
        result("dann", 1, 0.3, **part),
    ]
    lines = summarise(SMALL, results)
    on = {(line.row, line.data): line for line in lines if line.pair == "one"}
    first, second = "a → part, 1,000 test items", "a → whole, 26,032 test items"
    assert set(on) == {
        (row, d) for d in (first, second) for row in ("source-only", "dann", "train-on-target")
    }
    assert on["source-only", first].seeds == [0, 1, 2]
    assert on["source-only", first].oracle_target_accuracy.mean == pytest.approx(0.2)
    assert on["dann", first].oracle_gap_closed == pytest.approx(0.25)
    assert on["dann", second].oracle_gap_closed == pytest.approx(0.5)
    text = page(SMALL, results)
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert headings[:2] == [f"## a → b, found as {data}" for data in (first, second)]
    assert "target evaluate 1,000." in text
    assert short_cells(on["dann", second])[0] == f"one ({second})"


def test_seeds_that_were_trained_otherwise_are_lines_of_their_own():
    more = {"settings": {"network": "mlp", "steps": 7}}
    results = [
        result("source-only", 0, 0.2),
        result("source-only", 1, 0.4, precision="bf16"),
        *(result("train-on-target", seed, 0.6) for seed in (0, 1)),
        result("dann", 0, 0.4),
        result("dann", 1, 0.5, precision="bf16"),
        result("dann", 2, 0.5, **more),
    ]
    lines = summarise(SMALL, results)
    found = {(line.row, line.variant): line for line in lines if line.pair == "one"}
    assert set(found) == {
        ("source-only", "precision 32"),
        ("source-only", "precision bf16"),
        ("train-on-target", None),
        ("dann", "precision 32, steps None"),
        ("dann", "precision bf16, steps None"),
        ("dann", "precision 32, steps 7"),
    }
    assert found["dann", "precision 32, steps None"].oracle_gap_closed == pytest.approx(0.5)
    assert found["dann", "precision bf16, steps None"].oracle_gap_closed == pytest.approx(0.5)
    assert "| dann (precision 32, steps 7) | 1 | 50.0 |" in page(SMALL, results)


def test_what_decides_nothing_parts_no_seeds():
    """Nor does a setting that an older version did not know yet."""
    mine = {"network": "mlp", "device": "cpu", "start_from": "here", "precision": "auto", "seed": 0}
    theirs = {
        "network": "mlp",
        "device": "cuda",
        "start_from": "there",
        "precision": "32",
        "seed": 1,
    }
    newer = {**theirs, "seed": 2, "averaging": 0.99, "gradient_clip": None}
    results = [
        result("dann", seed, 0.5, settings=s) for seed, s in enumerate((mine, theirs, newer))
    ]
    line = line_of(results, "dann")
    assert (line.seeds, line.variant, line.data) == ([0, 1, 2], None, None)


def test_a_row_is_held_against_the_row_it_names():
    """Subspace alignment has a linear SVM as last layer: its floor is source-only with one."""
    results = [
        result("source-only", 0, 0.2),
        result("source-only+linear-svm", 0, 0.4),
        result("subspace-alignment", 0, 0.5),
        result("train-on-target", 0, 0.6),
    ]
    assert line_of(results, "subspace-alignment").oracle_gap_closed == pytest.approx(0.5)
    assert line_of(results, "source-only+linear-svm").oracle_gap_closed == pytest.approx(0.5)


def test_notes_on_the_data_stand_on_the_page_once():
    note = "b: half of it is missing"
    text = page(SMALL, [result("dann", seed, 0.5, notes=[note]) for seed in range(2)])
    assert text.count(note) == 1
