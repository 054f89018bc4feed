"""Last layers that are made after training, in whole runs."""

import numpy as np
import pytest
import torch

import acclimate.training.evaluate
from acclimate.core.errors import ConfigurationError
from acclimate.core.records import read_record
from acclimate.models.files import read_model
from acclimate.training.evaluate import Evaluator
from acclimate.training.fit import fit
from acclimate.training.inference import load_model
from acclimate.training.last_layer import MAXIMUM, _some
from acclimate.training.parts import draws_target, make_algorithm
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


def test_candidates_are_scored_by_the_run_s_validator_on_held_out_items(settings_of, tmp_path):
    """Every number of components by hand, through the network itself."""
    settings = settings_of(
        algorithm="subspace-alignment",
        algorithm_options={"c": 0.1},
        network_options={"widths": [16]},
        validator="entropy",
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
        scores[note] = validators.get("entropy").score(evidence)
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
