"""Scores of descriptors against loops, scikit-learn, the metrics of reports, and what must be so."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_mutual_info_score, average_precision_score

from acclimate.core.errors import ConfigurationError
from acclimate.retrieval.clusters import pseudo_identities
from acclimate.retrieval.metrics import cross_camera_metrics
from acclimate.validators.domain_classifier import lowest_error
from acclimate.validators.retrieval import RetrievalEvidence, retrieval_validators

every = pytest.mark.parametrize("name", retrieval_validators.names())
PEOPLE = 12
OF_THE_TARGET_ALONE = {"camera-confusion", "clustering-agreement", "consistency", "reciprocity"}
OF_THE_SOURCE_ALONE = {"source-cmc", "source-map"}


def make_evidence(spread=0.5, offset=0.0, change=0.1, seed=0, people=PEOPLE, pictures=2, width=16):
    """``pictures`` of each person in each of two cameras; the second's carry an offset."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.arange(people).repeat_interleave(2 * pictures)
    cameras = torch.arange(2).repeat(people * pictures)

    def draw(*shape):
        return torch.randn(*shape, generator=random)

    def domain():
        moved = offset * draw(width) * cameras[:, None]
        return draw(people, width)[labels] + spread * draw(len(labels), width) + moved

    source, target = domain(), domain()
    probed = torch.randperm(len(labels), generator=random)[: 3 * people]
    changed = target[probed] + change * draw(len(probed), width)
    source, target, changed = (
        torch.nn.functional.normalize(each, dim=1) for each in (source, target, changed)
    )
    return RetrievalEvidence(source, labels, cameras, target, cameras, probed, changed)


def score(name, evidence):
    value = retrieval_validators.get(name).score(evidence)
    assert isinstance(value, float)
    return value


def without(evidence, *names):
    return dataclasses.replace(evidence, **dict.fromkeys(names))


@every
@pytest.mark.parametrize("spread", [0.0, 0.5, 100.0])
def test_finite_and_the_same_every_time(name, spread):
    value = score(name, make_evidence(spread))
    assert math.isfinite(value)
    torch.manual_seed(5)
    assert score(name, make_evidence(spread)) == value


@every
@pytest.mark.parametrize("part", ["source_descriptors", "target_descriptors"])
def test_a_network_that_diverged_has_no_score(name, part):
    evidence = make_evidence()
    broken = getattr(evidence, part).clone()
    broken[3, 2] = math.nan
    assert math.isnan(score(name, dataclasses.replace(evidence, **{part: broken})))


@every
def test_the_order_of_items_does_not_matter(name):
    evidence = make_evidence()
    random = torch.Generator().manual_seed(3)
    ours, theirs = (torch.randperm(len(evidence.source_labels), generator=random) for _ in range(2))
    mixed = RetrievalEvidence(
        evidence.source_descriptors[ours],
        evidence.source_labels[ours],
        evidence.source_cameras[ours],
        evidence.target_descriptors[theirs],
        evidence.target_cameras[theirs],
        theirs.argsort()[evidence.probed],
        evidence.changed_descriptors,
    )
    assert score(name, mixed) == pytest.approx(score(name, evidence), abs=1e-9)


@every
def test_nothing_it_looks_at_is_changed(name):
    evidence, kept = make_evidence(), make_evidence()
    score(name, evidence)
    for ours, theirs in zip(vars(evidence).values(), vars(kept).values(), strict=True):
        assert torch.equal(ours, theirs)


@every
def test_which_domain_it_looks_at(name):
    evidence, other = make_evidence(), make_evidence(spread=2.0, seed=1)
    source = dataclasses.replace(evidence, source_descriptors=other.source_descriptors)
    target = dataclasses.replace(
        evidence,
        target_descriptors=other.target_descriptors,
        changed_descriptors=make_evidence(spread=2.0, seed=1, change=2.0).changed_descriptors,
        probed=other.probed,
    )
    value = score(name, evidence)
    assert (score(name, source) == value) == (name in OF_THE_TARGET_ALONE)
    assert (score(name, target) == value) == (name in OF_THE_SOURCE_ALONE)


@every
def test_what_was_not_stored_is_said(name):
    bare = without(make_evidence(), "target_cameras", "probed", "changed_descriptors")
    if not retrieval_validators.get(name).needs:
        assert math.isfinite(score(name, bare))
        return
    with pytest.raises(ConfigurationError, match=f"validator {name} needs") as caught:
        score(name, bare)
    assert "\n" not in str(caught.value)


@every
def test_cameras_may_be_unknown(name):
    bare = without(make_evidence(), "source_cameras", "target_cameras")
    if name != "camera-confusion":
        assert math.isfinite(score(name, bare))


@every
def test_it_is_described(name):
    assert len(retrieval_validators.get(name).description) > 20


def test_no_place_for_target_labels():
    named = [each.name for each in dataclasses.fields(RetrievalEvidence) if "label" in each.name]
    assert named == ["source_labels"]


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_the_source_is_ranked_as_reports_rank_it(known, seed):
    evidence = make_evidence(1.5, seed=seed)
    evidence = evidence if known else without(evidence, "source_cameras")
    found = cross_camera_metrics(
        evidence.source_descriptors, evidence.source_labels, evidence.source_cameras
    )
    assert 0.1 < found.rank1 < 0.9
    assert score("source-cmc", evidence) == pytest.approx(found.rank1)
    assert score("source-map", evidence) == pytest.approx(found.mean_average_precision)


def test_average_precision_is_scikit_learns():
    evidence = make_evidence(1.5)
    near = (evidence.source_descriptors @ evidence.source_descriptors.T).double().numpy()
    labels, cameras = evidence.source_labels.numpy(), evidence.source_cameras.numpy()
    precisions = []
    for probe in range(len(labels)):
        counted = (labels != labels[probe]) | (cameras != cameras[probe])
        right = labels[counted] == labels[probe]
        precisions.append(average_precision_score(right, near[probe][counted]))
    assert score("source-map", evidence) == pytest.approx(np.mean(precisions), abs=1e-6)


def test_a_source_with_nothing_to_find():
    evidence = dataclasses.replace(
        make_evidence(), source_labels=torch.arange(4 * PEOPLE), source_cameras=None
    )
    assert math.isnan(score("source-cmc", evidence))
    assert math.isnan(score("source-map", evidence))
    target = score("consistency", evidence) + score("reciprocity", evidence)
    assert score("default", evidence) == target


def nearest_loop(unit, item, others):
    return max(others, key=lambda other: float(unit[item] @ unit[other]))


@pytest.mark.parametrize("offset", [0.0, 1.0, 3.0])
def test_camera_confusion(offset):
    evidence = make_evidence(offset=offset, spread=1.0)
    # a third of the pictures of the second camera, so that chance differs
    kept = ((evidence.target_cameras == 0) | (torch.arange(4 * PEOPLE) % 3 == 0)).nonzero()[:, 0]
    unit, cameras = evidence.target_descriptors.double()[kept], evidence.target_cameras[kept]
    evidence = dataclasses.replace(evidence, target_descriptors=unit, target_cameras=cameras)
    evidence = without(evidence, "probed", "changed_descriptors")
    items = range(len(cameras))
    parts = []
    for camera in (0, 1):
        own = [i for i in items if cameras[i] == camera]
        crossed = [
            cameras[nearest_loop(unit, i, [j for j in items if j != i])] != camera for i in own
        ]
        chance = (len(cameras) - len(own)) / (len(cameras) - 1)
        parts.append(min(1.0, np.mean(crossed) / chance))
    assert score("camera-confusion", evidence) == pytest.approx(np.mean(parts))


def test_cameras_that_cannot_be_read_and_that_can():
    hidden, shown = make_evidence(people=80, spread=5.0), make_evidence(people=80, offset=9.0)
    assert score("camera-confusion", hidden) > 0.85
    assert score("camera-confusion", shown) == 0.0


def test_camera_confusion_of_one_camera():
    evidence = make_evidence()
    one = dataclasses.replace(evidence, target_cameras=torch.zeros_like(evidence.target_cameras))
    assert math.isnan(score("camera-confusion", one))


@pytest.mark.parametrize("cameras", ["two", "three", "one", None])
def test_reciprocity(cameras):
    evidence = make_evidence(spread=1.0)
    count = len(evidence.target_descriptors)
    given = {"two": evidence.target_cameras, "three": torch.arange(count) % 3}
    given |= {"one": torch.zeros(count, dtype=torch.int64), None: None}
    evidence = dataclasses.replace(evidence, target_cameras=given[cameras])
    unit = evidence.target_descriptors.double()
    kinds = given[cameras] if cameras in ("two", "three") else torch.arange(count)

    def nearest(item):
        return nearest_loop(unit, item, [o for o in range(count) if kinds[o] != kinds[item]])

    expected = np.mean([nearest(nearest(item)) == item for item in range(count)])
    assert 0.1 < expected < 0.95
    assert score("reciprocity", evidence) == pytest.approx(expected)


@pytest.mark.parametrize("change", [0.0, 0.8, 3.0])
def test_consistency(change):
    evidence = make_evidence(change=change)
    unit, changed = evidence.target_descriptors.double(), evidence.changed_descriptors.double()
    right = [
        max(range(len(unit)), key=lambda o: float(picture @ unit[o])) == own
        for picture, own in zip(changed, evidence.probed.tolist(), strict=True)
    ]
    assert score("consistency", evidence) == pytest.approx(np.mean(right))
    assert (np.mean(right) == 1) == (change == 0)


def test_clustering_agreement():
    evidence = make_evidence(spread=0.3, change=0.5)
    cameras = evidence.target_cameras[evidence.probed]
    parts = [
        pseudo_identities(each, cameras, neighbours=2).tolist()
        for each in (evidence.target_descriptors[evidence.probed], evidence.changed_descriptors)
    ]
    alone = [[f"alone {i}" if c < 0 else str(c) for i, c in enumerate(part)] for part in parts]
    expected = adjusted_mutual_info_score(*alone)
    assert expected < 0.99
    assert score("clustering-agreement", evidence) == pytest.approx(expected)


def test_clusters_that_stay_and_clusters_that_do_not():
    stays, random = make_evidence(0.2, change=0.0), make_evidence(0.2, change=100.0)
    assert score("clustering-agreement", stays) == pytest.approx(1)
    assert abs(score("clustering-agreement", random)) < 0.3


def test_domain_confusion_is_classifications_of_unit_vectors():
    evidence = make_evidence(people=30)
    assert score("domain-confusion", evidence) >= -2
    apart = dataclasses.replace(
        evidence, target_descriptors=evidence.target_descriptors + 10 * torch.eye(16)[0]
    )
    assert score("domain-confusion", apart) < -1.9
    both = torch.cat([evidence.source_descriptors, evidence.target_descriptors])
    halves = dataclasses.replace(
        evidence, source_descriptors=both[::2], target_descriptors=both[1::2]
    )
    assert score("domain-confusion", halves) > -0.6
    longer = dataclasses.replace(evidence, source_descriptors=7 * evidence.source_descriptors)
    found = score("domain-confusion", longer)
    assert found == pytest.approx(score("domain-confusion", evidence), abs=0.05)
    rows = [each.double().numpy() for each in (both[::2], both[1::2])]
    rows = [each / np.linalg.norm(each, axis=1, keepdims=True) for each in rows]
    rows = [np.array(sorted(each.tolist())) for each in rows]
    assert score("domain-confusion", halves) == 2 * (2 * min(0.5, lowest_error(*rows)) - 1)


@pytest.mark.parametrize("name", ["source-cmc", "reciprocity", "consistency"])
def test_one_descriptor_for_all_is_worth_nothing(name):
    assert score(name, collapsed()) == 0.0


def test_one_descriptor_for_all_hides_cameras():
    assert score("camera-confusion", collapsed()) == pytest.approx(1)


def collapsed():
    evidence = make_evidence()
    one = torch.nn.functional.normalize(torch.arange(1.0, 17)[None], dim=1)
    parts = {name: each for name, each in vars(evidence).items() if "descriptors" in name}
    return dataclasses.replace(evidence, **{n: one.expand(len(p), -1) for n, p in parts.items()})


def test_the_default_is_a_sum():
    evidence = make_evidence(1.0)
    parts = [score(name, evidence) for name in ("source-map", "consistency", "reciprocity")]
    assert score("default", evidence) == pytest.approx(sum(parts))


def test_a_better_checkpoint_scores_higher():
    assert score("default", make_evidence(0.3)) > score("default", make_evidence(2.0))


def test_the_quick_ones():
    quick = {name for name, each in retrieval_validators.items() if each.at_every_checkpoint}
    assert quick == {
        *("camera-confusion", "consistency", "default", "reciprocity", "source-cmc", "source-map")
    }


@every
def test_half_precision_is_enough_to_replay_it(name):
    """What is kept of every checkpoint is fp16."""
    evidence = make_evidence(0.6, change=0.3)
    stored = RetrievalEvidence(
        *(v.half().float() if v.is_floating_point() else v for v in vars(evidence).values())
    )
    assert score(name, stored) == pytest.approx(score(name, evidence), abs=0.05)
