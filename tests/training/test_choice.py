"""Which checkpoint a run keeps where some of them are none."""

from dataclasses import replace

import pytest
import torch

import acclimate.training.run
from acclimate.core.errors import DivergedError
from acclimate.core.records import read_record
from acclimate.training.fit import fit
from acclimate.validators import validators


@pytest.mark.parametrize(("steps", "why"), [(6, "before its first"), (0, "not finite at any")])
def test_a_network_without_finite_outputs_is_no_model(
    steps, why, settings_of, tmp_path, monkeypatch
):
    """It was kept where it came first, since nothing is larger than what is no number."""
    fit(settings_of(), tmp_path / "start", baseline=False)
    make_step = acclimate.training.run.make_step

    def broken(*arguments, **options):
        step = make_step(*arguments, **options)
        with torch.no_grad():
            for network in (step.network, step.average):
                network.head.bias.fill_(float("nan"))
        return step

    monkeypatch.setattr(acclimate.training.run, "make_step", broken)
    settings = settings_of(steps=steps, log_every=1, start_from=str(tmp_path / "start"))
    with pytest.raises(DivergedError, match=why):
        fit(settings, tmp_path / "run", baseline=False)
    assert read_record(tmp_path / "run").chosen is None
    assert not (tmp_path / "run" / "model.safetensors").exists()


def test_a_score_that_is_no_number_gives_way_to_any_other(settings_of, tmp_path, monkeypatch):
    said = iter([float("nan"), 0.2, float("nan"), 0.1])
    validator = replace(validators.get("entropy"), function=lambda evidence: next(said))
    monkeypatch.setitem(validators._items, "entropy", validator)
    record = fit(settings_of(validator="entropy"), tmp_path, baseline=False)
    assert (record.chosen.step, record.chosen.score) == (6, 0.2)
