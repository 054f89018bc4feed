"""``acclimate select``: any validator, replayed on what runs have stored."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import cohen_kappa_score

from acclimate.core.records import read_record
from acclimate.training.agreement import agreements
from acclimate.training.evaluate import read_evidence
from acclimate.training.fit import fit
from acclimate.training.inference import load_model
from acclimate.training.probes import changed_logits
from acclimate.training.select import select
from acclimate.training.settings import FitSettings
from acclimate.training.task import open_task
from acclimate.validators import validators


@pytest.fixture
def runs(acclimate, tmp_path):
    """Two short runs of one task, with labels of the target to look at afterwards."""
    random = np.random.default_rng(0)
    for name, shift in (("source", 0.0), ("target", 0.6)):
        labels = np.arange(120) % 3
        inputs = random.normal(shift, 1, (120, 4)).astype(np.float32)
        inputs[:, :3] += 2 * np.eye(3, dtype=np.float32)[labels]
        np.savez(tmp_path / f"{name}.npz", x=inputs, y=labels)
    folders = []
    for algorithm in ("source-only", "dann"):
        folder = tmp_path / algorithm
        done = acclimate(
            *["fit", "--source", tmp_path / "source.npz", "--target", tmp_path / "target.npz"],
            *["--algorithm", algorithm, "--steps", 30, "--batch-size", 16, "--evaluations", 3],
            *["--no-baseline", "--no-report", "--no-predictions", "--output", folder],
        )
        assert done.code == 0, done.err
        folders.append(folder)
    return folders


def test_the_score_of_training_is_found_again(runs):
    """From what was stored, in half precision and of at most 1,000 items."""
    found = {(each.run, each.step): each for each in select(runs, ["default"])}
    for run in runs:
        record = read_record(run)
        for evaluation in record.evaluations:
            candidate = found[run, evaluation.step]
            assert candidate.score == pytest.approx(evaluation.scores["default"], abs=5e-3)
            assert candidate.oracle_target_accuracy == evaluation.oracle_target_accuracy
            assert candidate.kept == (record.chosen.step == evaluation.step)


def test_every_validator_can_be_replayed(runs):
    evidence = read_evidence(runs[0] / "evaluations" / "step-00000010.npz")
    for name in validators.names():
        found = select(runs, [name])
        assert [each.score for each in found] == sorted((e.score for e in found), reverse=True)
        score = next(e.score for e in found if (e.run, e.step) == (runs[0], 10))
        assert score == validators.get(name).score(evidence)


def test_several_validators_choose_by_their_ranks(runs, acclimate):
    done = acclimate(
        "select", *runs, "--validator", "entropy", "--validator", "class-shares", "--json"
    )
    assert done.code == 0, done.err
    said = json.loads(done.out)
    found = select(runs, ["entropy", "class-shares"])
    assert said["choice"]["step"] == found[0].step
    assert set(said["choice"]["scores"]) == {"entropy", "class-shares"}
    best = [
        each
        for each in found
        if all(
            each.scores[name] == max(other.scores[name] for other in found) for name in each.scores
        )
    ]
    if best:  # the best by both is the best
        assert found[0] in best
    table = acclimate("select", *runs, "--validator", "ensemble")
    assert table.code == 0, table.err
    assert "mean rank" in table.out
    assert f"choice: {select(runs, ['ensemble'])[0].run}" in table.out.replace("\n", " ")


def looked_at_twice(run):
    """Classes of every target item that is not for evaluation, before and after three small changes."""
    record, model = read_record(run), load_model(run)
    target = open_task(FitSettings.build("settings", record.settings)).target
    before, after = [], []
    for part in (target.adapt, target.validation):
        predicted = model.outputs(part)[0].argmax(1)
        for draw in range(3):
            changed = changed_logits(model.network, model.preprocessing, part, draw=draw)
            before += predicted.tolist()
            after += changed.argmax(1).tolist()
    return before, after


def test_the_kept_models_of_several_runs_are_compared_by_their_steadiness(runs, acclimate):
    found = select(runs)
    assert {each.run for each in found} == set(runs)
    for each in found:
        record = read_record(each.run)
        assert each.kept
        kappa = cohen_kappa_score(*looked_at_twice(each.run))
        assert record.target_consistency == pytest.approx(kappa)
        evidence = read_evidence(each.run / "evaluations" / f"step-{each.step:08d}.npz")
        neighbours = validators.get("knn").score(evidence)
        assert each.score == pytest.approx(record.target_consistency + 0.5 * neighbours)
    assert found[0].score >= found[1].score
    table = acclimate("select", *runs)
    assert table.code == 0, table.err
    assert "steadiness" in table.out
    assert "mean rank" not in table.out
    assert f"choice: {found[0].run}" in table.out.replace("\n", " ")
    # of one run its checkpoints are compared, by the score that chose among them
    assert len(select(runs[:1])) == 3
    assert set(select(runs[:1])[0].scores) == {"default"}


def test_runs_whose_consistency_was_not_measured(runs, acclimate):
    path = runs[1] / "record.json"
    said = json.loads(path.read_text())
    assert said.pop("target_consistency") is not None
    path.write_text(json.dumps(said))
    assert set(select(runs)[0].scores) == {"default"}
    for names, expected in [
        (["steadiness"], "--validator default"),
        (["steadiness", "bnm"], "one of both"),
    ]:
        call = [part for name in names for part in ("--validator", name)]
        done = acclimate("select", *runs, *call)
        assert done.code == 2
        assert expected in done.err.replace("\n", " ")
        assert len(done.err.strip().splitlines()) == 1


def test_what_cannot_be_chosen_from(runs, acclimate, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    moons = ["fit", "--source", "moons", "--target", "moons-rotated", "--steps", 10]
    done = acclimate(*moons, "--no-baseline", "--no-report", "--output", elsewhere)
    assert done.code == 0, done.err
    (tmp_path / "source-only" / "evaluations" / "step-00000020.npz").write_bytes(b"PK broken")
    for arguments, said in [
        ((runs[1], elsewhere), "of one task"),
        ((tmp_path / "nowhere",), "is not a run folder"),
        ((runs[1], "--validator", "entropi"), "entropy"),
        ((runs[0],), "step-00000020.npz cannot be read"),
        ((*runs, "--validator", "default"), "step-00000020.npz cannot be read"),
    ]:
        done = acclimate("select", *arguments)
        assert done.code == 2
        assert said in done.err.replace("\n", " ")
        assert len(done.err.strip().splitlines()) == 1


def test_reverse_validation(runs, acclimate):
    """The way back is trained on predicted labels alone, and measured on the held-out source."""
    done = acclimate("select", *runs, "--reverse", "--json")
    assert done.code == 0, done.err
    said = json.loads(done.out)
    scores = [each["scores"]["reverse-validation"] for each in said["runs"]]
    assert scores == sorted(scores, reverse=True)
    assert said["choice"] == said["runs"][0]
    for each in said["runs"]:
        run = Path(each["run"])
        forth, back = read_record(run), read_record(run / "reverse")
        assert (back.source.name, back.target.name) == (forth.target.name, forth.source.name)
        assert (back.algorithm, back.steps_done) == (forth.algorithm, forth.steps_done)
        assert back.settings["start_from"] == str(run)
        assert each["scores"]["reverse-validation"] == back.oracle_target_metrics.accuracy
        assert back.oracle_target_metrics.n == forth.source.items["validation"]
    before = [(run / "reverse/record.json").stat().st_mtime_ns for run in runs]
    again = acclimate("select", *runs, "--reverse", "--json")
    assert json.loads(again.out) == said
    assert [(run / "reverse/record.json").stat().st_mtime_ns for run in runs] == before


def test_the_way_back_learns_what_the_model_predicts(runs):
    """No label of the target, and of the source only those that it is measured by."""
    from acclimate.training import reverse

    task = reverse.open_task(FitSettings.build("settings", read_record(runs[0]).settings))
    model = load_model(runs[0])
    turned = reverse._reversed(task, model)
    logits, _ = model.outputs(task.target.adapt)
    assert torch.equal(turned.source.train.labels, logits.argmax(1))
    assert turned.target.adapt.labels is None
    assert turned.target.evaluate.labels is None
    assert torch.equal(turned.oracle_labels, task.source.validation.labels)


def test_reverse_stands_alone(runs, acclimate):
    done = acclimate("select", *runs, "--reverse", "--validator", "bnm")
    assert done.code == 2
    assert "leave out --validator" in done.err


def test_seeds_that_agree_are_an_estimate(runs, acclimate, tmp_path):
    """Of runs that differ in their seed alone; others have no twin and nothing to say."""
    assert json.loads(acclimate("select", *runs, "--json").out)["agreement"] == []
    settings = read_record(runs[0]).settings
    second = fit(
        FitSettings.build("settings", {**settings, "seed": 1}), tmp_path / "second", baseline=False
    )
    (found,) = agreements([*runs, tmp_path / "second", runs[0]])
    assert (found.algorithm, found.seeds) == ("source-only", [0, 1])
    logits = [
        read_evidence(run / f"evaluations/step-{record.chosen.step:08d}.npz").target_logits
        for run, record in ((runs[0], read_record(runs[0])), (tmp_path / "second", second))
    ]
    expected = (logits[0].argmax(1) == logits[1].argmax(1)).double().mean()
    assert found.estimate.value == pytest.approx(float(expected))
    said = acclimate("select", *runs, tmp_path / "second")
    assert "source-only, seeds 0, 1: agree on" in said.out.replace("\n", " ")
