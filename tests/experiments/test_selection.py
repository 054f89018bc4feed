"""The selection benchmark: its figures against small cases worked out by hand, and a run of it."""

import json
from pathlib import Path
from types import SimpleNamespace

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given
from scipy.stats import spearmanr

from acclimate.core.records import Estimate
from acclimate.experiments.estimates import AGREEMENT, OURS, Guessed, honesty
from acclimate.experiments.selection import (
    TASKS,
    Scored,
    SelectionJob,
    every_algorithm,
    jobs,
)
from acclimate.experiments.trust import (
    LAST,
    cells,
    changes,
    confusion,
    regret,
    trust,
    weighted_spearman,
)
from acclimate.validators.estimators import look


def make_scored(algorithm, accuracies, scores, seed=0, verdict=None, consistency=None):
    """A finished run, of which the last checkpoint is chosen, that says so much of itself."""
    record = SimpleNamespace(
        oracle_target_metrics=SimpleNamespace(accuracy=accuracies[-1]),
        target_consistency=consistency,
        uses_target_labels=algorithm == "train-on-target",
    )
    job = SelectionJob(TASKS[0], "default", algorithm, seed)
    arrays = {name: np.array(values) for name, values in scores.items()}
    return Scored(job, record, np.array(accuracies), arrays, -1, None, verdict)


def test_regret_within_a_run_and_among_algorithms():
    runs = [
        make_scored("source-only", [0.5, 0.6], {"sure": [1.0, 0.0], "right": [0.1, 0.2]}),
        make_scored("dann", [0.9, 0.7], {"sure": [0.3, 0.4], "right": [0.9, 0.8]}),
    ]
    lines = {line.validator: line for line in trust(runs, ["sure", "right"])}
    assert lines["sure"].within == pytest.approx((0.1 + 0.2) / 2)
    assert lines["sure"].among == pytest.approx(0.9 - 0.5)
    assert lines["right"].within == lines["right"].among == 0
    assert lines["right"].correlation == pytest.approx(1)
    assert lines[LAST].within == pytest.approx(0.1)
    assert lines[LAST].among is None


def test_steadiness_chooses_among_what_the_runs_kept():
    runs = [
        make_scored("source-only", [0.5, 0.6], {"knn": [0.9, 0.5]}, consistency=0.8),
        make_scored("dann", [0.9, 0.7], {"knn": [0.1, 0.2]}, consistency=0.9),  # 1.0 against 1.05
    ]
    lines = {line.validator: line for line in trust(runs, ["knn"])}
    assert lines["steadiness"].among == pytest.approx(0.9 - 0.6)
    assert lines["steadiness"].within == pytest.approx((0 + 0.2) / 2)
    assert lines["steadiness"].correlation == pytest.approx(-1)
    assert "steadiness" not in {line.validator for line in trust(runs, [])}
    runs[0].record.target_consistency = None
    assert "steadiness" not in {line.validator for line in trust(runs, ["knn"])}


def test_a_checkpoint_without_a_score_is_not_chosen():
    assert regret(np.array([0.1, np.nan, 0.0]), np.array([0.7, 0.2, 0.9])) == pytest.approx(0.2)


def test_of_equal_scores_the_later_checkpoint_is_chosen():
    assert regret(np.zeros(3), np.array([0.9, 0.5, 0.7])) == pytest.approx(0.2)


@given(st.permutations(range(8)), st.permutations(range(8)))
def test_weighted_correlation_is_bounded_and_one_for_the_same_order(first, second):
    found = weighted_spearman(np.array(first), np.array(second))
    assert -1 - 1e-9 <= found <= 1 + 1e-9
    assert weighted_spearman(np.array(first), 3 * np.array(first) + 1) == pytest.approx(1)
    assert weighted_spearman(np.array(first), np.ones(8)) == 0


def test_the_upper_ranks_count_most():
    """Two orders equally far from the truth, one wrong at the top and one at the bottom."""
    truth, top, bottom = np.arange(8), np.arange(8), np.arange(8)
    top[[6, 7]], bottom[[0, 1]] = [7, 6], [1, 0]
    assert spearmanr(truth, top)[0] == spearmanr(truth, bottom)[0]
    assert weighted_spearman(top, truth) < weighted_spearman(bottom, truth)


def guess(truth, estimate=(0.4, 0.5, 0.6), predictions=(0, 1), twin=("a",)):
    """One run whose model says so much; 4 held-out source items, 2 target items."""
    seen = look(torch.eye(2)[[0, 1, 0, 1]], torch.tensor([0, 1, 0, 0]), torch.eye(2))
    low, value, high = estimate
    ours = Estimate(method="", low=low, value=value, high=high)
    return Guessed(twin, seen, torch.tensor(predictions), ours, truth)


def test_how_honest_the_estimates_are():
    runs = [guess(0.8, (0.6, 0.7, 0.9)), guess(0.5, (0.7, 0.8, 0.9), twin=("b",))]
    found = {line.estimator: line for line in honesty(runs)}
    line = found[OURS]
    assert (line.runs, line.covered) == (2, 0.5)
    assert line.error == pytest.approx(0.2)
    assert line.bias == pytest.approx(0.1)
    assert line.width == pytest.approx(0.25)
    assert found["average thresholded confidence"].runs == 2
    assert "consistency" not in found  # nobody looked


def test_agreement_is_between_runs_that_differ_in_their_seed():
    runs = [guess(0.5), guess(0.9, predictions=(0, 0)), guess(0.7, twin=("b",))]
    (line,) = [line for line in honesty(runs) if line.estimator == AGREEMENT]
    assert (line.runs, line.error) == (1, 0)  # they agree on one of two items


def test_verdicts_are_held_against_what_happened():
    base = make_scored("source-only", [0.5], {})
    runs = [
        base,
        make_scored("dann", [0.6], {}, verdict="helped"),
        make_scored("cdan", [0.51], {}, verdict="helped"),
        make_scored("dan", [0.4], {}, verdict="cannot tell"),
        make_scored("dann", [0.9], {}, seed=1, verdict="hurt"),  # nothing to hold it against
    ]
    found = confusion(runs)
    assert found["helped"] == {"helped": 1, "cannot tell": 0, "hurt": 0}
    assert found["little"] == {"helped": 1, "cannot tell": 0, "hurt": 0}
    assert found["hurt"] == {"helped": 0, "cannot tell": 1, "hurt": 0}


def test_changes_are_against_source_only_of_the_same_seed():
    runs = [
        make_scored("source-only", [0.1, 0.5], {}),
        make_scored("dann", [0.9, 0.6], {}),
        make_scored("train-on-target", [0.9], {}),
        make_scored("mcc", [0.51], {}),
        make_scored("source-only", [0.7], {}, seed=1),
        make_scored("dann", [0.6], {}, seed=1),
        make_scored("cdan", [0.9], {}, seed=2),
    ]
    oracle, mcc, dann = changes(runs)
    assert (oracle.algorithm, oracle.oracle, oracle.runs) == ("train-on-target", True, 1)
    assert oracle.mean == pytest.approx(0.4)
    assert oracle.sd is None
    assert (mcc.algorithm, mcc.helped, mcc.hurt) == ("mcc", 0, 0)
    assert mcc.mean == mcc.worst == pytest.approx(0.01)
    assert (dann.runs, dann.helped, dann.hurt, dann.oracle) == (2, 1, 1, False)
    assert dann.mean == pytest.approx(0.0)
    assert dann.worst == pytest.approx(-0.1)
    assert dann.sd == pytest.approx(0.1 * np.sqrt(2))


def test_cells_are_means_over_seeds():
    runs = [
        make_scored("dann", [0.9, 0.8], {}, seed=0, verdict="helped"),
        make_scored("dann", [0.5, 0.6], {}, seed=1, verdict="helped"),
    ]
    (cell,) = cells(runs)
    assert (cell.algorithm, cell.seeds, cell.verdicts) == ("dann", 2, {"helped": 2})
    assert cell.oracle_target_accuracy == pytest.approx(0.7)
    assert cell.oracle_best == pytest.approx(0.75)
    assert cell.sd == pytest.approx(np.std([0.8, 0.6], ddof=1))


def test_source_only_comes_first_and_is_never_left_out():
    grid = jobs(TASKS[:2], ["default"], ["dann"], range(2))
    assert [job.algorithm for job in grid] == ["source-only", "dann"] * 4
    assert {job.settings(Path()).steps for job in grid} == {300}


def test_a_second_stage_starts_from_the_first_which_comes_before_it():
    grid = jobs(TASKS[:1], ["light"], ["dirt-t", "shot"], range(1))
    assert [job.algorithm for job in grid] == ["source-only", "vada", "dirt-t", "shot"]
    starts = [job.settings(Path("runs")).start_from for job in grid]
    place = "runs/digits-to-digits-m/light/seed-0"
    assert starts == [None, None, f"{place}/vada", f"{place}/source-only"]


def test_every_algorithm_once_the_oracle_last():
    names = every_algorithm()
    assert (names[0], names[-1]) == ("source-only", "train-on-target")
    assert len(set(names)) == len(names) > 30
    assert not {"linear-svm", "subspace-alignment", "auto"} & set(names)


def test_an_oracle_is_not_chosen_from():
    scores = {"sure": [0.0]}
    runs = [make_scored("dann", [0.5], scores), make_scored("train-on-target", [0.9], scores)]
    (line, _) = trust(runs, ["sure"])
    assert line.among == 0


def test_recipes_of_pictures_are_for_pictures():
    tasks = [task for task in TASKS if task.name in {"moons", "digits-to-fonts"}]
    found = {(job.task.name, job.recipe) for job in jobs(tasks)}
    assert ("digits-to-fonts", "light") in found
    assert ("moons", "light") not in found
    assert ("moons", "bare") in found


def test_a_task_that_no_recipe_asked_for_changes_has_its_own():
    """So that one command with the recipe light makes a table over all tasks."""
    tasks = [task for task in TASKS if task.name in {"moons", "digits-to-fonts"}]
    found = {(job.task.name, job.recipe) for job in jobs(tasks, ["light"])}
    assert found == {("moons", "default"), ("digits-to-fonts", "light")}


def test_settings_of_every_task_are_valid_and_a_backbone_has_the_weights_given():
    for job in jobs(TASKS, seeds=range(1)):
        assert job.settings(Path()).network_options.get("weights") in {None, "hub"}
    (photos,) = [task for task in TASKS if task.name == "photos-to-webcam"]
    assert {job.algorithm for job in jobs(TASKS)} - {job.algorithm for job in jobs([photos])} == {
        "adabn"
    }
    settings = SelectionJob(photos, "default", "mcc", 0).settings(
        Path(), weights="file.safetensors"
    )
    assert settings.network == "backbone"
    assert settings.network_options["weights"] == "file.safetensors"


def test_the_command(acclimate, tmp_path, monkeypatch):
    import acclimate.experiments.selection as selection

    short = {"steps": 12, "evaluations": 3, "log_every": 6, "batch_size": 16}
    task = selection.SelectionTask("blobs", "blobs", "blobs-imbalanced", short)
    monkeypatch.setattr(selection, "TASKS", (task,))
    call = ["bench", "selection", "--algorithm", "dann", "--recipe", "bare", "--seeds", 1]
    nothing = acclimate(*call, "--show")
    assert nothing.code == 2
    assert len(nothing.err.strip().splitlines()) == 1
    done = acclimate(*call, "--json")
    assert done.code == 0, done.err
    said = json.loads(done.out)
    assert (said["runs"], said["checkpoints"]) == (2, 6)
    page = (tmp_path / "acclimate-runs/selection/selection.md").read_text()
    assert all(f"| {line['validator']} |" in page for line in said["validators"])
    assert sum(sum(row.values()) for row in said["verdicts"].values()) == 1
    assert {line["estimator"] for line in said["estimates"]} >= {OURS, "consistency"}
    dear = json.loads(
        next((tmp_path / "acclimate-runs/selection").rglob("scores.json")).read_text()
    )["scores"]
    assert "circular" in dear
    assert "entropy" not in dear
    written = (tmp_path / "acclimate-runs/selection/selection.json").read_text()
    assert json.loads(written) == {key: said[key] for key in said if key != "page"}
    # what is finished is not even opened
    monkeypatch.setattr(selection, "fit", None)
    assert json.loads(acclimate(*call, "--json").out) == said
    # some of them alone, and what others had cost is not forgotten
    few = json.loads(acclimate(*call, "--show", "--json", "--validator", "snd").out)
    assert [line["validator"] for line in few["validators"]] == ["snd", LAST]
    assert few["table"] == said["table"]
    kept = next((tmp_path / "acclimate-runs/selection").rglob("scores.json")).read_text()
    assert json.loads(kept)["scores"] == dear
    # a second call trains nothing and says the same
    again = acclimate(*call, "--show", "--json")
    assert json.loads(again.out) == said
    assert acclimate(*call[:2], "--task", "blops").code == 2
    assert acclimate(*call[:2], "--validator", "sdn").code == 2
