"""Whom a model is measured on, and that the numbers are those of a plain loop."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from people_models import draw_people, people_model
from people_trees import write_market, write_prid

from acclimate.core.errors import AcclimateError, ConfigurationError, UnknownNameError
from acclimate.core.records import read_record
from acclimate.data.domain import Domain, ResidentStore
from acclimate.serve.evaluate import evaluate_model, open_for
from acclimate.serve.evaluate_people import evaluate_people, open_people_for
from acclimate.serve.predict import predict
from acclimate.training.fit import fit
from acclimate.training.inference import load_model
from acclimate.training.settings import make_settings


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Short runs between two drawn places; one knows nobody of its target, one centres cameras."""
    root = tmp_path_factory.mktemp("people")
    source = draw_people(root / "source", range(100, 115))
    target = draw_people(root / "target", range(12), (1, 2, 5))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ACCLIMATE_CACHE", str(root / "cache"))
        patch.delenv("ACCLIMATE_DATA", raising=False)
        kinds = {
            "run": {},
            "bare": {"unlabelled_target": True},
            "centred": {"algorithm": "dann+camera-centring"},
        }
        for name, changes in kinds.items():
            settings = make_settings(
                objective="retrieval",
                source=str(source),
                target=str(target),
                size=32,
                width=16,
                network_options={"maps": 4, "descriptor": 8},
                batch_size=8,
                steps=2,
                evaluations=1,
                loggers=(),
                split_seed=3,
                **{"algorithm": "dann", **changes},
            )
            fit(settings, root / name, baseline=False)
    return root


@pytest.fixture(autouse=True)
def _own_places(tmp_path, monkeypatch):
    monkeypatch.setenv("ACCLIMATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ACCLIMATE_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()


def people_of(domain):
    return {domain.class_names[label] for label in domain.labels.tolist()}


def plain_metrics(descriptors, labels, cameras):
    """Rank 1 and mean average precision, item by item, by Market-1501's rule."""
    firsts, precisions = [], []
    for probe in range(len(labels)):
        ignored = (labels == labels[probe]) & (cameras == cameras[probe])
        others = [index for index in range(len(labels)) if not ignored[index]]
        order = sorted(others, key=lambda index: -float(descriptors[index] @ descriptors[probe]))
        found = [place for place, index in enumerate(order, 1) if labels[index] == labels[probe]]
        if found:
            firsts.append(found[0])
            precisions.append(np.mean([k / place for k, place in enumerate(found, 1)]))
    return np.mean(np.array(firsts) == 1), np.mean(precisions)


def test_the_numbers_are_a_plain_loops(tmp_path):
    folder = draw_people(tmp_path / "people", range(9), (1, 2, 3))
    model = people_model()
    domain = open_people_for(model, None, str(folder), "all")
    found = evaluate_people(model, domain)
    rows = model.descriptors(domain).double().numpy()
    rank1, precision = plain_metrics(rows, domain.labels.numpy(), domain.cameras.numpy())
    assert (found.probes, found.gallery, found.identities) == (27, 27, 9)
    assert found.rank1 == pytest.approx(rank1)
    assert found.mean_average_precision == pytest.approx(precision)


def test_the_runs_own_parts(trained):
    """The same people as in training, so the same numbers; nobody is in two parts."""
    run = trained / "run"
    model, record = load_model(run), read_record(run)
    target, source = str(trained / "target"), str(trained / "source")
    parts = {
        split: open_people_for(model, run, target, split) for split in ("test", "train", "all")
    }
    assert evaluate_people(model, parts["test"]) == record.oracle_target_retrieval
    assert not people_of(parts["test"]) & people_of(parts["train"])
    assert people_of(parts["test"]) | people_of(parts["train"]) == people_of(parts["all"])
    assert len(people_of(parts["all"])) == 12
    assert parts["test"].notes == ()
    assert "adapted to" in parts["train"].notes[-1]
    assert "adapted to" in parts["all"].notes[-1]
    held_out = open_people_for(model, run, source)
    assert evaluate_people(model, held_out) == record.source_retrieval
    assert "held out" in held_out.notes[-1]
    learnt = open_people_for(model, run, source, "train")
    assert not people_of(learnt) & people_of(held_out)
    everybody = open_people_for(model, run, source, "all")
    assert "learnt from" in everybody.notes[-1]
    assert len(everybody) == len(learnt) + len(held_out)


def test_means_of_cameras_are_taken_off_as_in_training(trained):
    run = trained / "centred"
    model = load_model(run)
    domain = open_people_for(model, run, str(trained / "target"))
    assert evaluate_people(model, domain) == read_record(run).oracle_target_retrieval
    bare = replace(model, camera_means=None)
    assert not torch.allclose(model.descriptors(domain), bare.descriptors(domain), atol=0.1)


def test_the_target_is_known_however_it_is_written(trained):
    run = trained / "run"
    model = load_model(run)
    twisted = f"{trained}/source/../target"
    expected = open_people_for(model, run, str(trained / "target"))
    assert open_people_for(model, run, twisted).item_names == expected.item_names


def test_a_target_without_identities_was_not_cut_by_people(trained):
    run = trained / "bare"
    domain = open_people_for(load_model(run), run, str(trained / "target"))
    assert len(domain) == 36
    assert "without identities" in domain.notes[-1]


def test_other_people(trained, tmp_path):
    run, other = trained / "run", str(draw_people(tmp_path / "others", range(5)))
    model = load_model(run)
    assert len(open_people_for(model, run, other)) == 10
    assert open_people_for(model, run, other).notes == ()
    with pytest.raises(UnknownNameError, match="no split 'train'"):
        open_people_for(model, run, other, "train")
    with pytest.raises(UnknownNameError, match="'test'"):
        open_people_for(model, run, other, "tset")


def test_without_a_record_nobody_knows(trained, tmp_path):
    bare = tmp_path / "model"
    bare.mkdir()
    for name in ("model.json", "model.safetensors"):
        shutil.copy(trained / "run" / name, bare)
    model = load_model(bare)
    for split in ("test", "all"):
        domain = open_people_for(model, bare, str(trained / "target"), split)
        assert len(domain) == 36
        assert "not known" in domain.notes[-1]
        assert "record.json" in domain.notes[-1]


def test_published_protocols(trained, tmp_path):
    write_prid(tmp_path / "data", 115, 130)
    model = load_model(trained / "run")
    test = open_people_for(model, trained / "run", "prid2011")
    # 100 of the 115 shared people are for training; the other 15 are looked for, among 30
    roles = test.roles.tolist()
    assert (roles.count(1), roles.count(2)) == (15, 30)
    assert evaluate_people(model, test).gallery == 30
    train = open_people_for(model, trained / "run", "prid2011", "train")
    assert len(people_of(train)) == 100
    assert not people_of(train) & people_of(test)
    market = write_market(tmp_path / "market")
    test = open_people_for(model, trained / "run", str(market))
    assert set(test.roles.tolist()) == {1, 2}
    with pytest.raises(AcclimateError, match="no split 'all'"):
        open_people_for(model, trained / "run", str(market), "all")


def test_the_other_objective_is_refused(model, tmp_path):
    """In one line that says what to use."""
    folder = draw_people(tmp_path / "people", range(3))
    people = people_model()
    shown = Domain("x", ResidentStore(torch.zeros(2, 32, 16, 3, dtype=torch.uint8)), None, ())
    for call, said in [
        (lambda: open_people_for(model, None, str(folder)), "open_for"),
        (lambda: evaluate_people(model, shown), "evaluate_model"),
        (lambda: open_for(people, str(folder)), "acclimate match"),
        (lambda: evaluate_model(people, shown), "evaluate_people"),
        (lambda: predict(people, [folder], tmp_path / "p.csv"), "acclimate match"),
        (
            lambda: predict(people, [folder], tmp_path / "p.csv", annotate=tmp_path / "drawn"),
            "acclimate match",
        ),
    ]:
        with pytest.raises(ConfigurationError, match=said) as caught:
            call()
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "drawn").exists()
