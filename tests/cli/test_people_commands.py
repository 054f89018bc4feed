"""``match``, ``evaluate`` and ``select`` on runs that tell identities apart."""

import csv
import json

import numpy as np
import pytest
from people_models import draw_people

from acclimate.core.records import read_record
from acclimate.training.agreement import agreements
from acclimate.training.retrieval_evaluator import read_retrieval_evidence
from acclimate.training.select import RETRIEVAL_ENSEMBLE, select
from acclimate.validators.retrieval import retrieval_validators


@pytest.fixture
def fitted(acclimate, tmp_path):
    """Trains a short run between drawn people; the target's are unknown to it."""
    draw_people(tmp_path / "source", range(100, 116))
    draw_people(tmp_path / "target", range(12))

    def train(name, *options):
        done = acclimate(
            *["fit", "--objective", "retrieval", "--source", "source", "--target", "target"],
            *["--size", 32, "--width", 16, "--batch-size", 8, "--steps", 4, "--evaluations", 2],
            *["--set", "network.maps=4", "--set", "network.descriptor=8", "--no-baseline"],
            *["--no-report", "--output", name, *options],
        )
        assert done.code == 0, done.err
        return tmp_path / name

    return train


@pytest.fixture
def runs(fitted):
    return [fitted(name, "--algorithm", name) for name in ("source-only", "dann")]


def test_match_and_evaluate(fitted, acclimate):
    run = fitted("run", "--algorithm", "dann")
    arguments = ["match", run, "target/0001_c1_1.png", "--gallery", "target", "--count", 3]
    done = acclimate(*arguments, "--descriptors", "kept.npz")
    assert (done.code, done.err) == (0, "")
    assert "the 3 nearest of 24 gallery pictures for each of 1 probes in matches.csv" in done.out
    with open("matches.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["rank"] for row in rows] == ["1", "2", "3"]
    assert rows[0]["gallery"] in done.out
    arguments[4] = "kept.npz"
    again = json.loads(acclimate(*arguments, "--output", "again.csv", "--json").out)
    assert again == {
        "output": "again.csv",
        "descriptors": None,
        "probes": 1,
        "gallery": 24,
        "count": 3,
        "skipped": [],
        "notes": [],
    }
    measured = json.loads(acclimate("evaluate", run, "--data", "target", "--json").out)
    expected = read_record(run).oracle_target_retrieval.model_dump()
    assert measured == {**expected, "skipped": [], "notes": []}
    table = acclimate("evaluate", run, "--data", "target", "--split", "all")
    assert "rank 1" in table.out
    assert "mAP" in table.out
    assert "warning: target: these include people that the run adapted to" in table.err


def test_scores_are_found_again(runs):
    """From what was stored in half precision: near those of training, and exactly the evidence's."""
    found = {(each.run, each.step): each for each in select(runs, ["default"])}
    for run in runs:
        record = read_record(run)
        for evaluation in record.evaluations:
            each = found[run, evaluation.step]
            assert each.objective == "retrieval"
            assert each.oracle_target_accuracy == evaluation.oracle_target_accuracy
            assert each.kept == (record.chosen.step == evaluation.step)
            evidence = read_retrieval_evidence(
                run / "evaluations" / f"step-{evaluation.step:08d}.npz"
            )
            assert each.score == retrieval_validators.get("default").score(evidence)
            assert each.score == pytest.approx(evaluation.scores["default"], abs=0.3)


def test_choosing(runs, acclimate):
    done = acclimate("select", *runs)
    assert done.code == 0, done.err
    assert "target rank 1 (oracle)" in done.out
    assert "accuracy" not in done.out
    said = json.loads(acclimate("select", *runs, "--validator", "ensemble", "--json").out)
    assert tuple(said["choice"]["scores"]) == RETRIEVAL_ENSEMBLE
    assert said["agreement"] == []
    for name in retrieval_validators.names():
        each = select(runs, [name])
        assert [c.score for c in each] == sorted((c.score for c in each), reverse=True)


def test_seeds_of_retrieval_do_not_agree_on_classes(fitted):
    seeds = [fitted(f"seed{k}", "--algorithm", "source-only", "--seed", k) for k in (0, 1)]
    assert agreements(seeds) == []


def test_what_cannot_be_chosen_from(runs, acclimate, tmp_path):
    moons = ["fit", "--source", "moons", "--target", "moons-rotated", "--steps", 4]
    assert acclimate(*moons, "--no-baseline", "--no-report", "--output", "moons").code == 0
    path = runs[1] / "evaluations" / "step-00000004.npz"
    with np.load(path) as arrays:
        whole = dict(arrays)

    def refused(said, *arguments):
        done = acclimate("select", *arguments)
        assert done.code == 2
        assert (said in done.err, done.out) == (True, ""), done.err
        assert len(done.err.strip().splitlines()) == 1

    refused("objective", *runs, "moons")
    refused("objective", "moons", *runs)
    refused("--validator, see 'acclimate list retrieval-validators'", *runs, "--reverse")
    refused("unknown retrieval validator 'entropy'", *runs, "--validator", "entropy")
    for each in sorted((runs[1] / "evaluations").glob("*.npz")):
        np.savez(each, **{**whole, "target_cameras": np.zeros_like(whole["target_cameras"])})
    refused("camera-confusion can say nothing", runs[1], "--validator", "camera-confusion")
    path.write_bytes(b"PK broken")
    refused("step-00000004.npz cannot be read", *runs)


def test_what_needs_classes_is_refused(runs, acclimate):
    for arguments in (["predict", runs[0], "target"], ["predict", runs[0], "nowhere"]):
        done = acclimate(*arguments)
        assert done.code == 2
        assert "acclimate match RUN PICTURE --gallery GALLERY" in done.err
        assert len(done.err.strip().splitlines()) == 1


def test_scores_and_objectives_are_listed(acclimate):
    found = json.loads(acclimate("list", "--json").out)
    names = [each["name"] for each in found["retrieval-validators"]]
    assert tuple(names) == retrieval_validators.names()
    assert [each["name"] for each in found["objectives"]] == ["classification", "retrieval"]
    assert all(each["description"] for kind in found.values() for each in kind)
