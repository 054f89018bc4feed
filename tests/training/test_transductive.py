"""Adapting to all of the target and measuring on the same, as the literature on photos does."""

import pytest
import torch

from acclimate.core.errors import ConfigurationError
from acclimate.training.fit import fit
from acclimate.training.task import open_task


def test_all_items_are_in_every_part_and_none_has_a_label(settings_of):
    task = open_task(settings_of(transductive=True))
    parts = task.target.adapt, task.target.validation, task.target.evaluate
    assert [len(part) for part in parts] == [120, 120, 120]
    assert all(part.labels is None and part.groups is None for part in parts)
    assert torch.equal(task.oracle_labels, torch.arange(120) % 3)
    assert task.summaries[1].items == {"all": 120}


def test_what_is_not_transductive_holds_items_out(settings_of):
    target = open_task(settings_of()).target
    assert len(target.adapt) + len(target.validation) + len(target.evaluate) == 120


def test_a_run_is_measured_on_all(settings_of, tmp_path):
    record = fit(settings_of(transductive=True, algorithm="dann"), tmp_path / "run")
    assert record.oracle_target_metrics.n == 120
    assert record.verdict is not None
    assert record.target.items == {"all": 120}


def test_the_oracle_would_be_measured_on_what_it_learnt(settings_of, tmp_path):
    settings = settings_of(transductive=True, algorithm="train-on-target")
    with pytest.raises(ConfigurationError, match="leave out --transductive"):
        fit(settings, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_labelled_items_would_be_measured_on(settings_of):
    with pytest.raises(ConfigurationError, match="--transductive evaluates on"):
        settings_of(transductive=True, target_labels=2)
