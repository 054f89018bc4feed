"""Domain confusion against NumPy, and who gets which gradient."""

import math

import numpy as np
import pytest
import torch
from scipy.special import expit

from acclimate.algorithms import algorithms
from acclimate.algorithms.domain_confusion import DomainConfusion
from acclimate.core.errors import ConfigurationError
from acclimate.losses.domain_confusion import domain_confusion


def test_the_loss_is_the_cross_entropy_to_the_uniform_distribution():
    source, target = torch.randn(5, 1).double(), 3 * torch.randn(3, 1).double()
    each = []
    for logits in (source, target):
        q = expit(logits.numpy())
        each.append(np.mean([-(0.5 * math.log(p) + 0.5 * math.log(1 - p)) for p in q.ravel()]))
    assert float(domain_confusion(source, target)) == pytest.approx(np.mean(each), rel=1e-9)


def test_it_is_least_where_the_classifier_cannot_decide():
    undecided = torch.zeros(4, requires_grad=True)
    loss = domain_confusion(undecided, undecided)
    loss.backward()
    assert loss.item() == pytest.approx(math.log(2))
    assert torch.equal(undecided.grad, torch.zeros(4))
    for shift in (-1.0, 0.3):
        assert domain_confusion(undecided + shift, undecided) > loss


def gradients(step, loss):
    named = dict(step.named_parameters())
    found = torch.autograd.grad(loss, list(named.values()), allow_unused=True, retain_graph=True)
    return {n: g for n, g in zip(named, found, strict=True) if g is not None}


def test_one_loss_for_the_classifier_and_one_for_the_network(make_step, make_batch):
    batch = make_batch(source=5, target=8, dtype=torch.float64)
    step = make_step(DomainConfusion(weight=0.8, gamma=5.0)).double()
    views, _ = step._views(batch, 0.4)
    terms = step.algorithm.losses(views, step.modules_of_algorithm, "all").losses
    of_classifier, of_network = (
        gradients(step, terms["domain"]),
        gradients(step, terms["confusion"]),
    )
    assert {n.split(".")[0] for n in of_classifier} == {"modules_of_algorithm"}
    assert {n.split(".")[0] for n in of_network} == {"network"}
    classifier = step.modules_of_algorithm["domain_classifier"]
    logits = [classifier(side.layers["backbone"]) for side in (views.source, views.target)]
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    domain = 0.5 * sum(
        bce(each, torch.full_like(each, label))
        for each, label in zip(logits, (0.0, 1.0), strict=True)
    )
    confusion = 0.5 * sum(bce(each, torch.full_like(each, 0.5)) for each in logits)
    ramp = 2 / (1 + math.exp(-5.0 * 0.4)) - 1
    expected = gradients(step, domain)
    for name, gradient in of_classifier.items():
        torch.testing.assert_close(gradient, expected[name])
    expected = gradients(step, 0.8 * ramp * confusion)
    for name, gradient in of_network.items():
        torch.testing.assert_close(gradient, expected[name])
        assert gradient.abs().max() > 1e-7


def test_without_weight_and_at_the_beginning_it_is_source_only(make_step, make_batch):
    bare = make_step(algorithms.get("source-only")())
    bare(make_batch()._replace(target=None, target_weak=None), 0.5)["loss"].backward()
    for weight, progress in ((0.0, 0.5), (1.0, 0.0)):
        step = make_step(DomainConfusion(weight=weight))
        step(make_batch(), progress)["loss"].backward()
        for ours, expected in zip(
            step.network.parameters(), bare.network.parameters(), strict=True
        ):
            torch.testing.assert_close(ours.grad, expected.grad)


def test_place_and_errors(make_step):
    with pytest.raises(ConfigurationError, match="no layer 'hidden9'"):
        make_step(DomainConfusion(attach="hidden9"))
    with pytest.raises(ConfigurationError, match="algorithm domain-confusion: gamma"):
        DomainConfusion.build("algorithm domain-confusion", {"gamma": 0})
