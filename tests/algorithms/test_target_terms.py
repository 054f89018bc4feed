"""Terms on target predictions: what each adds to the source's classification, and when."""

import numpy as np
import pytest
import scipy.stats
import torch
import torch.nn.functional as F

from acclimate.algorithms import algorithms
from acclimate.algorithms.afn import AdaptiveFeatureNorm
from acclimate.algorithms.atdoc import Atdoc
from acclimate.algorithms.bnm import BatchNuclearNorm
from acclimate.algorithms.dirt_t import DirtT
from acclimate.algorithms.fda import FourierDomainAdaptation
from acclimate.algorithms.information_maximisation import InformationMaximisation
from acclimate.algorithms.mcc import MinimumClassConfusion
from acclimate.algorithms.mean_teacher import MeanTeacher
from acclimate.algorithms.mixup import DomainMixup
from acclimate.algorithms.mme import MinimaxEntropy
from acclimate.algorithms.self_training import SelfTraining
from acclimate.algorithms.shot import Shot
from acclimate.algorithms.vada import Vada
from acclimate.algorithms.vat import VirtualAdversarial
from acclimate.core.types import Batch, Spec
from acclimate.models.network import build_network
from acclimate.training.step import Step

WITHOUT = [
    AdaptiveFeatureNorm(weight=0),
    Atdoc(weight=0),
    BatchNuclearNorm(weight=0),
    DirtT(teacher=0, smoothness=0, entropy=0, source=1),
    FourierDomainAdaptation(entropy=0),
    InformationMaximisation(weight=0),
    MeanTeacher(weight=0),
    MinimaxEntropy(weight=0),
    MinimumClassConfusion(weight=0),
    DomainMixup(weight=0),
    SelfTraining(weight=0),
    Shot(weight=0, pseudo_labels=0, source=1),
    Vada(weight=0, source_smoothness=0, target_smoothness=0, entropy=0),
    VirtualAdversarial(weight=0),
]
# term and the weight it has from the end of the ramp on
RAMPED = [
    (Atdoc(weight=0.7, ramp=0.4), "neighbours"),
    (BatchNuclearNorm(ramp=0.4), "nuclear_norm"),
    (InformationMaximisation(ramp=0.4), "information"),
    (MeanTeacher(threshold=0, ramp=0.4), "consistency"),
    (MinimaxEntropy(ramp=0.4), "minimax_entropy"),
    (MinimumClassConfusion(ramp=0.4), "confusion"),
    (DomainMixup(ramp=0.4), "mixed"),
    (SelfTraining(threshold=0, ramp=0.4), "self_training"),
    (Vada(ramp=0.4), "entropy"),
    (VirtualAdversarial(ramp=0.4), "roughness"),
]


def name_of(case):
    return type(case[0] if isinstance(case, tuple) else case).__name__


def chances(logits):
    return logits.detach().double().softmax(1).numpy()


@pytest.mark.parametrize("algorithm", WITHOUT, ids=name_of)
def test_without_its_weights_it_is_source_only(algorithm, make_step, make_batch):
    bare, cut = make_step(algorithms.get("source-only")()), make_step(algorithm)
    for number in range(4):
        batch = make_batch(number)
        alone = batch._replace(target=None, target_weak=None)
        for step, given in ((bare, alone), (cut, batch)):
            step.zero_grad()
            step(given, 0.5)["loss"].backward()
        pairs = list(zip(bare.network.parameters(), cut.network.parameters(), strict=True))
        for expected, found in pairs:
            torch.testing.assert_close(found.grad, expected.grad)
        with torch.no_grad():
            for parameter in (each for pair in pairs for each in pair):
                parameter -= 0.1 * parameter.grad


@pytest.mark.parametrize("case", RAMPED, ids=name_of)
def test_the_weight_rises_over_the_ramp(case, make_step, make_batch):
    algorithm, term = case
    found = {}
    for progress in (0.0, 0.1, 0.2, 0.4, 0.9):
        step = make_step(algorithm)
        step(make_batch(1), 0.0)  # what has to be remembered first
        torch.manual_seed(0)
        found[progress] = float(step(make_batch(), progress)[f"loss/{term}"])
    assert found[0.0] == 0
    assert found[0.4] != 0
    for progress, share in ((0.1, 0.25), (0.2, 0.5), (0.9, 1.0)):
        assert found[progress] == pytest.approx(share * found[0.4], rel=1e-4)


@pytest.mark.parametrize("diversity", [0.0, 0.5, 1.0])
def test_information(diversity, make_step, make_batch):
    step = make_step(InformationMaximisation(weight=0.7, diversity=diversity))
    batch = make_batch()
    predictions = chances(step.network(batch.target).logits)
    certain = scipy.stats.entropy(predictions, axis=1).mean()
    varied = scipy.stats.entropy(predictions.mean(0))
    values = step(batch, 1.0)
    assert float(values["loss/information"]) == pytest.approx(
        0.7 * (certain - diversity * varied), abs=1e-6
    )
    assert float(values["diversity"]) == pytest.approx(varied)


@pytest.mark.parametrize(
    ("algorithm", "value", "rises"),
    [
        (InformationMaximisation(weight=1, diversity=0), "entropy", False),
        (MinimumClassConfusion(), "class_confusion", False),
        (BatchNuclearNorm(), "mean_nuclear_norm", True),
        (AdaptiveFeatureNorm(), "target_norm", True),
        (AdaptiveFeatureNorm(), "source_norm", True),
        (FourierDomainAdaptation(entropy=1.0), "entropy_penalty", False),
    ],
    ids=lambda case: name_of(case) if not isinstance(case, str | bool) else str(case),
)
def test_descent_moves_what_is_logged(algorithm, value, rises, make_step, make_batch):
    """Each term by itself: the classification would move predictions as well."""
    batch = make_batch(target=32)
    step = make_step(algorithm)
    with torch.no_grad():  # an untrained network is about undecided, where slopes are flat
        step.network.head.weight *= 5
    optimiser = torch.optim.SGD([p for p in step.parameters() if p.requires_grad], 0.02)
    seen = []
    for _ in range(5):
        values = step(batch, 1.0)
        optimiser.zero_grad()
        (
            values["loss"] - F.cross_entropy(step.network(batch.source).logits, batch.source_labels)
        ).backward()
        optimiser.step()
        seen.append(float(values[value]))
    steps = np.diff(seen)
    assert (steps > 0).all() if rises else (steps < 0).all()


def test_feature_norms_of_both_domains(make_step, make_batch):
    """The gradient is that of the paper's squares, on the last hidden layer of either domain."""
    step, batch = make_step(AdaptiveFeatureNorm(weight=0.3, growth=0.5)), make_batch()
    step(batch, 0.0)["loss"].backward()
    twin = make_step(algorithms.get("source-only")())
    loss = twin(batch._replace(target=None, target_weak=None), 0.0)["loss"]
    for inputs in (batch.source, batch.target):
        norms = twin.network(inputs).layers["backbone"].norm(dim=1)
        loss = loss + 0.3 * (norms.detach() + 0.5 - norms).square().mean()
    loss.backward()
    for ours, expected in zip(step.network.parameters(), twin.network.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, expected.grad)


@pytest.mark.parametrize("temperature", [None, 0.05])
def test_the_head_climbs_the_entropy_and_the_features_descend(temperature, make_step, make_batch):
    step, batch = make_step(MinimaxEntropy(weight=0.4, temperature=temperature)), make_batch()
    step(batch, 1.0)["loss"].backward()
    twin = make_step(algorithms.get("source-only")())
    network = twin.network
    twin(batch._replace(target=None, target_weak=None), 1.0)["loss"].backward()
    features = network(batch.target).layers["backbone"]
    if temperature is not None:
        features = features / features.norm(dim=1, keepdim=True) / temperature
    predictions = network.head(features).softmax(1)
    entropy = -(predictions * predictions.log()).sum(1).mean()
    parameters = dict(network.named_parameters())
    slopes = torch.autograd.grad(entropy, list(parameters.values()))
    for (name, plain), slope in zip(parameters.items(), slopes, strict=True):
        sign = -1 if name.startswith("head") else 1
        found = step.network.get_parameter(name).grad
        torch.testing.assert_close(found, plain.grad + sign * 0.4 * slope, atol=1e-6, rtol=1e-4)


def test_pictures_wear_the_targets_frequencies_and_vectors_none(make_batch):
    algorithm = FourierDomainAdaptation(band=0.2)
    vectors = make_batch()
    assert algorithm.prepare(vectors, 0.5) is vectors
    random = torch.Generator().manual_seed(0)
    source, target = (torch.randn(n, 1, 8, 8, generator=random) for n in (5, 2))
    batch = Batch(source, torch.arange(5) % 3, target, None)
    before = source.clone()
    changed = algorithm.prepare(batch, 0.5)
    assert torch.equal(source, before)
    assert changed.target is target
    amplitudes = np.abs(np.fft.fft2(changed.source.numpy()))
    for number in range(5):
        own, worn = (np.abs(np.fft.fft2(each)) for each in (source[number], target[number % 2]))
        np.testing.assert_allclose(amplitudes[number, :, :2, :2], worn[:, :2, :2], rtol=1e-3)
        np.testing.assert_allclose(amplitudes[number, :, 2:7, :], own[:, 2:7, :], rtol=1e-3)


def test_pictures_pass_through_the_whole_step():
    torch.manual_seed(0)
    network = build_network("mnist-cnn", {}, Spec((1, 28, 28), ("a", "b", "c")))
    pictures = torch.randn(6, 1, 28, 28)
    batch = Batch(pictures[:3], torch.arange(3), pictures[3:], pictures[3:])
    wearing = Step(network, FourierDomainAdaptation())
    plain = Step(network, FourierDomainAdaptation())
    seen = plain(batch._replace(source=wearing.algorithm.prepare(batch, 0.0).source), 0.0)
    # wearing the same frequencies twice is wearing them once
    torch.testing.assert_close(wearing(batch, 0.0)["loss"], seen["loss"])
    for cut in (False, True):
        values = Step(network, DomainMixup(cut=cut))(batch, 1.0)
        values["loss"].backward()
        assert torch.isfinite(values["loss/mixed"])


def test_mixed_items_one_by_one(make_step, make_batch):
    step, batch = make_step(DomainMixup(weight=0.6)), make_batch(source=9, target=4)
    found = float(step(batch, 1.0)["loss/mixed"])
    teacher = chances(step.average(batch.target_weak).logits)
    total = 0.0
    for number in range(9):
        share, other = (number + 0.5) / 9, number % 4
        item = share * batch.source[number] + (1 - share) * batch.target[other]
        said = np.log(chances(step.network(item[None]).logits)[0])
        guess = teacher[other]
        total -= share * said[batch.source_labels[number]]
        total -= (1 - share) * guess.max() * (guess * said).sum()
    assert found == pytest.approx(0.6 * total / 9, rel=1e-5)
