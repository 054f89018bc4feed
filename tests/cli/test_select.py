"""``acclimate select``: any validator, replayed on what runs have stored."""

import json

import numpy as np
import pytest

from acclimate.core.records import read_record
from acclimate.training.evaluate import read_evidence
from acclimate.training.select import select
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
    ]:
        done = acclimate("select", *arguments)
        assert done.code == 2
        assert said in done.err.replace("\n", " ")
        assert len(done.err.strip().splitlines()) == 1
