"""Clusters learnt as identities: which are formed, and what the loss of target pairs is."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from acclimate.algorithms.cluster_pseudo_labels import ClusterPseudoLabels
from acclimate.algorithms.source_only import SourceOnly
from acclimate.core.errors import ConfigurationError
from acclimate.core.types import Batch, NetworkOutput, Views
from acclimate.objectives import Retrieval
from acclimate.retrieval.clusters import pseudo_identities

CLUSTERS = torch.tensor([0, 1, -1, 0, 1, -1, 0, 2])


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def make_views(target, clusters, objective=None):
    """Hand-made: descriptors behind another layer, no logits."""
    source, labels = draw(6, 5, seed=1), torch.tensor([0, 1, 2, 0, 1, 2])
    said = [
        NetworkOutput({"hidden": draw(len(each), 9, seed=2), "descriptor": each}, each[:, :0])
        for each in (source, target)
    ]
    batch = Batch(source, labels, target, None, target_clusters=clusters)
    return Views(
        said[0], labels, said[1], None, batch, 0.5, None, objective=objective or Retrieval()
    )


def losses(algorithm, target, clusters, objective=None):
    views = make_views(target, clusters, objective)
    return algorithm.losses(views, nn.ModuleDict(), "all")


def binomial_deviance(descriptors, labels):
    """Yi et al. in loops, α = 2, β = ½, c = 2."""
    unit = F.normalize(descriptors, dim=1)
    alike, unlike = [], []
    for i in range(len(unit)):
        for j in range(len(unit)):
            if i == j or min(labels[i], labels[j]) < 0:
                continue
            similarity = float(unit[i] @ unit[j])
            if labels[i] == labels[j]:
                alike.append(math.log1p(math.exp(-2 * (similarity - 0.5))))
            else:
                unlike.append(math.log1p(math.exp(4 * (similarity - 0.5))))
    return sum(alike) / len(alike) + sum(unlike) / len(unlike)


@pytest.mark.parametrize("weight", [0.0, 0.4, 1.0])
def test_target_pairs_are_weighed_and_added(weight):
    target = draw(8, 5)
    terms = losses(ClusterPseudoLabels(weight=weight), target, CLUSTERS)
    alone = losses(SourceOnly(), target, None)
    assert terms.losses.keys() == {*alone.losses, "target_pairs"}
    for name, value in alone.losses.items():
        assert torch.equal(terms.losses[name], value)
    expected = weight * binomial_deviance(target, CLUSTERS.tolist())
    assert terms.losses["target_pairs"].item() == pytest.approx(expected, rel=1e-5)
    assert float(terms.monitors["clustered_share"]) == 6 / 8


def test_the_pair_loss_is_the_objectives():
    target, objective = draw(8, 5), Retrieval(loss="triplet", triplet_margin=0.7)
    found = losses(ClusterPseudoLabels(), target, CLUSTERS, objective).losses["target_pairs"]
    assert torch.equal(found, objective.pair_loss(target, CLUSTERS))
    assert found != losses(ClusterPseudoLabels(), target, CLUSTERS).losses["target_pairs"]


def test_what_is_left_out_gets_no_gradient():
    target = draw(8, 5).requires_grad_()
    losses(ClusterPseudoLabels(), target, CLUSTERS).losses["target_pairs"].backward()
    moved = (target.grad != 0).any(1)
    assert torch.equal(moved, CLUSTERS >= 0)


@pytest.mark.parametrize("clusters", [None, torch.full((8,), -1)])
@pytest.mark.parametrize("loss", ["binomial-deviance", "triplet", "circle"])
def test_without_clusters_the_term_is_an_exact_0_with_a_graph(clusters, loss):
    target = draw(8, 5).requires_grad_()
    terms = losses(ClusterPseudoLabels(), target, clusters, Retrieval(loss=loss))
    found = terms.losses["target_pairs"]
    assert found.item() == 0
    assert found.shape == ()
    found.backward()
    assert torch.equal(target.grad, torch.zeros(8, 5))
    assert float(terms.monitors["clustered_share"]) == 0
    for name, value in losses(SourceOnly(), target, None).losses.items():
        assert torch.isfinite(value), name


@pytest.mark.parametrize(
    ("options", "same"),
    [
        ({}, {}),
        ({"distance": "cosine", "neighbours": 2, "radius": 0.2, "centred": False},) * 2,
        ({"reciprocal": 6, "expansion": 2},) * 2,
        ({"clusters_by": "mutual", "share": 0.3}, {"one_per_camera": True, "share": 0.3}),
    ],
)
def test_clusters_are_those_of_its_options(options, same):
    descriptors, cameras = draw(60, 6), torch.arange(60) % 2
    descriptors[30:] = descriptors[:30].roll(1, 0) + 0.1 * draw(30, 6, seed=3)
    found = ClusterPseudoLabels(**options).clusters(descriptors, cameras)
    assert torch.equal(found, pseudo_identities(descriptors, cameras, **same))
    assert int(found.max()) >= 0
    if options:
        assert not torch.equal(found, ClusterPseudoLabels().clusters(descriptors, cameras))


def test_unknown_cameras():
    descriptors = draw(12, 4)
    assert ClusterPseudoLabels().clusters(descriptors, None).shape == (12,)
    with pytest.raises(ConfigurationError, match="cameras"):
        ClusterPseudoLabels(clusters_by="mutual").clusters(descriptors, None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"clusters_by": "k-means"}, {"distance": "euclidean"}, {"neighbours": 0}, {"radius": 0.0},
        {"rounds": 0}, {"share": 0.0}, {"share": 1.1}, {"reciprocal": 0}, {"weight": -1.0},
    ],
)  # fmt: skip
def test_wrong_options_are_named(wrong):
    (name,) = wrong
    with pytest.raises(ConfigurationError, match=f"algorithm cluster-pseudo-labels: {name}"):
        ClusterPseudoLabels.build("algorithm cluster-pseudo-labels", wrong)


def test_what_it_says_of_itself():
    kind = ClusterPseudoLabels
    assert kind.uses_target
    assert kind.compares_items
    assert kind.forms_clusters
    assert kind.objectives == ("retrieval",)
