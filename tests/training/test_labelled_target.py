"""Runs that are given a few target labels: what they learn from, say of themselves, and refuse."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from acclimate.core.errors import ConfigurationError, DataError
from acclimate.core.records import read_record
from acclimate.data.domain import Domain
from acclimate.training.fit import fit
from acclimate.training.observer import Observer
from acclimate.training.parts import make_algorithm, make_loader
from acclimate.training.task import open_task


class StoppedError(Exception):
    """Stands for whatever ends a run before its time."""


class StopAt(Observer):
    def __init__(self, step):
        self.step = step

    def evaluated(self, evaluation):
        if evaluation.step >= self.step:
            raise StoppedError


def listed(path, indices, labels):
    """A file of labelled items; the classes of an ``.npz`` without names are its numbers."""
    rows = [f"{int(index)},{int(label)}" for index, label in zip(indices, labels, strict=True)]
    path.write_text("\n".join(["index,label", *rows]))
    return str(path)


def drawn_indices(settings, task_files):
    """Which items of the target file a number drew, with their classes."""
    few = open_task(settings).target.labelled
    inputs = torch.from_numpy(np.load(task_files[1])["x"])
    indices = [int((inputs == item).all(1).nonzero()) for item in few.store.tensor]
    return indices, few.labels.tolist()


def weights(folder):
    return (folder / "model.safetensors").read_bytes()


def test_run_and_baseline_learn_from_the_same_items_and_say_so(settings_of, rows_of, tmp_path):
    record = fit(settings_of(algorithm="dann", target_labels=4), tmp_path)
    baseline = read_record(tmp_path / "baseline")
    assert record.labelled_target_items == baseline.labelled_target_items == 12
    assert record.settings["target_labels"] == baseline.settings["target_labels"] == 4
    assert not record.uses_target_labels
    assert record.verdict
    for folder in (tmp_path, tmp_path / "baseline"):
        assert all(0 < float(row["loss/labelled_target"]) < 5 for row in rows_of(folder))


def test_a_run_without_is_as_it_was(settings_of, rows_of, tmp_path):
    record = fit(settings_of(algorithm="dann"), tmp_path, baseline=False)
    assert record.labelled_target_items == 0
    assert not any("labelled" in key for key in rows_of(tmp_path)[0])


def test_they_help_where_the_domains_contradict_each_other(tmp_path, settings_of):
    """The target's classes are swapped: only labels can tell."""
    random = np.random.default_rng(0)
    labels = np.arange(200) % 2
    paths = {}
    for name, sign in (("source", 1), ("target", -1)):
        inputs = sign * np.where(labels, 2.0, -2.0)[:, None] * [1, 0] + [0, 3 * sign]
        inputs = inputs + random.normal(size=inputs.shape) * 0.5
        paths[name] = str(tmp_path / f"{name}.npz")
        np.savez(paths[name], x=inputs.astype(np.float32), y=labels)
    accuracies = {}
    for few in (None, 5):
        settings = settings_of(
            **paths, algorithm="source-only", steps=150, preprocessing="none", target_labels=few
        )
        record = fit(settings, tmp_path / str(few), baseline=False)
        accuracies[few] = record.oracle_target_metrics.accuracy
    assert accuracies[None] < 0.3
    assert accuracies[5] > 0.9


@pytest.mark.parametrize("name", ["source-only", "dann-self-training"])
def test_stopped_and_continued(name, settings_of, tensors_of, outcome_of, rows_of, tmp_path):
    settings = settings_of(algorithm=name, target_labels=3, network_options={"dropout": 0.2})
    fit(settings, tmp_path / "whole", baseline=False)
    with pytest.raises(StoppedError):
        fit(settings, tmp_path / "cut", baseline=False, observer=StopAt(6))
    fit(settings, tmp_path / "cut", baseline=False, resume=True)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert tensors_of(whole / "model.safetensors") == tensors_of(cut / "model.safetensors")
    assert rows_of(whole) == rows_of(cut)
    assert outcome_of(read_record(whole)) == outcome_of(read_record(cut))


def test_a_file_of_the_drawn_items_is_the_same_run(settings_of, task_files, tmp_path):
    drawn = settings_of(target_labels=3, algorithm="dann")
    path = listed(tmp_path / "few.csv", *drawn_indices(drawn, task_files))
    fit(drawn, tmp_path / "drawn", baseline=False)
    record = fit(
        settings_of(target_labels=path, algorithm="dann"), tmp_path / "listed", baseline=False
    )
    assert weights(tmp_path / "drawn") == weights(tmp_path / "listed")
    assert record.labelled_target_items == 9


def test_the_file_s_labels_count_and_the_target_s_own_do_not(settings_of, task_files, tmp_path):
    indices, labels = drawn_indices(settings_of(target_labels=3), task_files)
    right = listed(tmp_path / "right.csv", indices, labels)
    wrong = listed(tmp_path / "wrong.csv", indices, [(label + 1) % 3 for label in labels])
    content = dict(np.load(task_files[1]))
    np.savez(tmp_path / "mixed.npz", x=content["x"], y=np.roll(content["y"], 1))
    mixed = {"target": str(tmp_path / "mixed.npz")}
    for name, changes in (
        ("right", {"target_labels": right}),
        ("wrong", {"target_labels": wrong}),
        ("mixed", {"target_labels": right, **mixed}),
    ):
        fit(settings_of(algorithm="dann", **changes), tmp_path / name, baseline=False)
    assert weights(tmp_path / "right") == weights(tmp_path / "mixed")
    assert weights(tmp_path / "right") != weights(tmp_path / "wrong")


def test_a_target_without_labels_takes_a_file(settings_of, task_files, tmp_path):
    np.savez(tmp_path / "bare.npz", x=np.load(task_files[1])["x"])
    path = listed(tmp_path / "few.csv", [7, 80, 14], [1, 2, 0])
    bare = {"target": str(tmp_path / "bare.npz"), "algorithm": "dann"}
    record = fit(settings_of(target_labels=path, **bare), tmp_path / "run", baseline=False)
    assert record.labelled_target_items == 3
    assert record.oracle_target_metrics is None
    with pytest.raises(DataError, match="bare has no labels to draw 2 of each class from"):
        fit(settings_of(target_labels=2, **bare), tmp_path / "other")
    with pytest.raises(DataError, match="has no labels to draw"):
        open_task(settings_of(target_labels=2, unlabelled_target=True))


@dataclass(frozen=True)
class OnDemand:
    """A store that is not in memory."""

    tensor: torch.Tensor

    @property
    def shape(self):
        return tuple(self.tensor.shape)

    def gather(self, indices):
        return self.tensor[indices]


def labelled_batches(settings, *, streamed=False, rank=0, ranks=1, steps=(0, 7)):
    task = open_task(settings)
    few = task.target.labelled
    if streamed:
        few = Domain(few.name, OnDemand(few.store.tensor), few.labels, few.class_names)
        task = SimpleNamespace(
            source=task.source,
            target=task.target._replace(labelled=few),
            preprocessing=task.preprocessing,
        )
    fabric = SimpleNamespace(device=torch.device("cpu"), global_rank=rank, world_size=ranks)
    loader = make_loader(settings, task.source.train, task, make_algorithm(settings), fabric)
    return [batch.labelled_target for batch in loader.between(*steps)]


def same(first, second):
    return len(first) == len(second) and all(
        torch.equal(ours.inputs, theirs.inputs) and torch.equal(ours.labels, theirs.labels)
        for ours, theirs in zip(first, second, strict=True)
    )


@pytest.mark.parametrize(("few", "size"), [(1, 3), (2, 6), (3, 8), (5, 8)])
def test_batches_are_as_large_as_the_others_or_all_there_are(few, size, settings_of):
    settings = settings_of(target_labels=few)
    batches = labelled_batches(settings)
    assert {len(batch.labels) for batch in batches} == {size}
    labels = torch.cat([batch.labels for batch in labelled_batches(settings, steps=(0, 3 * few))])
    # endless epochs: after whole ones every class was seen as often
    assert torch.bincount(labels).tolist() == [few * size] * 3


def test_batches_follow_from_the_step_wherever_a_run_begins(settings_of):
    settings = settings_of(target_labels=3)
    assert same(labelled_batches(settings)[4:], labelled_batches(settings, steps=(4, 7)))
    other = settings_of(target_labels=3, seed=1)
    assert not same(labelled_batches(settings), labelled_batches(other))


@pytest.mark.parametrize("workers", [0, 1])
def test_streamed_batches_are_the_resident_ones(workers, settings_of):
    settings = settings_of(target_labels=3, workers=workers)
    assert same(labelled_batches(settings), labelled_batches(settings, streamed=True))


def test_processes_share_the_batch(settings_of):
    settings = settings_of(target_labels=3)
    whole = labelled_batches(settings)
    halves = [labelled_batches(settings, rank=rank, ranks=2) for rank in (0, 1)]
    for batch, first, second in zip(whole, *halves, strict=True):
        assert torch.equal(batch.labels[0::2], first.labels)
        assert torch.equal(batch.inputs[1::2], second.inputs)
    odd = settings_of(target_labels=1)
    assert [len(labelled_batches(odd, rank=0, ranks=2)[0].labels)] == [1]
    with pytest.raises(ConfigurationError, match="3 labelled items cannot be shared by 4 proc"):
        labelled_batches(settings_of(target_labels=1), ranks=4)


@pytest.mark.parametrize("given", ["3", " 3 ", 3])
def test_a_number_may_be_text(given, settings_of):
    assert settings_of(target_labels=given).target_labels == 3


@pytest.mark.parametrize("given", [0, -1, "0", "-4", "", True])
def test_numbers_that_are_none(given, settings_of):
    with pytest.raises(ConfigurationError, match="target_labels: should be a number of items, 1"):
        settings_of(target_labels=given)
