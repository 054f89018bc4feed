"""What pictures are compared by, and what a run keeps of it."""

import numpy as np
import pytest
import torch
from people_models import descriptor_of, draw_people, people_model, save_people_model

from acclimate.core.errors import ConfigurationError, ModelFileError, RecordError
from acclimate.data.domain import Domain, ResidentStore
from acclimate.data.images import decode
from acclimate.training.inference import descriptors, load_model
from acclimate.training.retrieval_evaluator import RetrievalEvaluator, read_retrieval_evidence
from acclimate.validators.retrieval import RetrievalEvidence


@pytest.mark.parametrize("mirrored", [True, False])
@pytest.mark.parametrize("batch_size", [2, 512])
def test_as_each_picture_by_itself(tmp_path, mirrored, batch_size):
    """Whether the network was just trained or not, which it is again afterwards."""
    paths = sorted(draw_people(tmp_path, range(3)).iterdir())
    model = people_model(mirrored=mirrored)
    shown = torch.from_numpy(np.stack([decode(path, 32, 3, width=16) for path in paths]))
    domain = Domain("people", ResidentStore(shown), None, ())
    expected = np.stack([descriptor_of(model, path, mirrored) for path in paths])
    for training in (False, True):
        model.network.train(training)
        found = descriptors(
            model.network, model.preprocessing, domain, mirrored=mirrored, batch_size=batch_size
        )
        assert found.dtype == torch.float32
        np.testing.assert_allclose(found.numpy(), expected, atol=2e-6)
        assert model.network.training == training
        model.network.eval()


def test_the_objectives_options_are_the_models(tmp_path):
    run = save_people_model(tmp_path / "run")
    assert load_model(run).mirrored
    description = run / "model.json"
    text = description.read_text(encoding="utf-8")

    def described(options):
        description.write_text(
            text.replace('"objective_options": {}', f'"objective_options": {options}'),
            encoding="utf-8",
        )
        return load_model(run)

    assert not described('{"mirrored": false}').mirrored
    with pytest.raises(ModelFileError, match="miror") as caught:
        described('{"miror": false}')
    assert "\n" not in str(caught.value)


def test_a_model_says_what_it_is_for():
    model = people_model()
    assert model.tells_identities
    model.check_has_descriptors("nothing")
    with pytest.raises(ConfigurationError, match=r"no classes: use a spoon$"):
        model.check_has_classes("use a spoon")


def evidence(cameras=True, probed=True, dimension=4):
    random = torch.Generator().manual_seed(0)
    rows = [torch.randn(count, dimension, generator=random) for count in (6, 9, 5)]
    return RetrievalEvidence(
        rows[0],
        torch.arange(6) // 2,
        torch.arange(6) % 2 if cameras else None,
        rows[1],
        torch.arange(9) % 3 if cameras else None,
        torch.tensor([8, 0, 3, 4, 2]) if probed else None,
        rows[2] if probed else None,
    )


@pytest.mark.parametrize("cameras", [True, False])
@pytest.mark.parametrize("probed", [True, False])
def test_evidence_is_found_again(tmp_path, cameras, probed):
    given, path = evidence(cameras, probed), tmp_path / "step-1.npz"
    RetrievalEvaluator(None, torch.device("cpu")).store(path, given)
    found = read_retrieval_evidence(path)
    for name, value in vars(given).items():
        other = getattr(found, name)
        if value is None:
            assert other is None
        elif value.is_floating_point():
            assert other.dtype == torch.float32
            torch.testing.assert_close(other, value, rtol=1e-3, atol=1e-3)
        else:
            assert torch.equal(other, value)


@pytest.mark.parametrize(
    "change",
    [
        {"source_labels": np.zeros(5, np.int64)},
        {"source_cameras": np.zeros(7, np.int64)},
        {"target_cameras": np.zeros((9, 1), np.int64)},
        {"probed": np.array([8, 0, 3, 4, 9])},
        {"probed": np.array([8, 0, 3, 4])},
        {"probed": np.array([-1, 0, 3, 4, 2])},
        {"changed_descriptors": np.zeros((5, 3), np.float16)},
        {"changed_descriptors": None},
        {"source_descriptors": np.zeros(6, np.float16)},
        {"source_descriptors": None},
        {"target_logits": np.zeros(3)},
        {"source_labels": np.array([None] * 6)},
    ],
    ids=lambda change: "-".join(change),
)
def test_what_does_not_fit_together_is_refused(tmp_path, change):
    path = tmp_path / "step-1.npz"
    RetrievalEvaluator(None, torch.device("cpu")).store(path, evidence())
    with np.load(path) as arrays:
        whole = {**arrays, **change}
    np.savez(path, **{name: value for name, value in whole.items() if value is not None})
    with pytest.raises(RecordError, match=r"step-1\.npz cannot be read: it is damaged") as caught:
        read_retrieval_evidence(path)
    assert "\n" not in str(caught.value)


def test_a_file_that_was_cut_is_refused(tmp_path):
    path = tmp_path / "step-1.npz"
    RetrievalEvaluator(None, torch.device("cpu")).store(path, evidence())
    content = path.read_bytes()
    for kept in (0, 3, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:kept])
        with pytest.raises(RecordError, match="damaged"):
            read_retrieval_evidence(path)
    with pytest.raises(RecordError, match="nothing here"):
        read_retrieval_evidence(tmp_path / "nothing here.npz")
