"""The spectral penalty against singular value decompositions of others."""

import numpy as np
import pytest
import scipy.linalg
import torch

from acclimate.algorithms import algorithms, combination
from acclimate.algorithms.bsp import BatchSpectralPenalisation as Bsp
from acclimate.core.errors import ConfigurationError
from acclimate.losses.spectral_penalty import spectral_penalty

NAME = "loss/spectral"


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (1, 5), (5, 1)])
@pytest.mark.parametrize("count", [1, 3, 9])
def test_the_penalty_is_that_of_scipy(shape, count):
    features = torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    values = scipy.linalg.svd(features.numpy(), compute_uv=False)
    expected = np.sum(np.sort(values)[::-1][:count] ** 2)
    assert float(spectral_penalty(features, count)) == pytest.approx(expected, rel=1e-10)
    assert float(spectral_penalty(features.float(), count)) == pytest.approx(expected, rel=1e-5)


def test_the_gradient_is_that_of_torch_svd_in_float64():
    features = torch.randn(7, 5, dtype=torch.float64, requires_grad=True)
    spectral_penalty(features, 2).backward()
    u, s, v = torch.svd(features.detach())
    torch.testing.assert_close(features.grad, 2 * (u[:, :2] * s[:2]) @ v[:, :2].T)


def test_equal_and_zero_singular_values_have_finite_gradients():
    """A decomposition with vectors divides by the difference of singular values."""
    for features in (torch.eye(4), torch.zeros(3, 4), torch.eye(4) + 1e-7 * torch.randn(4, 4)):
        for count in (1, 2, 4):
            given = features.clone().requires_grad_()
            spectral_penalty(given, count).backward()
            assert torch.isfinite(given.grad).all()
            # the sum of all squares is the squared Frobenius norm
            if count == 4:
                torch.testing.assert_close(given.grad, 2 * features, atol=1e-5, rtol=1e-5)


def test_what_is_not_finite_is_no_error():
    features = torch.ones(3, 2)
    features[0, 0], features[1, 1] = torch.nan, torch.inf
    assert torch.isfinite(spectral_penalty(features))


@pytest.mark.parametrize("layer", [None, "backbone"])
def test_the_step_adds_both_domains(layer, make_step, make_batch):
    batch = make_batch(source=9, target=4)
    values = make_step(Bsp(weight=0.01, count=2, layer=layer))(batch, 0.5)
    step = make_step(Bsp(weight=0.01, count=2, layer=layer))
    total = 0.0
    for inputs in (batch.source, batch.target):
        features = step.network(inputs).layers["backbone"].detach().numpy()
        total += np.sum(np.linalg.svd(features, compute_uv=False)[:2] ** 2)
    assert float(values[NAME]) == pytest.approx(0.01 * total, rel=1e-5)
    assert float(values["spectral_norms"]) == pytest.approx(total, rel=1e-5)


def test_the_layer_is_the_one_that_is_named():
    from acclimate.core.types import Batch, Spec
    from acclimate.models.network import build_network
    from acclimate.training.step import Step

    torch.manual_seed(0)
    network = build_network("mnist-cnn", {}, Spec((1, 20, 20), ("a", "b")))
    pictures = torch.rand(6, 1, 20, 20)
    batch = Batch(pictures[:2], torch.tensor([0, 1]), pictures[2:], None)
    for layer, name in ((None, "hidden2"), ("backbone", "backbone")):
        expected = 0.0
        for inputs in (batch.source, batch.target):
            features = network(inputs).layers[name].detach().numpy()
            expected += np.linalg.norm(features, 2) ** 2
        found = Step(network, Bsp(layer=layer))(batch, 0.5)["spectral_norms"]
        assert float(found) == pytest.approx(expected, rel=1e-4)


def test_weight_zero_is_source_only(make_step, make_batch):
    bare = make_step(algorithms.get("source-only")())
    bare(make_batch()._replace(target=None, target_weak=None), 0.5)["loss"].backward()
    step = make_step(Bsp(weight=0.0))
    step(make_batch(), 0.5)["loss"].backward()
    for ours, expected in zip(step.network.parameters(), bare.network.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, expected.grad)


def test_descent_shrinks_the_largest_value_alone():
    features = torch.diag(torch.tensor([3.0, 1.0])).requires_grad_()
    spectral_penalty(features).backward()
    torch.testing.assert_close(features.grad, torch.tensor([[6.0, 0.0], [0.0, 0.0]]))


def test_with_dann_it_is_a_term_of_its_own(make_step, make_batch):
    step = make_step(combination.make("dann+bsp", {"bsp.weight": 0.01}))
    values = step(make_batch(), 0.5)
    terms = [values[f"loss/{name}"] for name in ("classification", "domain", "spectral")]
    torch.testing.assert_close(values["loss"].detach(), torch.stack(terms).sum())
    with pytest.raises(ConfigurationError, match="no layer 'hidden9'"):
        make_step(Bsp(layer="hidden9"))
    with pytest.raises(ConfigurationError, match="algorithm bsp: count"):
        Bsp.build("algorithm bsp", {"count": 0})
