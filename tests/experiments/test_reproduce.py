"""A table in small, from names of rows to result files, and what happens where it is stopped."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from acclimate.core.errors import UnknownNameError
from acclimate.core.records import read_record
from acclimate.experiments import tables
from acclimate.experiments.reproduce import jobs_of, run_job
from acclimate.experiments.results import read_results
from acclimate.experiments.tables import TABLES, Pair, Row, Table
from acclimate.models.files import read_model
from acclimate.training.observer import Observer

RUNS, RESULTS = Path("runs"), Path("results")
#: differ between equal runs
TIMES = ("seconds", "peak_memory_mib", "finished")
ALL_NAMES = [
    (table, name)
    for table in TABLES.values()
    for pair in table.pairs
    for name in (pair.name, *(f"{pair.name}/{row.name}" for row in table.rows))
]
OPTIONS = ("--seeds", 1, "--device", "cpu")


@given(st.sampled_from(ALL_NAMES), st.sets(st.integers(0, 3), min_size=1))
def test_what_a_row_needs_stands_before_it(chosen, seeds):
    table, name = chosen
    seen, needed = set(), set()
    for job in jobs_of(table, [name], sorted(seeds)):
        assert (job.pair.name, job.seed, job.row.name) not in seen
        for other in filter(None, (job.row.start_from, job.row.reference)):
            assert (job.pair.name, job.seed, other) in seen
            needed.add(other)
        seen.add((job.pair.name, job.seed, job.row.name))
    pair, _, row = name.partition("/")
    asked = {row} if row else {each.name for each in table.rows}
    # nothing is missing and nothing comes along for nothing
    assert {(p, seed) for p, seed, _ in seen} == {(pair, seed) for seed in seeds}
    assert {each for _, _, each in seen} == asked | needed


def test_needs_have_needs():
    rows = (
        Row("first", "paper", "source-only"),
        Row("second", "paper", "dann", start_from="first"),
        Row("idle", "paper", "dann"),
        Row("third", "paper", "dann", reference="second"),
    )
    chain = Table("chain", "", (Pair("one", "a", "b", "", {}, {}),), rows)
    assert [job.row.name for job in jobs_of(chain, ["one/third"], [0])] == [
        "first",
        "second",
        "third",
    ]


def test_without_a_name_it_is_the_whole_table():
    for table in TABLES.values():
        found = [(job.pair, job.row) for job in jobs_of(table, [], [7])]
        assert found == [(pair, row) for pair in table.pairs for row in table.rows]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mnistm", "unknown pair of table digits: 'mnistm'. Did you mean 'mnist-m'?"),
        ("mnist-m/dan", "unknown row of table digits: 'dan'. Did you mean 'dann'?"),
        ("dann", "'dann' is a row of table digits: write PAIR/dann"),
    ],
)
def test_a_name_of_nothing_is_refused(name, message):
    with pytest.raises(UnknownNameError) as caught:
        jobs_of(TABLES["digits"], [name], [0])
    assert str(caught.value).startswith(message)


@pytest.fixture
def reproduced(table, tmp_path, monkeypatch):
    """Run a row of the small table, and what it needs, in a folder; paths in it are relative."""

    def call(name, place="place", chosen=None, observer=None):
        (tmp_path / place).mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / place)
        found = {}
        for job in jobs_of(chosen or table, [name], [0]):
            changes = {"device": "cpu"}
            found[job.row.name] = run_job(
                job, runs=RUNS, results=RESULTS, changes=changes, observer=observer
            )
        return found

    return call


def weights(row):
    return read_model(RUNS / "small" / "moons" / "seed-0" / row).network.state_dict()


def test_every_row_of_a_pair(reproduced, table):
    found = reproduced("moons")
    assert list(found) == [row.name for row in table.rows]
    assert {result.row: result for result in read_results(RESULTS, "small")} == found
    for row in table.rows:
        result = found[row.name]
        assert result.steps == {0: 0, 0.5: 2, 1: 4}[row.length]
        assert (result.verdict is not None) == (row.reference is not None)
        assert result.uses_target_labels == row.name.endswith("train-on-target")
        assert (result.last_layer is not None) == (row.length == 0)
        assert result.settings["start_from"] == row.start_from
        record = read_record(RUNS / "small" / "moons" / "seed-0" / row.name)
        assert record.oracle_target_metrics.accuracy == result.oracle_target_accuracy
        curve = [each.oracle_target_accuracy for each in record.evaluations]
        if row.length > 0:
            assert (result.oracle_last_accuracy, result.oracle_best_accuracy) == (
                curve[-1],
                max(curve),
            )
    for row, start in (("subspace-alignment", "source-only"), ("dann+linear-svm", "dann")):
        mine, theirs = weights(row), weights(start)
        same = {name for name in mine if torch.equal(mine[name], theirs[name])}
        assert set(mine) - same == {"head.weight", "head.bias"}


def test_the_second_stage_begins_with_the_first(reproduced, table):
    still = tuple(
        dataclasses.replace(row, settings={**row.settings, "learning_rate": 1e-12})
        if row.name == "dann+mi"
        else row
        for row in table.rows
    )
    reproduced("moons/dann+mi", chosen=dataclasses.replace(table, rows=still))
    torch.testing.assert_close(weights("dann+mi"), weights("dann"), rtol=0, atol=1e-6)
    before = weights("source-only")
    assert not all(torch.allclose(value, before[name]) for name, value in weights("dann").items())


class Interrupt(Observer):
    """Raises in the middle of a run whose name holds ``name``, once."""

    def __init__(self, name):
        self.name, self.told, self.started = name, False, []

    def run_started(self, name, steps, start):
        self.started.append((name, start))

    def logged(self, step, values):
        if self.started[-1][0] == self.name and step == 3 and not self.told:
            self.told = True
            raise KeyboardInterrupt


@pytest.mark.parametrize("row", ["dann", "dann+mi"])
def test_stopped_midway_and_called_again_the_result_is_the_same(row, table, reproduced):
    longer = tuple(dataclasses.replace(r, length=1.0) if r.length else r for r in table.rows)
    chosen = dataclasses.replace(table, rows=longer)
    whole = reproduced(f"moons/{row}", "whole", chosen)[row]
    observer = Interrupt(row)
    with pytest.raises(KeyboardInterrupt):
        reproduced(f"moons/{row}", "cut", chosen, observer)
    assert not (RESULTS / "small" / "moons" / f"{row}-seed0.json").exists()
    cut = reproduced(f"moons/{row}", "cut", chosen, observer)[row]
    assert observer.started[-2:] == [(row, 0), (row, 2)]
    assert cut.model_dump(exclude=set(TIMES)) == whole.model_dump(exclude=set(TIMES))
    kept = json.loads((RESULTS / "small" / "moons" / f"{row}-seed0.json").read_text())
    assert kept == cut.model_dump(mode="json")


def test_a_finished_row_is_not_trained_again(reproduced):
    first = reproduced("moons/dann")
    observer = Interrupt("dann")
    assert reproduced("moons/dann", observer=observer) == first
    assert observer.started == []


def test_the_command_from_training_to_the_table(table, acclimate, tmp_path):
    done = acclimate("reproduce", "small", "--row", "moons/dann", *OPTIONS, "--json")
    assert done.code == 0, done.err
    printed = json.loads(done.out)
    assert [line["row"] for line in printed["lines"]] == ["source-only", "dann"]
    assert printed["lines"][1]["published"][0]["system"] == "somebody"
    folder = tmp_path / "experiments" / "results"
    results = read_results(folder, "small")
    assert [result.row for result in results] == ["dann", "source-only"]
    assert (
        printed["lines"][1]["oracle_target_accuracy"]["mean"] == results[0].oracle_target_accuracy
    )
    assert tmp_path / printed["page"] == folder / "small.md"
    assert "| dann | 1 |" in (folder / "small.md").read_text(encoding="utf-8")


def contents(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_show_writes_nothing(table, acclimate, tmp_path):
    shown = acclimate("reproduce", "small", "--show")
    assert shown.code == 0
    assert "train-on-target" in shown.out  # has a published number, and no result
    assert contents(tmp_path) == {}
    assert acclimate("reproduce", "small", "--row", "moons/source-only", *OPTIONS).code == 0
    before = contents(tmp_path)
    result = json.loads(acclimate("reproduce", "small", "--show", "--json").out)
    assert result["page"] is None
    assert [line["seeds"] for line in result["lines"]] == [[0], [], []]
    assert contents(tmp_path) == before


def test_a_trial_leaves_the_table_alone(table, acclimate, tmp_path):
    row = ("--row", "moons/source-only", *OPTIONS)
    assert acclimate("reproduce", "small", *row, "--steps", 2).code == 0
    assert not (tmp_path / "experiments").exists()
    trial = tmp_path / "acclimate-runs" / "reproduce-trial-2" / "results"
    assert [result.steps for result in read_results(trial, "small")] == [2]
    # and is not in the way of the table's own run
    done = acclimate("reproduce", "small", *row)
    assert done.code == 0, done.err
    assert [r.steps for r in read_results(tmp_path / "experiments" / "results", "small")] == [4]


def test_a_precision_holds_for_the_rows_asked_for(table, acclimate, tmp_path):
    row = ("--row", "moons/dann", *OPTIONS)
    done = acclimate("reproduce", "small", *row, "--precision", "bf16")
    assert done.code == 0, done.err
    results = read_results(tmp_path / "experiments" / "results", "small")
    assert [(result.row, result.precision) for result in results] == [
        ("dann", "bf16"),
        ("source-only", "bf16"),  # which the verdict needs
    ]
    # a finished row is no row of another precision
    other = acclimate("reproduce", "small", *row, "--precision", "32")
    assert (other.code, other.out) == (2, "")
    assert "precision" in other.err.splitlines()[-1]


@pytest.mark.parametrize("name", ["amazon", "moons", "office", "reid"])
def test_a_precision_is_for_tables_of_networks(acclimate, tmp_path, name):
    done = acclimate("reproduce", name, "--precision", "32")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert "--precision" in done.err
    assert contents(tmp_path) == {}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["smal"], "Did you mean 'small'"),
        (["small", "--row", "moon"], "Did you mean 'moons'"),
        (["small", "--row", "moons/dan"], "Did you mean 'dann'"),
        (["small", "--row", "dann"], "write PAIR/dann, PAIR one of moons, digits"),
    ],
)
def test_an_unknown_name_is_one_line(table, acclimate, tmp_path, arguments, words):
    done = acclimate("reproduce", *arguments)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert words in done.err
    assert contents(tmp_path) == {}


def test_a_damaged_result_is_one_line(table, acclimate, tmp_path):
    path = tmp_path / "experiments" / "results" / "small" / "moons" / "dann-seed0.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"version": 1')
    done = acclimate("reproduce", "small", "--show")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert "dann-seed0.json" in done.err


@pytest.fixture
def half_missing(table, monkeypatch):
    """The small table with a pair in front whose data nobody can download."""
    missing = Pair("missing", "syn-digits-official", "digits-m", "", {"steps": 2}, {})
    chosen = dataclasses.replace(
        table, pairs=(missing, table.pair("moons")), rows=(table.row("source-only"),)
    )
    monkeypatch.setattr(tables, "TABLES", {"small": chosen})


def test_a_pair_without_data_is_left_out(half_missing, acclimate, tmp_path):
    done = acclimate("reproduce", "small", "--seeds", 2, "--device", "cpu")
    assert done.code == 0, done.err
    (warning,) = [line for line in done.err.splitlines() if "is left out" in line]  # for both seeds
    assert warning.startswith("warning: missing is left out: syn-digits-official has")
    results = read_results(tmp_path / "experiments" / "results", "small")
    assert [(result.pair, result.seed) for result in results] == [("moons", 0), ("moons", 1)]


def test_a_pair_without_data_that_was_named_is_an_error(half_missing, acclimate, tmp_path):
    done = acclimate("reproduce", "small", "--row", "missing", *OPTIONS)
    assert (done.code, done.out) == (2, "")
    assert "syn-digits-official" in done.err.splitlines()[-1]
    assert not (tmp_path / "experiments").exists()


def test_a_row_that_diverges_costs_what_needs_it_and_no_more(
    table, acclimate, tmp_path, monkeypatch
):
    rows = tuple(
        dataclasses.replace(row, settings={"learning_rate": 1e30}) if row.name == "dann" else row
        for row in table.rows
    )
    pair = dataclasses.replace(
        table.pair("moons"), paper={**table.pair("moons").paper, "evaluations": 1}
    )
    chosen = dataclasses.replace(table, pairs=(pair,), rows=rows)
    monkeypatch.setattr(tables, "TABLES", {"small": chosen})
    lost = {"dann", "dann+linear-svm", "dann+mi"}
    for _ in range(2):  # called again it is the same
        done = acclimate("reproduce", "small", *OPTIONS, "--json")
        assert done.code == 2
        assert done.err.splitlines()[-1] == "error: 1 could not be trained: moons/dann seed 0"
        for name in lost - {"dann"}:
            assert f"moons/{name} seed 0 is left out: it needs moons/dann seed 0" in done.err
        results = read_results(tmp_path / "experiments" / "results", "small")
        assert {result.row for result in results} == {row.name for row in rows} - lost
        assert {line["row"] for line in json.loads(done.out)["lines"]} >= {"best", "dann"}
        assert (tmp_path / "experiments" / "results" / "small.md").exists()
