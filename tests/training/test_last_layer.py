"""Last layers that are made after training, in whole runs."""

import numpy as np
import pytest
import torch

import acclimate.training.evaluate
from acclimate.algorithms.base import LastLayer
from acclimate.algorithms.linear_svm import LinearSvm
from acclimate.core.errors import ConfigurationError
from acclimate.core.records import read_record
from acclimate.models.files import read_model
from acclimate.training.evaluate import Evaluator
from acclimate.training.fit import fit
from acclimate.training.inference import load_model
from acclimate.training.last_layer import MAXIMUM, _some
from acclimate.training.parts import draws_target, make_algorithm
from acclimate.training.select import select
from acclimate.training.task import open_task
from acclimate.validators import validators

MAKERS = ["linear-svm", "subspace-alignment", "dann+linear-svm", "dann+subspace-alignment"]


@pytest.mark.parametrize("name", MAKERS)
def test_only_the_last_layer_differs(name, settings_of, tensors_of, tmp_path):
    trained = name.split("+")[0] if "+" in name else "source-only"
    plain = fit(settings_of(algorithm=trained), tmp_path / "plain", baseline=False)
    made = fit(settings_of(algorithm=name), tmp_path / "made", baseline=False)
    assert plain.last_layer is None
    assert "linear SVM" in made.last_layer
    assert [each.scores for each in made.evaluations] == [each.scores for each in plain.evaluations]
    ours, theirs = (tensors_of(tmp_path / n / "model.safetensors") for n in ("made", "plain"))
    assert {key for key in ours if ours[key] != theirs[key]} == {"head.weight", "head.bias"}


@pytest.mark.parametrize("name", MAKERS)
def test_what_is_measured_is_the_model_with_it(name, settings_of, tmp_path):
    settings = settings_of(algorithm=name)
    record = fit(settings, tmp_path, baseline=False)
    task, model = open_task(settings), load_model(tmp_path)
    logits, _ = model.outputs(task.target.evaluate)
    accuracy = float((logits.argmax(1) == task.oracle_labels).double().mean())
    assert record.oracle_target_metrics.accuracy == accuracy
    stored = np.load(tmp_path / "samples.npz")["target_logits"]
    np.testing.assert_allclose(stored, logits.half().numpy(), atol=1e-2)


@pytest.mark.parametrize("validator", ["entropy", "consistency", "mixval"])
def test_candidates_are_scored_by_the_run_s_validator_on_held_out_items(
    validator, settings_of, tmp_path
):
    """Every number of components by hand, through the network itself."""
    settings = settings_of(
        algorithm="subspace-alignment",
        algorithm_options={"c": 0.1},
        network_options={"widths": [16]},
        validator=validator,
    )
    chosen = fit(settings, tmp_path / "chosen", baseline=False).last_layer
    evaluator = Evaluator(open_task(settings), torch.device("cpu"))
    scores = {}
    for components in (2, 3, 4, 6, 8, 11, 16):
        options = {"c": 0.1, "components": components}
        one = settings.model_copy(update={"algorithm_options": options})
        folder = tmp_path / str(components)
        note = fit(one, folder, baseline=False).last_layer
        evidence = evaluator.evidence(read_model(folder).network)
        scores[note] = validators.get(validator).score(evidence)
    assert len(set(scores.values())) > 1
    assert chosen == max(scores, key=scores.get)


def test_subspace_alignment_is_judged_against_source_only(settings_of, tmp_path):
    record = fit(settings_of(algorithm="subspace-alignment"), tmp_path)
    assert record.baseline == "baseline"
    assert record.verdict is not None
    assert read_record(tmp_path / "baseline").algorithm == "source-only"
    assert fit(settings_of(algorithm="linear-svm"), tmp_path / "svm").verdict is None


@pytest.mark.parametrize(
    ("name", "drawn"),
    [
        ("source-only", False),
        ("linear-svm", False),
        ("subspace-alignment", False),
        ("source-only+subspace-alignment", False),
        ("dann", True),
        ("dann+linear-svm", True),
        ("dann+subspace-alignment", True),
    ],
)
def test_who_draws_target_batches(name, drawn, settings_of):
    assert draws_target(make_algorithm(settings_of(algorithm=name))) == drawn


@pytest.mark.parametrize("name", MAKERS)
def test_stopped_after_the_layer_was_put_on(name, settings_of, tensors_of, tmp_path, monkeypatch):
    """The model then has the new layer already, and the record does not say so."""
    settings = settings_of(algorithm=name)
    whole = fit(settings, tmp_path / "whole", baseline=False)

    class StoppedError(Exception):
        pass

    def stop(*arguments):
        raise StoppedError

    with monkeypatch.context() as changed:
        changed.setattr(acclimate.training.evaluate, "write_samples", stop)
        with pytest.raises(StoppedError):
            fit(settings, tmp_path / "cut", baseline=False)
    before = tensors_of(tmp_path / "cut" / "model.safetensors")
    assert before == tensors_of(tmp_path / "whole" / "model.safetensors")
    resumed = fit(settings, tmp_path / "cut", baseline=False, resume=True)
    assert tensors_of(tmp_path / "cut" / "model.safetensors") == before
    assert resumed.last_layer == whole.last_layer
    assert resumed.oracle_target_metrics == whole.oracle_target_metrics
    assert resumed.estimate == whole.estimate


def test_options_of_a_part(settings_of, tmp_path):
    settings = settings_of(algorithm="dann+linear-svm", algorithm_options={"linear-svm.c": 0.25})
    assert "C = 0.25" in fit(settings, tmp_path, baseline=False).last_layer


def test_a_finished_run_gets_another_layer_without_training(settings_of, tensors_of, tmp_path):
    fit(settings_of(algorithm="dann"), tmp_path / "dann", baseline=False)
    again = settings_of(algorithm="linear-svm", start_from=str(tmp_path / "dann"), steps=0)
    record = fit(again, tmp_path / "svm", baseline=False)
    assert record.last_layer
    ours, theirs = (tensors_of(tmp_path / n / "model.safetensors") for n in ("svm", "dann"))
    assert {key for key in ours if ours[key] != theirs[key]} == {"head.weight", "head.bias"}


def test_the_head_that_was_trained_is_not_what_is_judged(settings_of, tmp_path):
    """After one step it is at chance; the one that is put on is not."""
    settings = settings_of(algorithm="shallow", steps=1, learning_rate=1e-6)
    trained = fit(settings_of(steps=1, learning_rate=1e-6), tmp_path / "plain", baseline=False)
    assert {each.kind for each in trained.warnings} & {"source at chance", "few classes predicted"}
    record = fit(settings, tmp_path / "run")
    assert record.source_metrics.accuracy > 0.8
    assert not record.warnings
    assert "collapsed" not in record.verdict.reason


def test_one_that_is_no_better_is_still_said_to_be_at_chance(settings_of, tmp_path, monkeypatch):
    def useless(self, material):
        weight = torch.zeros(material.class_count, material.source_features.shape[1])
        return LastLayer(weight, torch.eye(material.class_count)[0], "nothing learnt")

    monkeypatch.setattr(LinearSvm, "last_layer", useless)
    record = fit(settings_of(algorithm="linear-svm", steps=120), tmp_path, baseline=False)
    assert [(each.kind, each.step) for each in record.warnings] == [
        ("source at chance", record.chosen.step)
    ]


@pytest.mark.parametrize("name", ["default", "source-accuracy", "steadiness"])
def test_what_is_compared_with_other_runs_is_the_model_with_it(name, settings_of, tmp_path):
    settings = settings_of(algorithm="linear-svm", steps=2, evaluations=2, learning_rate=1e-6)
    runs = [tmp_path / "0", tmp_path / "1"]
    for seed, run in enumerate(runs):
        fit(settings.model_copy(update={"seed": seed}), run, baseline=False)
    task = open_task(settings)
    evidence = Evaluator(task, torch.device("cpu")).evidence(read_model(runs[0]).network)
    kept = next(each for each in select(runs, [name]) if each.kept and each.run == runs[0])
    record = read_record(runs[0])
    expected = (
        record.target_consistency + 0.5 * validators.get("knn").score(evidence)
        if name == "steadiness"
        else validators.get(name).score(evidence)
    )
    assert kept.score == pytest.approx(expected, abs=5e-3)
    assert kept.oracle_target_accuracy == record.oracle_target_metrics.accuracy
    # the one that was trained is at chance and would be far from both
    trained = next(each for each in record.evaluations if each.step == kept.step)
    assert abs(trained.oracle_target_accuracy - kept.oracle_target_accuracy) > 0.2


def test_two_last_layers_are_refused(settings_of, tmp_path):
    settings = settings_of(algorithm="linear-svm+subspace-alignment")
    with pytest.raises(ConfigurationError, match="two of its parts make the last layer"):
        fit(settings, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_large_domain_is_sampled(settings_of):
    domain = open_task(settings_of()).source.train
    assert _some(domain, 0, "source") is domain
    large = domain.subset(torch.arange(MAXIMUM + 500) % len(domain))
    few, again, other = (_some(large, seed, "source") for seed in (0, 0, 1))
    assert len(few) == MAXIMUM
    assert torch.equal(few.labels, again.labels)
    assert not torch.equal(few.labels, other.labels)
