"""Runs that tell identities apart, from folders of pictures to a finished run."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from acclimate.algorithms.cluster_pseudo_labels import ClusterPseudoLabels
from acclimate.core.errors import ConfigurationError, DataError
from acclimate.core.records import read_record
from acclimate.retrieval.cameras import CameraMeans
from acclimate.retrieval.metrics import cross_camera_metrics
from acclimate.training.fit import fit
from acclimate.training.inference import load_model
from acclimate.training.observer import Observer
from acclimate.training.parts import make_algorithm
from acclimate.training.settings import make_settings
from acclimate.training.task import open_task

PEOPLE, CAMERAS = 16, 2


def colours(root, seed, light):
    """Everybody has two colours, above and below; the second camera sees them in another light."""
    random = np.random.default_rng(seed)
    root.mkdir()
    for person in range(1, PEOPLE + 1):
        pair = random.integers(30, 226, (2, 3))
        for camera in range(1, CAMERAS + 1):
            pixels = np.repeat(pair, 8, axis=0)[:, None].repeat(8, axis=1)
            pixels = pixels + light * (camera - 1) + random.normal(0, 6, pixels.shape)
            name = f"{person:04}_c{camera}s1_{person:06}_00.png"
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(root / name)
    return root


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    folder = tmp_path_factory.mktemp("people")
    return colours(folder / "here", 0, 10), colours(folder / "there", 1, 40)


@pytest.fixture
def settings_of(places):
    def make(**chosen):
        values = {
            "source": str(places[0]),
            "target": str(places[1]),
            "objective": "retrieval",
            "algorithm": "dann",
            "network": "strips-cnn",
            "network_options": {"maps": 4, "descriptor": 8},
            "size": 48,
            "width": 16,
            "augmentation": "none",
            "steps": 12,
            "batch_size": 8,
            "evaluations": 3,
            "log_every": 2,
            "device": "cpu",
            **chosen,
        }
        return make_settings(**values)

    return make


def test_a_run_leaves_what_its_record_says(settings_of, tmp_path):
    record = fit(settings_of(), tmp_path / "run")
    assert record.objective == "retrieval"
    assert record.source_metrics is None
    assert record.verdict is None
    assert record.estimate is None
    assert record.source.class_names == []
    assert record.source_retrieval.identities >= 2
    assert record.oracle_target_retrieval.probes == record.target.items["evaluate"]
    assert record.baseline == "baseline"
    assert len(record.evaluations) == 3
    for each in record.evaluations:
        assert each.source_mean_average_precision is not None
        assert each.predicted_class_shares == []
    model = json.loads((tmp_path / "run" / "model.json").read_text())
    assert model["objective"] == "retrieval"
    assert model["class_names"] == []
    with np.load(tmp_path / "run" / "samples.npz") as samples:
        assert not any("inputs" in name or "large" in name for name in samples.files)


def test_the_measured_ranks_are_those_of_the_model_that_is_left(settings_of, tmp_path):
    settings = settings_of(algorithm="dann+camera-centring")
    record = fit(settings, tmp_path / "run", baseline=False)
    task, model = open_task(settings), load_model(tmp_path / "run")
    test = task.target.evaluate
    again = cross_camera_metrics(
        model.descriptors(test), task.oracle_labels, test.cameras, roles=test.roles
    )
    assert again == record.oracle_target_retrieval


def test_what_every_camera_adds_is_taken_off():
    """Descriptors of three cameras, each with a vector of its own on top, are those without it."""
    random = torch.Generator().manual_seed(0)
    cameras = torch.arange(30) % 3
    plain = torch.randn(30, 5, generator=random)
    for camera in range(3):
        plain[cameras == camera] -= plain[cameras == camera].mean(0)
    shifted = plain + torch.randn(3, 5, generator=random)[cameras]
    found = CameraMeans.of(shifted, cameras).removed_from(shifted, cameras)
    torch.testing.assert_close(found, torch.nn.functional.normalize(plain, dim=1))


def test_a_camera_that_was_not_adapted_to_loses_the_mean_of_all(tmp_path):
    means = CameraMeans(torch.tensor([1, 4]), torch.tensor([[0.0, 2.0], [4.0, 0.0]]))
    means.save(tmp_path / "means.safetensors")
    means = CameraMeans.load(tmp_path / "means.safetensors")
    seen = torch.tensor([[2.0, 2.0], [5.0, 0.0], [2.0, 3.0]])
    expected = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    torch.testing.assert_close(means.removed_from(seen, torch.tensor([1, 4, 2])), expected)
    torch.testing.assert_close(means.removed_from(seen, None)[2], expected[2])


class StopAt(Observer):
    def __init__(self, step):
        self.step = step

    def logged(self, step, values):
        if step >= self.step:
            raise KeyboardInterrupt


CLUSTERED = {
    "algorithm": "dann+cluster-pseudo-labels+camera-centring",
    "algorithm_options": {
        "cluster-pseudo-labels.rounds": 2,  # of 6 steps; checkpoints lie in between, at 4 and 8
        "cluster-pseudo-labels.clusters_by": "mutual",
        "cluster-pseudo-labels.share": 1.0,
    },
    "batch_size": 4,
}


@pytest.mark.parametrize("stopped", [2, 6, 10])
def test_clusters_survive_an_interruption(stopped, settings_of, tensors_of, tmp_path):
    settings = settings_of(**CLUSTERED)
    fit(settings, tmp_path / "whole", baseline=False)
    with pytest.raises(KeyboardInterrupt):
        fit(settings, tmp_path / "parts", baseline=False, observer=StopAt(stopped))
    fit(settings, tmp_path / "parts", baseline=False, resume=True)
    ours, theirs = (tensors_of(tmp_path / n / "model.safetensors") for n in ("whole", "parts"))
    assert ours == theirs
    names = [
        sorted(p.name for p in (tmp_path / n / "clusters").iterdir()) for n in ("whole", "parts")
    ]
    assert names[0] == names[1] == [f"round-{k:03d}.npz" for k in (1, 2)]


def test_within_a_round_clusters_stay_what_they_were(settings_of, monkeypatch, tmp_path):
    """The run is continued at step 8, where another network would form other clusters than at 6."""
    settings = settings_of(**CLUSTERED)
    with pytest.raises(KeyboardInterrupt):
        fit(settings, tmp_path / "run", baseline=False, observer=StopAt(10))

    def formed(*given):
        raise AssertionError("clusters were formed within a round")

    monkeypatch.setattr(ClusterPseudoLabels, "clusters", formed)
    fit(settings, tmp_path / "run", baseline=False, resume=True)


def test_the_first_round_of_a_fresh_network_has_no_clusters(settings_of, tmp_path):
    fit(settings_of(**CLUSTERED), tmp_path / "first", baseline=False)
    begun = settings_of(**CLUSTERED, start_from=str(tmp_path / "first"))
    fit(begun, tmp_path / "second", baseline=False)
    for name, none in (("first", True), ("second", False)):
        with np.load(tmp_path / name / "clusters" / "round-001.npz") as stored:
            assert bool((stored["clusters"] == -1).all()) is none


def test_clusters_come_from_descriptors_and_no_identity(settings_of, places, tmp_path):
    """With other names of the same pictures' people the target's clusters are the same."""
    fit(settings_of(**CLUSTERED), tmp_path / "one", baseline=False)
    plain = settings_of(**CLUSTERED)
    task = open_task(plain)
    assert task.target.adapt.labels is None
    assert task.target.adapt.groups is None
    assert task.target.adapt.cameras is not None


def test_nobody_is_in_two_parts(settings_of):
    task = open_task(settings_of())
    adapted = {name[:4] for name in task.target.adapt.item_names}
    assert adapted
    assert not adapted & {name[:4] for name in task.target.evaluate.item_names}
    trained = {name[:4] for name in task.source.train.item_names}
    assert not trained & {name[:4] for name in task.source.validation.item_names}


def test_a_model_of_classes_is_no_beginning(settings_of, tmp_path):
    fit(settings_of(steps=2), tmp_path / "first", baseline=False)
    other = make_settings(source="digits", target="digits-m", start_from=str(tmp_path / "first"))
    with pytest.raises(ConfigurationError, match="retrieval instead of classification"):
        fit(other.model_copy(update={"steps": 1}), tmp_path / "second", baseline=False)


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"resize": 64}, "--resize"),
        ({"fit": "crop"}, "--fit crop"),
        ({"target_labels": 3}, "--target-labels"),
        ({"joint_losses": False}, "--losses-per-process"),
        ({"classes": "shared"}, "--classes shared"),
        ({"source": ["a", "b"]}, "several --source"),
    ],
)
def test_what_retrieval_does_not_know(chosen, said, settings_of):
    with pytest.raises(ConfigurationError, match=f"retrieval does not know.*{said}"):
        settings_of(**chosen)


def test_a_width_is_for_retrieval():
    with pytest.raises(ConfigurationError, match="--width is for --objective retrieval"):
        make_settings(source="a", target="b", width=48)


def test_what_forms_clusters_is_for_retrieval():
    settings = make_settings(source="a", target="b", algorithm="cluster-pseudo-labels")
    with pytest.raises(ConfigurationError, match="tells identities apart: give --objective ret"):
        make_algorithm(settings)


def test_a_batch_that_is_no_multiple_of_the_pictures(settings_of, tmp_path):
    with pytest.raises((ConfigurationError, DataError), match="batch of 7"):
        fit(settings_of(batch_size=7), tmp_path / "run", baseline=False)
    assert not (tmp_path / "run" / "model.json").exists()


def test_it_learns_who_is_who(settings_of, tmp_path):
    """Far more than chance, which is one in sixteen, after some hundred small steps."""
    settings = settings_of(
        algorithm="source-only", steps=150, batch_size=16, evaluations=1, learning_rate=3e-3
    )
    record = fit(settings, tmp_path / "run", baseline=False)
    assert record.oracle_target_retrieval.mean_average_precision > 0.5
    assert read_record(tmp_path / "run").chosen.validator == "default"
