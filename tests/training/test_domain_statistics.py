"""Networks that keep the domains' statistics apart are judged on each domain with its own."""

import numpy as np
import pytest
import torch

from acclimate.core.records import read_record
from acclimate.training.evaluate import Evaluator
from acclimate.training.fit import fit
from acclimate.training.inference import load_model
from acclimate.training.task import open_task

KEPT_APART = {"normalisation": "domain"}


@pytest.fixture
def far_apart(tmp_path):
    """Four classes; the target is the source three times as large and far away."""
    random = np.random.default_rng(0)
    centres = 2 * random.normal(size=(4, 10))
    for name, scale, shift in (("source", 1, 0), ("target", 3, 40)):
        labels = np.arange(400) % 4
        inputs = scale * (centres[labels] + random.normal(size=(400, 10))) + shift
        np.savez(tmp_path / f"{name}.npz", x=inputs.astype(np.float32), y=labels)
    return {"source": str(tmp_path / "source.npz"), "target": str(tmp_path / "target.npz")}


@pytest.mark.parametrize("name", ["adabn", "dann", "linear-svm+adabn"])
def test_the_held_out_source_is_seen_with_the_source_s_statistics(
    name, far_apart, settings_of, tmp_path
):
    """By the target's, no class would be known again and every run would be called collapsed."""
    chosen = {**far_apart, "algorithm": name, "network_options": KEPT_APART, "steps": 150}
    settings = settings_of(**chosen, batch_size=32, preprocessing="none")
    record = fit(settings, tmp_path / "run", baseline=False)
    assert record.source_metrics.accuracy > 0.95
    assert record.evaluations[-1].source_accuracy > 0.95
    assert "source at chance" not in [warned.kind for warned in record.warnings]
    task, model = open_task(settings), load_model(tmp_path / "run")
    evaluator = Evaluator(task, torch.device("cpu"))
    source = task.source.validation
    by_the_target_s, _ = evaluator.outputs(model.network, source)
    assert float((by_the_target_s.argmax(1) == source.labels).double().mean()) < 0.8
    # and whoever asks next is answered with the target's again
    evaluator.source_outputs(model.network, source)
    assert torch.equal(evaluator.outputs(model.network, source)[0], by_the_target_s)
    # nothing about the target has changed
    target = task.target.evaluate
    logits, _ = evaluator.outputs(model.network, target)
    truth = float((logits.argmax(1) == task.oracle_labels).double().mean())
    assert read_record(tmp_path / "run").oracle_target_metrics.accuracy == truth
