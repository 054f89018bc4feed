"""An algorithm chosen without target labels, by successive halving."""

import json
import shlex
import sys

import hypothesis.strategies as st
import pytest
from hypothesis import given

from acclimate.core.errors import ConfigurationError, DivergedError
from acclimate.core.records import read_record
from acclimate.training.auto import make_plan


@given(
    count=st.integers(1, 12),
    seconds=st.floats(1e-4, 1),
    budget=st.floats(1, 1e5),
)
def test_a_plan_keeps_to_its_budget(count, seconds, budget):
    names = [str(number) for number in range(count)]
    try:
        plan = make_plan(names, seconds, budget)
    except ConfigurationError:
        return
    left, spent = count, 0.0
    for steps in plan.rung_steps:
        spent += steps * (left + 0.5)
        left = (left + 1) // 2
    spent += 1.5 * plan.final_steps
    assert spent * seconds <= budget * (1 + 1e-9)
    assert spent * seconds >= 0.8 * budget - 20 * seconds * count
    assert min(plan.rung_steps) >= 20
    assert list(plan.rung_steps) == sorted(plan.rung_steps)


CALL = ["fit", "--source", "moons", "--target", "moons-rotated", "--batch-size", 16]
QUIET = ["--no-report", "--no-predictions", "--evaluations", 2]


@pytest.fixture
def quick(monkeypatch):
    """Two candidates and a step that seems to take 10 ms."""
    import acclimate.training.auto as auto

    monkeypatch.setattr(auto, "_seconds_per_step", lambda settings: 0.01)
    monkeypatch.setattr(
        auto.fit_auto,
        "__kwdefaults__",
        {
            **auto.fit_auto.__kwdefaults__,
            "candidates": ("dann", "deep-coral", "mcc"),
        },
    )


def test_it_leaves_one_run_and_says_why(acclimate, quick, tmp_path):
    done = acclimate(*CALL, *QUIET, "--algorithm", "auto", "--budget", 0.1, "--json")
    assert done.code == 0, done.err
    folder = tmp_path / "acclimate-runs/moons-to-moons-rotated-auto-seed0"
    record, plan = (
        read_record(folder),
        json.loads((folder.with_name(f"{folder.name}-candidates") / "plan.json").read_text()),
    )
    assert record.steps_done == plan["final_steps"]
    assert record.choice.startswith(f"auto: {record.algorithm} ranks first of ")
    assert "steady" in record.choice
    rungs = sorted((folder.with_name(f"{folder.name}-candidates")).glob("rung-*"))
    trained = [sorted(run.name for run in rung.iterdir()) for rung in rungs]
    assert trained[0] == ["dann", "deep-coral", "mcc", "source-only"]
    assert len(trained[1]) == 3
    assert "source-only" in trained[1]
    if record.algorithm != "source-only":
        assert record.verdict is not None
        assert record.algorithm in trained[1]
    # nothing is trained twice, and nothing over what is there
    again = acclimate(*CALL, *QUIET, "--algorithm", "auto", "--budget", 0.1)
    assert again.code == 2
    assert "--resume" in again.err
    before = (folder / "model.safetensors").stat().st_mtime_ns
    on = acclimate(*CALL, *QUIET, "--algorithm", "auto", "--budget", 0.1, "--resume")
    assert on.code == 0, on.err
    assert (folder / "model.safetensors").stat().st_mtime_ns == before
    assert record.choice in on.out.replace("\n", " ")
    # its steps were planned for another budget, which need not be said again
    other = acclimate(*CALL, *QUIET, "--algorithm", "auto", "--budget", 5, "--resume")
    assert other.code == 2
    assert "was begun with a budget of 0.1 minutes" in other.err.replace("\n", " ")
    assert acclimate(*CALL, *QUIET, "--algorithm", "auto", "--resume").code == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--algorithm", "auto", "--steps", 9], "--steps"),
        (["--algorithm", "auto", "--set", "algorithm.weight=1"], "algorithm.weight"),
        (["--algorithm", "auto", "--budget", 0], "--budget 0"),
        (["--algorithm", "auto", "--budget", 0.0001], "give 0."),
        (["--algorithm", "dann", "--budget", 3], "--algorithm auto"),
        (["--algorithm", "auto", "--devices", 2], "--devices"),
        (["--algorithm", "auto", "--nodes", 2], "--nodes"),
        (["--algorithm", "auto", "--no-baseline"], "--no-baseline"),
    ],
)
def test_contradictions(acclimate, quick, tmp_path, options, said):
    done = acclimate(*CALL, *QUIET, *options)
    assert done.code == 2
    assert said in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert not list(tmp_path.glob("acclimate-runs/*"))


def test_a_candidate_that_diverges_is_left_out(acclimate, quick, monkeypatch, tmp_path):
    import acclimate.training.auto as auto

    trained = auto.fit

    def fit(settings, *arguments, **options):
        if settings.algorithm == "dann":
            raise DivergedError("the loss is not finite")
        return trained(settings, *arguments, **options)

    monkeypatch.setattr(auto, "fit", fit)
    done = acclimate(*CALL, *QUIET, "--algorithm", "auto", "--budget", 0.1)
    assert done.code == 0, done.err
    record = read_record(tmp_path / "acclimate-runs/moons-to-moons-rotated-auto-seed0")
    assert record.choice.endswith("tried were source-only, dann, deep-coral, mcc; dann diverged")
    assert record.algorithm != "dann"


def test_a_budget_without_end_is_one_line(acclimate, quick):
    done = acclimate(*CALL, *QUIET, "--algorithm", "auto", "--budget", "inf")
    assert (done.code, done.err) == (2, "error: --budget inf: should be minutes, more than 0\n")


def test_in_the_folder_where_one_is(acclimate, quick, monkeypatch, tmp_path):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    done = acclimate(*CALL, *QUIET, "--algorithm", "auto", "--budget", 0.1, "--output", ".")
    assert done.code == 0, done.err
    assert (tmp_path / "here-candidates" / "plan.json").exists()


def test_the_way_on_after_an_interruption_goes_on(acclimate, quick, monkeypatch):
    import acclimate.training.auto as auto

    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    call = [*CALL, *QUIET, "--algorithm", "auto", "--budget", 0.1]
    monkeypatch.setattr(sys, "argv", ["acclimate", *map(str, call)])
    with monkeypatch.context() as changed:
        changed.setattr(auto, "_ranked", interrupted)
        done = acclimate(*call)
    assert done.code == 130
    assert f"{shlex.join(map(str, call))} --resume" in done.err.replace("\n", " ")
    assert acclimate(*call, "--resume").code == 0
