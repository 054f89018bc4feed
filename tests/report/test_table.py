"""The comparison's numbers against hand computation."""

import json

import pytest

from acclimate.report.table import comparison_rows, text_table


@pytest.fixture
def records(tmp_path, make_run):
    def of(name, algorithm, accuracy, seed=0):
        record = make_run(tmp_path / f"{name}{seed}", algorithm=algorithm, items=20,
                          baseline=False, seed=seed)  # fmt: skip
        metrics = record.oracle_target_metrics.model_copy(update={"accuracy": accuracy})
        return record.model_copy(update={"oracle_target_metrics": metrics})

    return of


def test_gap_closed_is_the_share_of_the_way_from_source_only_to_train_on_target(records):
    rows = comparison_rows(
        [records("s", "source_only", 0.5), records("d", "dann", 0.65),
         records("t", "train_on_target", 0.9)]
    )  # fmt: skip
    # (.65 − .5) / (.9 − .5) = .375
    assert [row.oracle_gap_closed for row in rows] == pytest.approx([0.0, 0.375, 1.0])


def test_gap_is_taken_from_the_runs_of_the_same_seed(records):
    rows = comparison_rows(
        [records("s", "source_only", 0.5, 0), records("s", "source_only", 0.3, 1),
         records("d", "dann", 0.6, 1), records("t", "train_on_target", 0.9, 0)]
    )  # fmt: skip
    # the ceiling exists for the other seed only: (.6 − .3) / (.9 − .3)
    assert rows[2].oracle_gap_closed == pytest.approx(0.5)


@pytest.mark.parametrize("ceiling", [None, 0.5, 0.4])
def test_no_gap_where_there_is_nothing_to_close(records, ceiling):
    runs = [records("s", "source_only", 0.5), records("d", "dann", 0.6)]
    if ceiling is not None:
        runs.append(records("t", "train_on_target", ceiling))
    assert comparison_rows(runs)[1].oracle_gap_closed is None


def test_another_task_is_no_reference(records):
    other = records("s", "source_only", 0.1)
    other = other.model_copy(update={"source": other.source.model_copy(update={"name": "usps"})})
    rows = comparison_rows(
        [other, records("d", "dann", 0.6), records("t", "train_on_target", 0.9)]
    )  # fmt: skip
    assert rows[1].oracle_gap_closed is None


def test_text_and_plain_forms_say_the_same(records):
    rows = comparison_rows([records("d", "dann", 0.6512), records("t", "train_on_target", 0.9)])
    headings, cells = text_table(rows)
    line = dict(zip(headings, cells[0], strict=True))
    assert line["algorithm"] == "dann"
    assert line["target accuracy (oracle)"] == "65.1%"
    assert "gap closed (oracle)" not in headings
    assert cells[1][0] == "train_on_target (oracle)"
    assert json.loads(json.dumps(rows[0].as_dict()))["oracle_target_accuracy"] == 0.6512


def test_a_run_without_anything_has_a_row(minimal):
    (row,) = comparison_rows([minimal])
    assert (row.verdict, row.estimate, row.chosen_step) == ("running", None, None)
    assert text_table([row])[1][0][0] == "dann"


def test_warnings_are_named_once(tmp_path, make_run, collapse_warnings):
    record = make_run(tmp_path / "r", items=20, baseline=False, warnings=collapse_warnings * 2)
    assert comparison_rows([record])[0].warnings == ("one_class", "domain_accuracy")


def test_a_few_target_labels_are_named_and_have_references_of_their_own(records):
    def given(record, items):
        return record.model_copy(update={"labelled_target_items": items})

    plain, floor = records("s", "source_only", 0.5), given(records("f", "source_only", 0.6), 430)
    few, one = given(records("d", "dann", 0.75), 430), given(records("o", "dann", 0.7), 1)
    rows = comparison_rows([plain, floor, few, one, records("t", "train_on_target", 0.9)])
    assert [row.algorithm for row in rows[:4]] == [
        "source_only",
        "source_only + 430 target labels",
        "dann + 430 target labels",
        "dann + 1 target label",
    ]
    # (.75 − .6) / (.9 − .6); there is no source-only run with one label
    assert rows[2].oracle_gap_closed == pytest.approx(0.5)
    assert rows[3].oracle_gap_closed is None
