"""Metrics against independent references: torchmetrics, and counting by hand."""

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from sklearn.metrics import roc_auc_score

from acclimate.core.errors import DataError
from acclimate.validators.metrics import (
    CALIBRATION_BINS,
    agreement_beyond_chance,
    labelled_metrics,
    macro_auroc,
    place_metrics,
)

NAMES = ("ant", "bee", "cow", "doe")


def random_case(items, classes, seed, rounding=None):
    generator = torch.Generator().manual_seed(seed)
    logits = 2.0 * torch.randn(items, classes, generator=generator)
    if rounding is not None:  # many ties
        logits = torch.round(logits * rounding) / rounding
    labels = torch.randint(classes, (items,), generator=generator)
    return logits, labels


def area_by_counting(positive, score):
    """Share of (positive, negative) pairs that are ranked correctly; a tie counts half."""
    wins = [(p > n) + 0.5 * (p == n) for p in score[positive] for n in score[~positive]]
    return float(np.mean(wins)) if wins else None


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_torchmetrics(seed):
    # not a dependency: where it is installed, every command waits seconds for it
    peer = pytest.importorskip("torchmetrics.functional.classification")
    logits, labels = random_case(300, 4, seed)
    metrics = labelled_metrics(logits, labels, NAMES)
    confusion = peer.multiclass_confusion_matrix(logits, labels, num_classes=4)
    assert metrics.confusion == confusion.tolist()
    probabilities = torch.softmax(logits.double(), dim=1)
    areas = [float(peer.binary_auroc(probabilities[:, k], (labels == k).long())) for k in range(4)]
    # torchmetrics accumulates in single precision
    assert metrics.class_auroc == pytest.approx(areas, abs=1e-5)
    assert metrics.auroc == pytest.approx(np.mean(areas), abs=1e-5)
    error = peer.multiclass_calibration_error(
        probabilities, labels, num_classes=4, n_bins=CALIBRATION_BINS, norm="l1"
    )
    assert metrics.calibration.expected_calibration_error == pytest.approx(float(error), abs=1e-5)


@settings(deadline=None, max_examples=60)
@given(
    items=st.integers(1, 25),
    classes=st.integers(2, 5),
    seed=st.integers(0, 10_000),
    rounding=st.sampled_from([None, 1.0, 0.25]),
    one_class=st.booleans(),
)
def test_edges_against_counting(items, classes, seed, rounding, one_class):
    logits, labels = random_case(items, classes, seed, rounding)
    labels = torch.full_like(labels, classes - 1) if one_class else labels
    metrics = labelled_metrics(logits, labels, [str(k) for k in range(classes)])
    scores = torch.softmax(logits.double(), dim=1).numpy()
    truth = labels.numpy()
    areas = [area_by_counting(truth == k, scores[:, k]) for k in range(classes)]
    assert metrics.class_auroc == pytest.approx(areas)
    known = [area for area in areas if area is not None]
    assert metrics.auroc == (pytest.approx(np.mean(known)) if known else None)
    hits = [int(logits[i].numpy().argmax()) == int(truth[i]) for i in range(items)]
    assert metrics.accuracy == pytest.approx(np.mean(hits))
    assert sum(map(sum, metrics.confusion)) == metrics.n == sum(metrics.class_counts) == items
    assert sum(metrics.calibration.count) == items
    assert 0.0 <= metrics.calibration.expected_calibration_error <= 1.0


def test_hand_calculation_of_calibration():
    # confidences .9 (right), .9 (wrong), .6 (right): gaps .4 over two items and .4 over one
    odds = torch.log(torch.tensor([[9.0, 1.0], [9.0, 1.0], [1.5, 1.0]]))
    metrics = labelled_metrics(odds, torch.tensor([0, 1, 0]), ["a", "b"])
    assert metrics.calibration.expected_calibration_error == pytest.approx(0.4)
    assert metrics.calibration.confidence == pytest.approx([0.6, 0.9])
    assert metrics.calibration.accuracy == pytest.approx([1.0, 0.5])


def test_absent_class_has_no_metrics_of_its_own():
    logits, _ = random_case(40, 4, 0)
    labels = torch.arange(40) % 3
    metrics = labelled_metrics(logits, labels, NAMES)
    assert metrics.class_counts[3] == 0
    assert metrics.class_accuracy[3] is None
    assert metrics.class_auroc[3] is None
    assert metrics.auroc == pytest.approx(np.mean(metrics.class_auroc[:3]))


def test_perfect_and_saturated():
    labels = torch.arange(4)
    logits = 1e4 * torch.eye(4, dtype=torch.float16)
    metrics = labelled_metrics(logits, labels, NAMES)
    assert (metrics.accuracy, metrics.auroc) == (1.0, 1.0)
    assert metrics.calibration.expected_calibration_error == 0.0


@pytest.mark.parametrize(
    ("logits", "labels", "said"),
    [
        (torch.tensor([[float("nan"), 0.0]]), torch.tensor([0]), "not finite for 1 of 1"),
        (torch.tensor([[float("inf"), 0.0]]), torch.tensor([0]), "not finite"),
        (torch.zeros(0, 2), torch.zeros(0, dtype=torch.int64), "no labelled items"),
        (torch.zeros(2, 2), torch.tensor([0, 2]), "label 2 is out of range"),
        (torch.zeros(2, 2), torch.tensor([-1, 0]), "label -1 is out of range"),
        (torch.zeros(2, 3), torch.tensor([0, 1]), "2 classes"),
        (torch.zeros(2, 2), torch.tensor([0]), "as many labels"),
    ],
)
def test_refuses_what_cannot_be_measured(logits, labels, said):
    with pytest.raises(DataError, match=said):
        labelled_metrics(logits, labels, ["a", "b"])


@pytest.mark.parametrize("rounding", [None, 1.0])
@pytest.mark.parametrize("classes", [2, 4, 31])
def test_macro_auroc_is_scikit_learns(classes, rounding):
    logits, labels = random_case(400, classes, classes, rounding)
    labels[:classes] = torch.arange(classes)  # scikit-learn wants every class to be there
    probabilities = torch.softmax(logits.double(), dim=1).numpy()
    if classes == 2:
        # its two-class form takes one score, whose area is that of either class
        expected = roc_auc_score(labels, probabilities[:, 1])
    else:
        expected = roc_auc_score(labels, probabilities, multi_class="ovr", average="macro")
    assert macro_auroc(logits, labels) == pytest.approx(expected, abs=1e-12)
    names = [str(k) for k in range(classes)]
    assert macro_auroc(logits, labels) == labelled_metrics(logits, labels, names).auroc


def test_macro_auroc_leaves_out_absent_classes():
    logits, _ = random_case(60, 5, 1)
    labels = torch.arange(60) % 3
    probabilities = torch.softmax(logits.double(), dim=1).numpy()
    expected = np.mean([roc_auc_score(labels == k, probabilities[:, k]) for k in range(3)])
    assert macro_auroc(logits, labels) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("logits", "labels"),
    [
        (torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64)),
        (torch.randn(4, 3), torch.ones(4, dtype=torch.int64)),
        (torch.tensor([[float("nan"), 0.0], [0.0, 1.0]]), torch.tensor([0, 1])),
    ],
    ids=["empty", "one class", "not finite"],
)
def test_macro_auroc_of_what_cannot_be_ranked(logits, labels):
    assert macro_auroc(logits, labels) is None


def test_macro_auroc_of_half_precision_logits_on_any_graph():
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0]]).half().requires_grad_()
    assert macro_auroc(logits, torch.tensor([0, 1, 1])) == 0.5


def test_places_are_measured_each_by_itself():
    logits, labels = random_case(90, 4, 2)
    places = torch.arange(90) % 2
    first, second, third = place_metrics(logits, labels, places, ["one", "two", "three"])
    for number, found in ((0, first), (1, second)):
        here = labelled_metrics(logits[places == number], labels[places == number], NAMES)
        assert (found.n, found.accuracy, found.auroc) == (
            here.n, pytest.approx(here.accuracy), here.auroc,
        )  # fmt: skip
    assert (first.n + second.n, third.n, third.accuracy, third.auroc) == (90, 0, None, None)


@given(items=st.integers(2, 60), classes=st.integers(2, 5), seed=st.integers(0, 1000))
def test_agreement_beyond_chance_against_all_pairs(items, classes, seed):
    """Chance is how often any item's first class is any item's second one."""
    random = np.random.default_rng(seed)
    first = random.integers(classes, size=items)
    second = np.where(random.random(items) < 0.6, first, random.integers(classes, size=items))
    chance = np.mean(first[:, None] == second)
    if chance == 1:
        return
    found = agreement_beyond_chance(torch.from_numpy(first), torch.from_numpy(second))
    assert found == pytest.approx((np.mean(first == second) - chance) / (1 - chance))


def test_a_model_that_says_always_the_same_agrees_with_itself_by_chance_alone():
    assert agreement_beyond_chance(torch.ones(9).long(), torch.ones(9).long()) == 0
