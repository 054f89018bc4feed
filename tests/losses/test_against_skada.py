"""Losses and layers against those of skada, on random inputs.

It wrote the same papers down independently. Where its definition is the paper's, its value and its gradient are
to be ours; what is only scaled or named otherwise is converted in the test, and its docstring says how. What
it defines differently is left out.

The library is optional and may not pull in another torch, so it is installed without what it depends on, by
``SKADA`` below or by ``make peers``. Without it the tests are skipped.
"""

import importlib
import math

import numpy as np
import pytest
import sklearn
import torch
from peers import assert_agree, draw, evidence_of, seeds, sides_of
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from torch import nn

from acclimate.layers.gradient_reversal import reverse_gradient
from acclimate.layers.memory_bank import MemoryBank
from acclimate.losses.class_confusion import class_confusion
from acclimate.losses.correlation_alignment import correlation_alignment
from acclimate.losses.distances import squared_distances
from acclimate.losses.domain_classification import domain_classification
from acclimate.losses.margin_disparity import margin_disparity
from acclimate.losses.maximum_mean_discrepancy import maximum_mean_discrepancy
from acclimate.losses.optimal_transport import transport_plan
from acclimate.losses.weighted_cross_entropy import weighted_cross_entropy
from acclimate.validators import validators
from acclimate.validators.importance_weighting import control_variate_risk

SKADA = "pip install --no-deps skada==0.6.0 skorch tabulate tqdm pandas"


@pytest.fixture(scope="module")
def skada():
    """The package skada, with ``skada.deep``.

    Its import switches scikit-learn's metadata routing on for the whole process, of which other tests
    must not see anything.
    """
    with sklearn.config_context():
        pytest.importorskip("skada.deep", reason=f"needs: {SKADA}", exc_type=ImportError)
        return importlib.import_module("skada")


@seeds
def test_correlation_alignment_of_skada(skada, seed):
    source, target = sides_of(seed)
    theirs = skada.deep.losses.deepcoral_loss(source, target)
    assert_agree(correlation_alignment(source, target), theirs, source, target)


@seeds
def test_mean_discrepancy_of_skada(skada, seed):
    """The discrepancy, with all pairs, of a kernel that is given; the kernels themselves differ.

    Theirs is a sum of exp(−‖x − y‖ / σ), of distances that are not squared.
    """
    source, target = sides_of(seed)
    sigmas = np.array([0.5, 1.0, 3.0])
    theirs = skada.deep.losses.dan_loss(source, target, sigmas)
    items = torch.cat([source, target])
    distances = torch.cdist(items, items)
    kernel = sum((-distances / sigma).exp() for sigma in sigmas)
    found = maximum_mean_discrepancy(kernel, len(source), unbiased=False)
    assert_agree(found, theirs, source, target)


@seeds
@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_class_confusion_of_skada(skada, seed, temperature):
    """The values only, with 10⁻⁷ in their logarithm: in theirs the items' weights take a gradient."""
    logits = draw(7, 4, seed=seed, scale=3).detach()
    expected = skada.deep.losses.mcc_loss(logits, temperature)
    torch.testing.assert_close(class_confusion(logits, temperature), expected, rtol=1e-6, atol=0)


@seeds
def test_joint_transport_of_skada(skada, seed):
    """The cost of the exact plan, which ours comes near with little entropy; theirs needs equal batches."""
    source, target = sides_of(seed, 4, 4)
    logits, labels = draw(4, 3, seed=seed + 20), torch.arange(4) % 3
    weights = torch.full((2, 4), 1 / 4, dtype=torch.float64)
    theirs = skada.deep.losses.deepjdot_loss(
        labels, logits, source, target, 0.1, 0.7, weights[0], weights[1]
    )
    surprises = -logits.log_softmax(1).T[labels]
    cost = 0.1 * squared_distances(source, target) + 0.7 * surprises
    plan = transport_plan(cost, 0.002 * cost.mean().detach(), 1500)
    assert_agree((plan * cost).sum(), theirs, source, target, logits, rtol=1e-3, atol=1e-3)


@seeds
@pytest.mark.parametrize("name", ["DANNLoss", "CDANLoss"])
def test_domain_classification_of_skada(skada, name, seed):
    """Theirs takes probabilities, and is the sum over the domains where ours is their mean."""
    source, target = (
        draw(n, seed=seed, scale=2, dtype=torch.float32).detach().requires_grad_() for n in (6, 9)
    )
    options = {"features_s": source, "features_t": target} if name == "CDANLoss" else {}
    theirs = getattr(skada.deep, name)()(source.sigmoid(), target.sigmoid(), **options)
    found = domain_classification(source, target)
    assert_agree(found, theirs / 2, source, target, rtol=1e-5, atol=1e-7)


@seeds
def test_margin_disparity_of_skada(skada, seed):
    """One target item at a time, without their label smoothing; ours is computed in float32.

    For several target items theirs takes the probabilities that each has for the classes of all.
    """
    source, target = sides_of(seed)
    own, others = draw(6, 4, seed=seed + 20).detach(), draw(9, 4, seed=seed + 30).detach()
    loss = skada.deep.MDDLoss(gamma=3.0)
    loss.disc_criterion_t.smoothing = 0.0
    each = [loss(own, others[i : i + 1], source, target[i : i + 1]) for i in range(9)]
    found = margin_disparity(source, own.argmax(1), target, others.argmax(1), 3.0)
    assert_agree(found, sum(each) / 9, source, target, rtol=1e-5, atol=1e-6)


@seeds
def test_neighbours_of_skada(skada, seed):
    """Cross-entropy to the class of the nearest items; by distance, which is by cosine for unit vectors."""
    features, predictions, asked = (
        draw(*shape, seed=seed + n, dtype=torch.float32).detach()
        for n, shape in ((0, (20, 5)), (10, (20, 3)), (20, (6, 5)))
    )
    predictions, logits = predictions.softmax(1), draw(6, 3, seed=seed + 30, dtype=torch.float32)
    ours = MemoryBank(20, 5, 3)
    ours.remember(features, predictions)
    confidence, labels = ours.neighbours(asked, 4).max(1)
    unit, nobody = nn.functional.normalize(asked, dim=1), torch.empty(0, dtype=torch.int64)
    theirs = skada.deep.losses.nap_loss(unit, logits, ours.features, predictions, nobody, 4)
    found = weighted_cross_entropy(logits, labels, confidence)
    assert_agree(found, theirs, logits, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.5])
def test_gradient_reversal_of_skada(skada, weight):
    features = draw(5, 3)
    theirs = skada.deep.modules.GradientReversalLayer.apply(features, weight)
    ours = reverse_gradient(features, weight)
    assert torch.equal(ours, theirs)
    found, expected = (torch.autograd.grad(each.sin().sum(), features) for each in (ours, theirs))
    torch.testing.assert_close(found, expected)


class Classifier:
    """What skada's scorers ask of a deep estimator: the inputs are the logits, and the features too."""

    module_ = type("Module", (), {"layer_name": "features"})

    def predict_proba(self, logits, sample_domain=None, allow_source=False):
        return torch.as_tensor(logits).softmax(1).numpy()

    def predict_features(self, logits):
        return torch.as_tensor(logits)


@seeds
def test_validators_of_target_predictions_of_skada(skada, seed):
    """Theirs are means over items, of the entropy also over classes; ours are divided by the largest value.

    In their density an item counts among its neighbours, with minus its own cosine: of no consequence.
    """
    logits = draw(9, 4, seed=seed, scale=3).detach()
    both, domains = torch.cat([logits + 1, logits]).numpy(), np.repeat([1, -2], 9)
    with sklearn.config_context(enable_metadata_routing=True):
        scorers = {
            "entropy": (skada.metrics.PredictionEntropyScorer(), 4 / math.log(4)),
            "snd": (skada.metrics.SoftNeighborhoodDensity(), 1 / math.log(8)),
        }
        for name, (scorer, scale) in scorers.items():
            theirs = scorer(Classifier(), both, np.tile([0, 1, 2], 6), sample_domain=domains)
            found = validators.get(name).score(evidence_of(logits))
            assert found == pytest.approx(theirs * scale, rel=1e-5), name


def columns_of_losses(labels, probabilities):
    """(N, 1) cross-entropies: the row that skada has by itself is multiplied with each of the weights."""
    return -np.log(probabilities[np.arange(len(labels)), labels])[:, None]


@seeds
def test_risk_with_control_variate_of_skada(skada, seed):
    """Their weights and losses, of the third of the source that they hold out, in our formula."""
    source, target = (side.detach().numpy() for side in sides_of(seed, 30, 20))
    labels, domains = np.arange(50) % 4, np.repeat([1, -2], [30, 20])
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = skada.metrics.DeepEmbeddedValidation(
            LogisticRegression(), columns_of_losses, random_state=seed
        )
        both = np.concatenate([source, target])
        theirs = scorer(Classifier(), both, labels, sample_domain=domains)
    fitted, held, _, truth = train_test_split(
        source, labels[:30], test_size=0.33, random_state=np.random.RandomState(seed)
    )
    # their domain classifier has 0 for the target and 1 for the source
    chances = scorer.domain_classifier_.predict_proba(held)
    weights = len(fitted) / 20 * chances[:, 0] / chances[:, 1]
    losses = columns_of_losses(truth, Classifier().predict_proba(held)).flatten()
    assert -control_variate_risk(weights, losses) == pytest.approx(theirs, rel=1e-9)
