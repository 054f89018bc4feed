"""Subspace alignment against its equations, scikit-learn's PCA and its degenerate cases."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA
from sklearn.svm import LinearSVC

from acclimate.algorithms.base import LastLayerMaterial
from acclimate.algorithms.linear_svm import LinearSvm
from acclimate.algorithms.subspace_alignment import SubspaceAlignment, component_counts
from acclimate.core.errors import ConfigurationError
from acclimate.core.types import Spec
from acclimate.models.network import build_network

WIDTH, CLASSES = 8, 3


def domain(items, seed=0, turn=None, shift=0.0):
    """Three classes in features of falling variance; ``turn`` (D, D) rotates all of it."""
    random = np.random.default_rng(seed)
    labels = np.arange(items) % CLASSES
    features = 4 * np.eye(CLASSES, WIDTH)[labels] + random.normal(size=(items, WIDTH))
    features *= np.geomspace(2, 0.2, WIDTH)
    return features @ (np.eye(WIDTH) if turn is None else turn) + shift, labels


def rotation(seed):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(WIDTH, WIDTH)))[0]


def material(source, labels, target, score=None, class_count=CLASSES):
    return LastLayerMaterial(
        torch.from_numpy(source).float(),
        torch.from_numpy(labels),
        torch.from_numpy(target).float(),
        class_count,
        score or (lambda layer: pytest.fail("nothing is to be chosen")),
        0,
    )


def scores(layer, features):
    return features @ layer.weight.double().numpy().T + layer.bias.double().numpy()


def machine(coordinates, labels, c):
    """An SVM on coordinates that share one scale."""
    scale = np.sqrt(coordinates.var(0).mean())
    svc = LinearSVC(C=c, dual=False, tol=1e-8).fit(coordinates / scale, labels)
    return lambda other: svc.decision_function(other / scale)


@pytest.mark.parametrize("count", [2, 5, WIDTH])
def test_the_paper_s_equations(count):
    """X_a = X_S P_S (P_Sᵀ P_T) for the machine, X_T P_T for what it then looks at."""
    source, labels = domain(150)
    target, _ = domain(120, seed=1, turn=rotation(0), shift=3.0)
    layer = SubspaceAlignment(components=count, c=0.1).last_layer(material(source, labels, target))
    ours, theirs = (PCA(count, svd_solver="full").fit(x) for x in (source, target))
    alignment = ours.components_ @ theirs.components_.T
    decide = machine(ours.transform(source) @ alignment, labels, 0.1)
    np.testing.assert_allclose(
        scores(layer, target), decide(theirs.transform(target)), atol=2e-3, rtol=1e-3
    )
    assert f"{count} components" in layer.note


@pytest.mark.parametrize("count", [3, 6])
def test_alike_domains_leave_a_machine_on_principal_components(count):
    source, labels = domain(150)
    layer = SubspaceAlignment(components=count, c=0.1).last_layer(material(source, labels, source))
    coordinates = PCA(count, svd_solver="full").fit_transform(source)
    expected = machine(coordinates, labels, 0.1)(coordinates)
    np.testing.assert_allclose(scores(layer, source), expected, atol=2e-3, rtol=1e-3)


def test_all_components_move_the_mean_and_no_more():
    """P_S P_Sᵀ is then the identity: both domains are centred and seen in one basis."""
    source, labels = domain(150)
    target = source + np.arange(WIDTH)
    layer = SubspaceAlignment(components=WIDTH, c=0.1).last_layer(material(source, labels, target))
    expected = machine(source - source.mean(0), labels, 0.1)(source - source.mean(0))
    np.testing.assert_allclose(scores(layer, target), expected, atol=2e-3, rtol=1e-3)


def test_it_mends_what_turns_and_moves_the_target():
    random = np.random.default_rng(0)
    labels = np.arange(300) % 2
    source = np.where(labels, 3.0, -3.0)[:, None] * np.eye(4)[0]
    source = source + 0.3 * random.normal(size=(300, 4))
    cosine, sine = 0.5, 0.75**0.5
    turn = np.eye(4)
    turn[:2, :2] = [[cosine, sine], [-sine, cosine]]
    target = source @ turn + [4.0, 0, 0, 0]
    given_ = material(source, labels, target, class_count=2)
    plain = LinearSvm(c=0.1).last_layer(given_)
    aligned = SubspaceAlignment(components=1, c=0.1).last_layer(given_)
    assert (scores(plain, target).argmax(1) == labels).mean() < 0.6
    assert (scores(aligned, target).argmax(1) == labels).mean() == 1


def test_of_the_candidates_the_best_score_wins_and_of_equal_ones_the_smallest():
    source, labels = domain(150)
    target, _ = domain(120, seed=1)
    seen = []

    def score(layer):
        seen.append(layer.note)
        return float(3 <= len(seen) <= 4)

    layer = SubspaceAlignment(c=0.1).last_layer(material(source, labels, target, score))
    counts = [int(note.split(",")[1].split()[0]) for note in seen]
    assert counts == [2, 3, 4, 6, 8]
    assert layer.note == seen[2]


@pytest.mark.parametrize(
    ("source", "target", "width", "counts"),
    [
        (100, 100, 70, [2, 3, 4, 6, 8, 11, 16, 23, 32, 44, 60]),
        (100, 100, 5, [2, 3, 4]),
        (9, 100, 70, [2, 3, 4, 6, 8]),
        (100, 4, 70, [2, 3]),
        (100, 100, 1, [1]),
        (1, 1, 70, [1]),
    ],
)
def test_candidates_fit_the_data(source, target, width, counts):
    given_ = material(np.zeros((source, width)), np.zeros(source, int), np.zeros((target, width)))
    assert component_counts(given_) == counts


@settings(max_examples=20, deadline=None)
@given(
    items=st.integers(1, 10),
    others=st.integers(1, 10),
    width=st.integers(1, 5),
    seed=st.integers(0, 2**32),
)
def test_any_small_material_gives_finite_numbers(items, others, width, seed):
    random = np.random.default_rng(seed)
    source, target = (np.maximum(random.normal(size=(n, width)), 0) for n in (items, others))
    labels = random.integers(0, CLASSES, items)
    layer = SubspaceAlignment().last_layer(material(source, labels, target, lambda layer: 0.0))
    assert layer.weight.shape == (CLASSES, width)
    assert torch.isfinite(layer.weight).all()
    assert torch.isfinite(layer.bias).all()


def test_more_components_than_features_are_refused_before_training():
    network = build_network("mlp", {"widths": [12, 10]}, Spec((6,), ("a", "b", "c")))
    assert SubspaceAlignment(components=10).modules(network) == {}
    with pytest.raises(ConfigurationError, match="components 11 are more than the 10 features"):
        SubspaceAlignment(components=11).modules(network)
