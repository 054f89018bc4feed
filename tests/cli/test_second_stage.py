"""Combinations and second stages, as they are typed."""

import csv
import json

import numpy as np
import pytest

from acclimate.algorithms import DEFAULT
from acclimate.core.records import read_record
from acclimate.models.files import read_model

QUICK = (
    *("--steps", "8", "--batch-size", "16", "--evaluations", "2", "--log-every", "2"),
    *("--no-report", "--no-predictions"),
)
TASK = ("--source", "source.npz", "--target", "target.npz")
ALWAYS = ("--set", "algorithm.start=0", "--set", "algorithm.threshold=0.2")


@pytest.fixture
def fit(acclimate, tmp_path):
    """``acclimate fit`` on a tiny task of vectors, in the folder where it lies."""
    random = np.random.default_rng(0)
    for name, shift in (("source", 0.0), ("target", 0.7)):
        labels = np.arange(90) % 3
        features = random.normal(shift, 1, (90, 6)) + 3 * np.eye(3, 6)[labels]
        np.savez(tmp_path / f"{name}.npz", x=features.astype(np.float32), y=labels)
    return lambda *options: acclimate("fit", *TASK, *QUICK, *options)


def logged(folder, column):
    with open(folder / "metrics.csv", newline="", encoding="utf-8") as file:
        return [float(row[column]) for row in csv.DictReader(file)]


def test_a_combination_from_end_to_end(fit, acclimate, tmp_path):
    done = fit("--algorithm", "dann+mi", "--set", "algorithm.mi.weight=0.5", *ALWAYS, "--json")
    assert done.code == 0, done.err
    folder = tmp_path / json.loads(done.out)["run"]
    assert folder.name == "source-to-target-dann+mi-seed0"
    record = read_record(folder)
    assert (record.status, record.algorithm) == ("finished", "dann+mi")
    assert record.settings["algorithm_options"] == {"mi.weight": 0.5, "start": 0, "threshold": 0.2}
    assert record.verdict is not None
    parts = [logged(folder, f"loss/{term}") for term in ("classification", "domain")]
    information = logged(folder, "loss/mutual_information")
    assert any(information)
    np.testing.assert_allclose(
        logged(folder, "loss"), np.sum([*parts, information], axis=0), rtol=1e-5
    )
    for command in (("evaluate", folder, "--data", "target.npz"), ("report", folder)):
        assert acclimate(*command).code == 0, command
    assert "dann+mi" in acclimate("report", folder).out


def test_the_weight_that_is_typed_is_the_one_that_counts(fit, tmp_path):
    found = []
    for weight in ("0.5", "1.0"):
        line = ("--algorithm", "dann+mi", "--set", f"algorithm.mi.weight={weight}", *ALWAYS)
        assert fit(*line, "--output", weight, "--lr", "1e-30", "--no-baseline").code == 0
        found.append(logged(tmp_path / weight, "loss/mutual_information"))
    np.testing.assert_allclose(2 * np.array(found[0]), found[1], rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ["--set", "algorithm.mi.weight=-1"],
            "--set algorithm.mi.weight=-1: should be greater than or equal to 0",
        ),
        (["--set", "algorithm.threshold=2"], "--set algorithm.mi.threshold=2: should be less than"),
        (
            ["--set", "algorithm.weight=1"],
            "give --set algorithm.dann.weight or --set algorithm.mi.weight",
        ),
        (["--set", "algorithm.mi.wieght=1"], "algorithm.mi: no option 'wieght'. Did you mean 'we"),
        (["--set", "algorithm.thresold=1"], "Did you mean 'mi.threshold'?"),
        (["--set", "algorithm.m.weight=1"], "'m.weight' names no part of it. Did you mean 'mi'?"),
        (["--set", "algorithm.mi.layer=hidden9"], "no layer 'hidden9'"),
        (["--algorithm", "dannn+mi"], "unknown algorithm 'dannn'. Did you mean 'dann'?"),
        (["--algorithm", "mi+mi"], "names one of its parts twice"),
        (["--algorithm", "dann+train-on-target"], "an oracle cannot be combined"),
        (["--start-from", "nowhere"], "nowhere holds no model"),
        (["--start-from", "source.npz"], "source.npz is a file; give the run folder"),
    ],
)
def test_a_mistake_is_one_line(fit, tmp_path, options, said):
    line = options if "--algorithm" in options else ["--algorithm", "dann+mi", *options]
    done = fit(*line, "--output", "out")
    assert done.code == 2, done.err
    assert done.out == ""
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1, done.err
    assert said in done.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("written", "meant"), [("best", DEFAULT), ("best+mi", f"{DEFAULT}+mi"), (None, DEFAULT)]
)
def test_best_is_the_default(fit, tmp_path, written, meant):
    option = () if written is None else ("--algorithm", written)
    done = fit(*option, "--output", "out", "--no-baseline")
    assert done.code == 0, done.err
    assert read_record(tmp_path / "out").algorithm == meant
    assert read_model(tmp_path / "out").description.trained_by == meant


def test_a_second_stage(fit, tmp_path):
    assert fit("--algorithm", "dann", "--output", "first").code == 0
    second = ("--algorithm", "dann+mi", "--start-from", "first", *ALWAYS, "--output", "second")
    done = fit(*second)
    assert done.code == 0, done.err
    assert any(logged(tmp_path / "second", "loss/mutual_information"))
    # better from its first logged row on than what begins afresh
    losses = [logged(tmp_path / name, "loss/classification")[0] for name in ("second", "first")]
    assert losses[0] < losses[1]
    assert fit(*second, "--resume").code == 0
    for options, said in (
        (["--set", "network.widths=[7]"], "another network than this run's"),
        (["--preprocessing", "none"], "give --preprocessing standard"),
    ):
        done = fit(*second[:-1], "third", *options)
        assert (done.code, done.out) == (2, "")
        assert said in done.err
        assert done.err.count("\n") == 1
        assert not (tmp_path / "third").exists()


@pytest.mark.parametrize("algorithm", ["subspace-alignment", "dann+linear-svm"])
def test_a_last_layer_on_a_finished_model(fit, tmp_path, algorithm):
    """What the pages of these algorithms say: ``--start-from RUN --steps 0``, with a verdict."""
    assert fit("--algorithm", "source-only", "--output", "source").code == 0
    assert fit("--algorithm", "dann", "--output", "dann", "--no-baseline").code == 0
    made = ("--algorithm", algorithm, "--steps", "0", "--start-from")
    done = fit(*made, "source", "--output", "made")
    assert done.code == 0, done.err
    assert "no verdict" not in done.err
    record = read_record(tmp_path / "made")
    assert (record.status, record.baseline) == ("finished", "../source")
    assert record.verdict.after.stability == record.verdict.before.stability
    done = fit(*made, "dann", "--output", "without")
    assert done.code == 0, done.err
    assert done.err.count("no verdict: nothing is trained here") == 1
    assert read_record(tmp_path / "without").verdict is None
