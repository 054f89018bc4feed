"""Losses and layers against those of pytorch-adapt, on random inputs.

It wrote the same papers down independently. Where its definition is the paper's, its value and its gradient are
to be ours; what is only scaled or named otherwise is converted in the test, and its docstring says how. What
it defines differently is left out.

The library is optional and may not pull in another torch, so it is installed without what it depends on, by
``ADAPT`` below or by ``make peers``. Without it the tests are skipped.
"""

import math

import pytest
import torch
from peers import assert_agree, draw, evidence_of, seeds, sides_of
from torch import nn

from acclimate.algorithms.atdoc import sharpened
from acclimate.algorithms.vat import VirtualAdversarial
from acclimate.core.types import Batch, NetworkOutput, Views
from acclimate.layers.gradient_reversal import reverse_gradient
from acclimate.layers.memory_bank import MemoryBank
from acclimate.layers.multilinear import MultilinearMap
from acclimate.losses.certainty_weighted import certainty_weights
from acclimate.losses.class_confusion import class_confusion
from acclimate.losses.classifier_discrepancy import classifier_discrepancy
from acclimate.losses.correlation_alignment import correlation_alignment
from acclimate.losses.distances import squared_distances
from acclimate.losses.domain_confusion import domain_confusion
from acclimate.losses.feature_norm import norm_growth
from acclimate.losses.information import diversity, entropy, information_maximisation
from acclimate.losses.maximum_mean_discrepancy import gaussian_kernel, maximum_mean_discrepancy
from acclimate.losses.nuclear_norm import mean_nuclear_norm
from acclimate.losses.sliced_wasserstein import random_directions, sliced_wasserstein
from acclimate.losses.spectral_penalty import spectral_penalty
from acclimate.validators import validators

ADAPT = "pip install --no-deps pytorch-adapt==0.0.83 pytorch-metric-learning tqdm"


@pytest.fixture(scope="module")
def adapt():
    """The layers of pytorch-adapt."""
    name = "pytorch_adapt.layers"
    return pytest.importorskip(name, reason=f"needs: {ADAPT}", exc_type=ImportError)


def median_distance(items):
    """Of squared distances between all pairs, those of an item and itself included."""
    return float(squared_distances(items, items).detach().median())


@seeds
def test_mean_discrepancy_of_pytorch_adapt(adapt, seed):
    """Theirs, with ``quadratic``, is the unbiased one; bandwidths are times the source's median distance."""
    source, target = sides_of(seed)
    scales = torch.tensor([4.0, 2.0, 1.0, 0.5, 0.25])
    theirs = adapt.MMDLoss(kernel_scales=scales, mmd_type="quadratic")(source, target)
    middle = median_distance(source)
    kernel = gaussian_kernel(torch.cat([source, target]), 5, middle)
    assert_agree(maximum_mean_discrepancy(kernel, len(source)), theirs, source, target)


@seeds
def test_joint_mean_discrepancy_of_pytorch_adapt(adapt, seed):
    """The product of the kernels of two layers; bandwidths as in the plain one, for each layer."""
    pairs = sides_of(seed), sides_of(seed + 10, width=3)
    scales = torch.tensor([2.0, 1.0, 0.5])
    layer = adapt.MMDLoss(kernel_scales=scales, mmd_type="quadratic")
    theirs = layer([source for source, _ in pairs], [target for _, target in pairs])
    kernel = 1.0
    for source, target in pairs:
        middle = median_distance(source)
        kernel = kernel * gaussian_kernel(torch.cat([source, target]), 3, middle)
    assert_agree(maximum_mean_discrepancy(kernel, 6), theirs, *pairs[0], *pairs[1])


@seeds
def test_correlation_alignment_of_pytorch_adapt(adapt, seed):
    source, target = sides_of(seed)
    theirs = adapt.CORALLoss()(source, target)
    assert_agree(correlation_alignment(source, target), theirs, source, target)


@seeds
@pytest.mark.parametrize("shape", [(7, 4), (3, 5)])
def test_nuclear_norm_of_pytorch_adapt(adapt, seed, shape):
    """Theirs is a loss and has a minus before it."""
    logits = draw(*shape, seed=seed, scale=3)
    assert_agree(mean_nuclear_norm(logits), -adapt.BNMLoss()(logits), logits)


@seeds
@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_class_confusion_of_pytorch_adapt(adapt, seed, temperature):
    """They divide columns of the correlation by row sums; it is symmetric, so only a transpose differs."""
    logits = draw(7, 4, seed=seed, scale=3)
    theirs = adapt.MCCLoss(T=temperature)(logits)
    assert_agree(class_confusion(logits, temperature), theirs, logits)


@seeds
def test_classifier_discrepancy_of_pytorch_adapt(adapt, seed):
    """Ours is computed in float32."""
    first, second = draw(7, 4, seed=seed), draw(7, 4, seed=seed + 10)
    theirs = adapt.MCDLoss()(first, second)
    found = classifier_discrepancy(first, second)
    assert_agree(found, theirs, first, second, rtol=1e-5, atol=1e-7)


@seeds
@pytest.mark.parametrize("count", [1, 3])
def test_spectral_penalty_of_pytorch_adapt(adapt, seed, count):
    features = draw(7, 4, seed=seed)
    theirs = adapt.BatchSpectralLoss(k=count)(features)
    assert_agree(spectral_penalty(features, count), theirs, features)


@seeds
@pytest.mark.parametrize("growth", [1.0, 0.3])
def test_norm_growth_of_pytorch_adapt(adapt, seed, growth):
    """The gradients only: the value of theirs is always ``growth``², ours says how long the features are."""
    features = draw(6, 5, seed=seed)
    theirs = adapt.AdaptiveFeatureNorm(step_size=growth)(features)
    assert theirs.item() == pytest.approx(growth**2)
    (expected,) = torch.autograd.grad(theirs, features)
    (found,) = torch.autograd.grad(norm_growth(features, growth), features)
    torch.testing.assert_close(found, expected)


@seeds
def test_entropy_of_pytorch_adapt(adapt, seed):
    logits = draw(7, 4, seed=seed, scale=3)
    assert_agree(entropy(logits), adapt.EntropyLoss()(logits), logits)


@seeds
def test_diversity_of_pytorch_adapt(adapt, seed):
    """Theirs is a loss and has a minus before it."""
    logits = draw(7, 4, seed=seed, scale=3)
    assert_agree(diversity(logits), -adapt.DiversityLoss()(logits), logits)


@seeds
def test_information_maximisation_of_pytorch_adapt(adapt, seed):
    """Theirs is the sum of two losses, ours is minus that."""
    logits = draw(7, 4, seed=seed, scale=3)
    theirs = -(adapt.EntropyLoss()(logits) + adapt.DiversityLoss()(logits))
    assert_agree(information_maximisation(logits), theirs, logits)


@seeds
def test_certainty_weights_of_pytorch_adapt(adapt, seed):
    """Theirs are divided by their sum and take a gradient; ours do neither, and are float32."""
    logits = draw(7, 4, seed=seed, scale=3)
    found = certainty_weights(logits)
    assert not found.requires_grad
    expected = adapt.EntropyWeights()(logits.detach())
    torch.testing.assert_close(found / found.sum(), expected.float())


@seeds
def test_sliced_wasserstein_of_pytorch_adapt(adapt, seed):
    """Both draw the directions from torch's global generator, theirs always 128 of them."""
    first, second = (draw(7, 4, seed=seed + n, dtype=torch.float32) for n in (0, 10))
    torch.manual_seed(seed)
    theirs = adapt.SlicedWasserstein()(first, second)
    torch.manual_seed(seed)
    found = sliced_wasserstein(first, second, random_directions(4, 128, torch.device("cpu")))
    assert_agree(found, theirs, first, second, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("weight", [0.0, 0.25, 1.5])
def test_gradient_reversal_of_pytorch_adapt(adapt, weight):
    features = draw(5, 3)
    ours, theirs = reverse_gradient(features, weight), adapt.GradientReversal(weight)(features)
    assert torch.equal(ours, theirs)
    found, expected = (torch.autograd.grad(each.sin().sum(), features) for each in (ours, theirs))
    torch.testing.assert_close(found, expected)


@seeds
def test_randomised_multilinear_map_of_pytorch_adapt(adapt, seed):
    """Theirs is given our matrices."""
    torch.manual_seed(seed)
    ours = MultilinearMap(6, 4, widest=5, random_width=16).double()
    theirs = adapt.RandomizedDotProduct([6, 4], 16)
    theirs.set_rand_mat(0, ours.feature_matrix)
    theirs.set_rand_mat(1, ours.class_matrix)
    features, logits = draw(7, 6, seed=seed), draw(7, 4, seed=seed + 10)
    probabilities = logits.softmax(1)
    found, expected = ours(features, probabilities), theirs(features, probabilities)
    torch.testing.assert_close(found, expected)
    assert_agree(found.square().sum(), expected.square().sum(), features, logits)


@seeds
def test_domain_confusion_of_pytorch_adapt(adapt, seed):
    """Theirs takes two logits for an item and the joint batch; ours one logit, and the domains apart."""
    source, target = draw(6, 1, seed=seed), draw(6, 1, seed=seed + 10)
    logits = torch.cat([source, target])
    theirs = adapt.UniformDistributionLoss()(torch.cat([torch.zeros_like(logits), logits], 1))
    assert_agree(domain_confusion(source, target), theirs, source, target)


@seeds
def test_neighbours_of_pytorch_adapt(adapt, seed):
    """Votes of the nearest items of a memory, and what is remembered of each.

    In theirs each item of the data set has a place, and is asked for with its place so that it does not
    find itself. Ours knows no places: here all that are asked for claim a last one, which holds nothing.
    """
    features, logits, asked = (
        draw(*shape, seed=seed + n, scale=2, dtype=torch.float32).detach()
        for n, shape in ((0, (20, 5)), (10, (20, 3)), (20, (6, 5)))
    )
    theirs = adapt.NeighborhoodAggregation(21, 5, 3, k=4, T=0.5)
    theirs(features, logits, update=True, idx=torch.arange(20))
    labels, expected = theirs(asked, idx=torch.full((6,), 20))
    ours = MemoryBank(20, 5, 3)
    ours.remember(features, sharpened(logits))
    torch.testing.assert_close(ours.predictions, theirs.pred_memory[:20])
    found = ours.neighbours(asked, 4)
    torch.testing.assert_close(found, expected)
    assert torch.equal(found.argmax(1), labels)


class TwoLayers(nn.Module):
    """Logits of float32 inputs, computed in double precision."""

    def __init__(self, seed):
        super().__init__()
        self.first = nn.Parameter(draw(6, 5, seed=seed).detach())
        self.second = nn.Parameter(draw(5, 3, seed=seed + 1).detach())

    def forward(self, inputs):
        return (inputs.double() @ self.first).tanh() @ self.second


class WithLayers(nn.Module):
    """The same as a network of this library."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, inputs):
        return NetworkOutput({}, self.network(inputs))


@seeds
def test_virtual_adversarial_training_of_pytorch_adapt(adapt, seed):
    """One power iteration from the same noise; theirs is the mean over all items, ours one for each domain."""
    network, inputs = TwoLayers(seed), draw(12, 6, seed=seed + 20, dtype=torch.float32).detach()
    torch.manual_seed(seed)
    theirs = adapt.VATLoss(xi=0.01, epsilon=0.5)(inputs, network(inputs), network)
    batch = Batch(inputs[:5], torch.zeros(5, dtype=torch.int64), inputs[5:], None)
    nothing = NetworkOutput({}, torch.empty(0))
    views = Views(nothing, batch.source_labels, None, None, batch, 1.0, WithLayers(network))
    torch.manual_seed(seed)
    algorithm = VirtualAdversarial(radius=0.5, xi=0.01, absolute=True)
    source, target = algorithm.roughness(views)
    found = (5 * source + 7 * target) / 12
    assert_agree(found, theirs, network.first, network.second, rtol=1e-4, atol=1e-6)


@seeds
@pytest.mark.parametrize("shape", [(9, 4), (3, 5)])
def test_validators_that_are_minus_a_loss_of_pytorch_adapt(adapt, seed, shape):
    """Theirs are minus the loss; ours are divided by the largest value that is possible."""
    logits, (items, classes) = draw(*shape, seed=seed, scale=3).detach(), shape
    spread, certain = adapt.DiversityLoss()(logits), adapt.EntropyLoss()(logits)
    expected = {
        "bnm": -adapt.BNMLoss()(logits) * math.sqrt(items / min(items, classes)),
        "entropy": -certain / math.log(classes),
        "diversity": -spread / math.log(classes),
        "information-maximisation": -(spread + certain) / math.log(classes),
    }
    for name, value in expected.items():
        found = validators.get(name).score(evidence_of(logits))
        assert found == pytest.approx(float(value), rel=1e-7), name
