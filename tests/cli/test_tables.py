"""Tables through the command line: trained on, predicted, measured, reported; mistakes are one line."""

import csv
import gzip
import json

import numpy as np
import pandas
import pytest
from scipy import sparse
from sklearn.datasets import dump_svmlight_file

from acclimate.data import Dataset, datasets
from acclimate.data.registry import Arrays
from acclimate.data.safe_pipeline import load_pipeline

SHORT = ("--steps", "20", "--batch-size", "16", "--evaluations", "2")


def rows(count, seed, age=0.0):
    """A table whose classes follow from the age, the words and, a little, the city."""
    draws = np.random.default_rng(seed)
    y = draws.integers(0, 2, count)
    words = np.array([["poor film", "dull film"], ["good film", "fine film"]])
    frame = pandas.DataFrame(
        {
            "nr": [f"row-{seed}-{number}" for number in range(count)],
            "age": draws.normal(size=count) + 4 * y + age,
            "member": draws.random(count) < 0.5,
            "city": draws.choice(["Paris", "Rome", "Oslo"], count),
            "review": words[y, draws.integers(0, 2, count)],
            "y": np.where(y, "yes", "no"),
        }
    )
    frame.loc[:3, "age"] = np.nan
    return frame


@pytest.fixture
def tables(tmp_path):
    """a.csv, and b.csv whose ages lie elsewhere."""
    rows(80, 0).to_csv(tmp_path / "a.csv", index=False)
    rows(60, 1, age=5).to_csv(tmp_path / "b.csv", index=False)
    return tmp_path


def fit(acclimate, source, target, *more):
    return acclimate(
        *("fit", "--source", source, "--target", target, "--output", "out"), *SHORT, *more
    )


OPTIONS = ("--label", "y", "--text", "review", "--id", "nr")


def test_from_two_tables_to_predictions_measures_and_a_report(acclimate, tables):
    done = fit(acclimate, "a.csv", "b.csv", *OPTIONS, "--no-baseline")
    assert done.code == 0, done.err
    run = tables / "out"
    described = json.loads((run / "model.json").read_text())
    assert described["table"]["file"] == "table.skops"
    assert (run / "table.skops").exists()
    with open(run / "predictions.csv", newline="") as file:
        assert [row["file"] for row in csv.DictReader(file)] == list(rows(60, 1)["nr"])

    shift = json.loads((run / "features.json").read_text())
    assert shift["most_shifted"][0]["name"] == "age"
    assert shift["most_shifted"][0]["difference"] > 0.5
    assert 0 <= shift["proxy_a_distance"] <= 2
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "proxy A-distance is" in page
    assert '<th scope="row">age</th>' in page
    largest = shift["weights"]["largest"][0]
    assert f"{largest['name']} ({largest['weight']:.2f})" in page
    assert f"worth {100 * shift['weights']['effective_share']:.0f}% of the source's items" in page
    assert 'class="strip"' not in page  # no pictures

    new = rows(30, 2).assign(city="Athens")
    new.drop(columns=["y", "nr"]).to_csv("new.csv", index=False)
    done = acclimate("predict", "out", "new.csv", "b.csv", "--json")
    assert done.code == 0, done.err
    assert "30 of 30 rows have a category in 'city'" in done.err
    assert json.loads(done.out)["n"] == 90
    with open("predictions.csv", newline="") as file:
        names = [row["file"] for row in csv.DictReader(file)]
    assert names[:2] == ["new.csv/0", "new.csv/1"]
    assert names[30] == "row-1-0"
    measured = acclimate("evaluate", "out", "--data", "b.csv", "--json")
    assert json.loads(measured.out)["n"] == 60
    assert acclimate("evaluate", "out", "--data", "new.csv").code == 2


def test_the_same_rows_as_csv_and_parquet_get_the_same_predictions(acclimate, tables):
    rows(60, 1, age=5).to_parquet("b.parquet")
    rows(60, 1, age=5).to_csv("semicolons.csv", sep=";", decimal=",", index=False)
    assert fit(acclimate, "a.csv", "b.csv", *OPTIONS, "--no-baseline", "--no-report").code == 0
    found = []
    for name in ("b.csv", "b.parquet", "semicolons.csv"):
        assert acclimate("predict", "out", name, "--output", "p.csv").code == 0
        found.append((tables / "p.csv").read_text())
    assert found[0] == found[1] == found[2]


def test_a_killed_run_goes_on_and_a_second_stage_needs_the_same_features(acclimate, tables):
    done = fit(acclimate, "a.csv", "b.csv", *OPTIONS, "--no-baseline", "--no-report")
    assert done.code == 0, done.err
    assert acclimate("fit", "--output", "out", "--resume", "--no-report").code == 0
    again = ("--start-from", "out", "--output", "second", "--no-baseline", "--no-report")
    assert fit(acclimate, "a.csv", "b.csv", *OPTIONS, *again).code == 0
    third = ("--start-from", "out", "--output", "third", "--no-baseline")
    other = rows(60, 1).replace({"Oslo": "Bern"})
    other.to_csv("c.csv", index=False)
    rows(80, 0).replace({"Oslo": "Bern"}).to_csv("d.csv", index=False)
    done = fit(acclimate, "d.csv", "c.csv", *OPTIONS, *third)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "other features" in done.err


MORE = ("--source", "c.csv")


def test_several_sources(acclimate, tables):
    """Columns become the features of all of them; words of the second are known, and its rows named."""
    c = rows(70, 3, age=2).replace({"review": {"good film": "grand film", "poor film": "odd film"}})
    c.to_csv("c.csv", index=False)
    options = (*OPTIONS, "--algorithm", "multi-source-dann", "--no-baseline", "--no-report")
    done = fit(acclimate, "a.csv", "b.csv", *MORE, *options)
    assert done.code == 0, done.err
    run = tables / "out"
    record = json.loads((run / "record.json").read_text())
    assert record["source"]["name"] == "a + c"
    assert sum(record["source"]["items"].values()) == 150
    weights = json.loads((run / "features.json").read_text())["weights"]
    assert {row["name"][:6] for row in weights["largest"]} <= {"row-0-", "row-3-"}
    assert "review: grand film" in load_pipeline(run / "table.skops").feature_names
    c.drop(columns=["y", "nr"]).to_csv("new.csv", index=False)
    done = acclimate("predict", "out", "new.csv")
    assert (done.code, done.err) == (0, "")
    assert acclimate("fit", "--output", "out", "--resume", "--no-report").code == 0
    # the second as a Parquet file, and in the first one's place
    c.to_parquet("c.parquet")
    again = ("--output", "again", "--source", "a.csv")
    assert fit(acclimate, "c.parquet", "b.csv", *options, *again).code == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: f.drop(columns="y"), ["--label y: c.csv has no such column"]),
        (lambda f: f.drop(columns="age"), ["c.csv has no column 'age', compared with a.csv"]),
        (lambda f: f.assign(age="old"), ["'age' holds numbers in a.csv and words in c.csv"]),
        (lambda f: f.assign(y="maybe"), ["c.csv", "'maybe'"]),
        (
            lambda f: f.assign(y=["no", *[None] * 69]),
            ["c.csv: column 'y' has no label in 69 of 70"],
        ),
        (lambda f: f.assign(nr="one"), ["c.csv: the id in column 'nr' of row 1 is there twice"]),
        (lambda f: f.head(0), ["c.csv has no rows"]),
    ],
)
def test_second_sources_that_do_not_fit(acclimate, tables, change, said):
    change(rows(70, 3)).to_csv("c.csv", index=False)
    check(fit(acclimate, "a.csv", "b.csv", *MORE, *OPTIONS), tables, *said)


def test_a_column_that_one_of_three_tables_lacks_values_in(acclimate, tables):
    rows(70, 3).assign(age=None).to_csv("c.csv", index=False)
    done = fit(acclimate, "a.csv", "b.csv", *MORE, *OPTIONS, "--no-baseline", "--no-report")
    assert done.code == 0, done.err
    assert "age" in load_pipeline(tables / "out" / "table.skops").feature_names


def test_several_sources_of_two_kinds(acclimate, tables):
    np.savez("x.npz", x=np.eye(20), y=np.arange(20) % 2)
    for other in ("x.npz", "digits"):
        done = fit(acclimate, "a.csv", "b.csv", "--source", other, *OPTIONS)
        check(done, tables, "a.csv is a table of named columns", "give two of a kind")


def test_an_algorithm_chosen_for_tables(acclimate, tables, monkeypatch):
    """Every candidate learns from the same features, and the run can read new rows."""
    from acclimate.training import auto

    monkeypatch.setattr(auto, "_seconds_per_step", lambda settings: 0.01)
    kept = auto.fit_auto.__kwdefaults__
    candidates = {**kept, "candidates": ("dann", "deep-coral")}
    monkeypatch.setattr(auto.fit_auto, "__kwdefaults__", candidates)
    rows(70, 3, age=2).to_csv("c.csv", index=False)
    line = ("fit", "--source", "a.csv", *MORE, "--target", "b.csv", *OPTIONS, "--output", "out")
    done = acclimate(
        *line, "--algorithm", "auto", "--budget", 0.1, "--evaluations", 2, "--batch-size", 16
    )
    assert done.code == 0, done.err
    runs = [tables / "out", *(tables / "out-candidates" / "rung-0").iterdir()]
    assert len(runs) == 4  # source-only is always tried
    described = [json.loads((run / "model.json").read_text())["table"] for run in runs]
    assert all(each == described[0] for each in described)
    assert "proxy A-distance is" in (tables / "out" / "report.html").read_text(encoding="utf-8")
    assert json.loads(acclimate("predict", "out", "b.csv", "--json").out)["n"] == 60


def test_svmlight(acclimate, tmp_path):
    draws = np.random.default_rng(0)
    for name, width in (("a", 9), ("b", 12)):
        x = draws.random((60, width)) * (draws.random((60, width)) < 0.5)
        y = np.where(x[:, 0] > 0.3, 1, -1)
        x[5] = 0
        dump_svmlight_file(x, y, f"{name}.svm")
        (tmp_path / f"{name}.svm.gz").write_bytes(
            gzip.compress((tmp_path / f"{name}.svm").read_bytes())
        )
    done = fit(acclimate, "a.svm.gz", "b.svm.gz", "--no-baseline")
    assert done.code == 0, done.err
    assert "warning: b: 1 of 60 rows have no feature at all" in done.err
    assert json.loads((tmp_path / "out" / "model.json").read_text())["input_shape"] == [12]
    assert "feature 0" in (tmp_path / "out" / "features.json").read_text()
    assert acclimate("predict", "out", "a.svm").code == 0
    done = acclimate("evaluate", "out", "--data", "a.svm", "--json")
    assert json.loads(done.out)["class_names"] == ["-1", "1"]
    assert "no feature at all" in json.loads(done.out)["notes"][0]


@pytest.fixture
def thin():
    """A registered set of sparse rows, of which no file says how wide they are."""
    draws = np.random.default_rng(3)
    x = (draws.random((90, 14)) * (draws.random((90, 14)) < 0.5)).astype(np.float32)
    x[:, 11:] = 0
    y = (x[:, 0] > 0.3).astype(np.int64)
    found = Dataset(
        name="thin",
        description="made up",
        licence="none",
        class_names=("-1", "1"),
        input_shape=(14,),
        splits=("train",),
        read=lambda finder, split: Arrays(sparse.csr_matrix(x), y),
    )
    datasets._items["thin"] = found
    yield x, y
    del datasets._items["thin"]


@pytest.mark.parametrize("ends", [("thin", "a.svm"), ("a.svm", "thin")])
def test_a_registered_sparse_set_and_a_narrower_file(acclimate, tmp_path, thin, ends):
    x, y = thin
    dump_svmlight_file(x[:60, :9], 2 * y[:60] - 1, "a.svm")
    done = fit(acclimate, *ends, "--no-baseline", "--no-report")
    assert done.code == 0, done.err
    assert json.loads((tmp_path / "out" / "model.json").read_text())["input_shape"] == [14]
    assert acclimate("predict", "out", "a.svm").code == 0
    assert acclimate("evaluate", "out", "--data", "thin", "--split", "train").code == 0


def test_a_registered_sparse_set_and_a_wider_file(acclimate, tmp_path, thin):
    x, y = thin
    dump_svmlight_file(np.hstack([x, x[:, :3]]), 2 * y - 1, "a.svm")
    said = "a.svm has features up to 16, the registered data set up to 13"
    check(fit(acclimate, "thin", "a.svm"), tmp_path, said)


def test_hashed_words(acclimate, tables):
    """No list of words is kept, new ones are counted, and the options come back with the model."""
    hashing = (*OPTIONS, "--text-features", "hashing", "--no-baseline")
    done = fit(acclimate, "a.csv", "b.csv", *hashing)
    assert done.code == 0, done.err
    described = json.loads((tables / "out" / "model.json").read_text())
    assert described["table"]["options"]["text_features"] == "hashing"
    assert described["input_shape"][0] > 2**15
    names = [each["name"] for each in features(tables)["most_shifted"]]
    assert names[0] == "age"
    assert any(name.startswith("review: bucket ") for name in names)
    measured = acclimate("evaluate", "out", "--data", "a.csv", "--json")
    assert json.loads(measured.out)["accuracy"] > 0.9
    assert acclimate("fit", "--output", "out", "--resume", "--no-report").code == 0
    rows(30, 2).assign(review="unheard of").to_csv("new.csv", index=False)
    done = acclimate("predict", "out", "new.csv")
    assert (done.code, done.err) == (0, "")
    # of other features than a list's
    again = ("--start-from", "out", "--output", "second", "--no-baseline")
    done = fit(acclimate, "a.csv", "b.csv", *OPTIONS, *again)
    assert (done.code, done.err.count("\n")) == (2, 1)


def features(tables):
    return json.loads((tables / "out" / "features.json").read_text())


def check(done, tables, *said):
    assert done.code == 2, done.err
    assert done.out == ""
    assert done.err.count("\n") == 1, done.err
    assert done.err.startswith("error: ")
    for text in said:
        assert text in done.err
    assert not (tables / "out").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], ["a.csv needs --label COLUMN", "'review', 'y'"]),
        (["--label", "yy"], ["--label yy: a.csv has no such column", "Did you mean 'y'?"]),
        (["--label", "y", "--text", "revew"], ["--text revew", "Did you mean 'review'?"]),
        (["--label", "y", "--text", "age"], ["a.csv: column 'age' holds numbers and no text"]),
        (["--label", "y", "--text-features", "hashing"], ["name one with --text"]),
        ([*OPTIONS, "--text-features", "tfidf"], ["'tf-idf' or 'hashing'"]),
        (["--label", "y", "--drop", "agee"], ["--drop agee", "Did you mean 'age'?"]),
        (["--label", "y", "--id", "number"], ["--id number: b.csv has no such column"]),
        (["--label", "y", "--drop", "y"], ["'y' is named twice"]),
        (["--label", "age"], ["column 'age' has no label in 4 of 80 rows, the first in row 0"]),
        (["--label", "nr"], ["column 'nr' has 80 different labels in 80 rows; are they classes?"]),
        (
            ["--label", "y", "--id", "city"],
            ["a.csv: the id in column 'city' of row", "is there twice"],
        ),
        (["--label", "y", "--size", "32"], ["--size and --channels do not apply"]),
        (["--label", ""], ["--label"]),
    ],
)
def test_wrong_options(acclimate, tables, options, said):
    check(fit(acclimate, "a.csv", "b.csv", *options), tables, *said)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: f.drop(columns="city"), ["b.csv has no column 'city', compared with a.csv"]),
        (lambda f: f.assign(more=1), ["b.csv has column 'more' besides", "--drop COLUMN"]),
        (
            lambda f: f.rename(columns={"age": "Age"}),
            ["b.csv has no column 'age' and has column 'Age' besides"],
        ),
        (lambda f: f.assign(age="old"), ["'age' holds numbers in a.csv and words in b.csv"]),
        (lambda f: f.assign(age=np.inf), ["b.csv: column 'age' has 60 infinite values"]),
        (lambda f: f.assign(city="2024-01-31"), ["holds dates", "drop"]),
        (lambda f: f.assign(y="maybe"), ["b.csv", "'maybe' is not among the source's"]),
        (lambda f: f.assign(y=1.5), ["b.csv: column 'y' holds 1.5; labels are whole numbers"]),
        (lambda f: f.head(3), ["b has 3 items; a target needs at least 10"]),
        (lambda f: f.head(0), ["b.csv has no rows"]),
    ],
)
def test_targets_that_do_not_fit(acclimate, tables, change, said):
    change(rows(60, 1)).to_csv("b.csv", index=False)
    check(fit(acclimate, "a.csv", "b.csv", *OPTIONS), tables, *said)


def test_sources_that_are_none(acclimate, tables):
    rows(80, 0).assign(y="no").to_csv("single.csv", index=False)
    check(fit(acclimate, "single.csv", "b.csv", *OPTIONS), tables, "single class, 'no'")
    both = rows(80, 0)
    both.assign(age=None).to_csv("a.csv", index=False)
    rows(60, 1).assign(age=None).to_csv("b.csv", index=False)
    check(fit(acclimate, "a.csv", "b.csv", *OPTIONS), tables, "'age' has no value in any row")


def test_options_and_files_of_another_kind(acclimate, tables, pictures):
    np.savez("x.npz", x=np.eye(20), y=np.arange(20) % 2)
    check(fit(acclimate, "x.npz", "x.npz", "--label", "y"), tables, "--label: only columns of CSV")
    check(fit(acclimate, pictures, pictures, "--drop", "y"), tables, "--drop: only columns of CSV")
    check(fit(acclimate, "a.csv", "x.npz", *OPTIONS), tables, "a.csv", "x.npz", "two of a kind")
    check(fit(acclimate, "a.csv", "digits", *OPTIONS), tables, "a.csv", "data set")


def test_a_target_labelled_in_part_is_unlabelled_and_says_so(acclimate, tables):
    frame = rows(60, 1)
    frame.loc[3:9, "y"] = None
    frame.to_csv("b.csv", index=False)
    done = fit(acclimate, "a.csv", "b.csv", *OPTIONS, "--no-baseline", "--no-report")
    assert done.code == 0, done.err
    assert "warning: b: column 'y' has no label in 7 of 60 rows: taken as unlabelled" in done.err
    assert not (tables / "out" / "oracle.npz").exists()


def test_a_model_of_pictures_takes_no_table_and_the_other_way_round(acclimate, tables, run_folder):
    for line in (["predict", run_folder, "a.csv"], ["evaluate", run_folder, "--data", "a.csv"]):
        done = acclimate(*line)
        assert (done.code, done.err.count("\n")) == (2, 1), done.err


def test_a_run_whose_pipeline_was_tampered_with(acclimate, tables):
    assert fit(acclimate, "a.csv", "b.csv", *OPTIONS, "--no-baseline", "--no-report").code == 0
    (tables / "out" / "table.skops").write_bytes(b"\x80\x04N.")
    done = acclimate("predict", "out", "b.csv")
    assert (done.code, done.err.count("\n")) == (2, 1), done.err
    assert "table.skops is damaged" in done.err
