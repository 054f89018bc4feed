"""The reversal is the identity forwards and minus the weight times the gradient backwards."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from acclimate.layers.gradient_reversal import reverse_gradient


def smooth(values):
    """Something with a gradient that differs everywhere."""
    return (values.sin() * values.cos().roll(1, -1)).sum()


def numerical_gradient(function, point, width=1e-6):
    """Central differences, one coordinate after the other."""
    gradient = torch.zeros_like(point)
    for index in range(point.numel()):
        step = torch.zeros_like(point).view(-1)
        step[index] = width
        step = step.view_as(point)
        gradient.view(-1)[index] = (function(point + step) - function(point - step)) / (2 * width)
    return gradient


@settings(deadline=None, max_examples=30)
@given(weight=st.floats(0, 5), seed=st.integers(0, 1000))
def test_gradient_is_minus_weight_times_the_numerical_one(weight, seed):
    point = torch.randn(3, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    inner = point.clone().requires_grad_()
    smooth(reverse_gradient(inner, weight)).backward()
    expected = -weight * numerical_gradient(smooth, point)
    torch.testing.assert_close(inner.grad, expected, atol=1e-7, rtol=1e-6)


def test_forward_is_the_identity_and_copies_nothing():
    features = torch.randn(5, 3)
    result = reverse_gradient(features, 0.7)
    assert torch.equal(result, features)
    assert result.data_ptr() == features.data_ptr()


def test_what_stands_behind_it_trains_at_full_rate():
    features, head = torch.randn(4, 3), torch.randn(3, requires_grad=True)
    (plain,) = torch.autograd.grad((features @ head).sum(), head)
    (behind,) = torch.autograd.grad((reverse_gradient(features, 0.01) @ head).sum(), head)
    assert torch.equal(plain, behind)


def test_weight_zero_cuts_the_gradient_off():
    features = torch.randn(4, 3, requires_grad=True)
    smooth(reverse_gradient(features, 0.0)).backward()
    assert torch.equal(features.grad, torch.zeros(4, 3))


def test_two_reversals_multiply():
    features = torch.randn(4, requires_grad=True)
    smooth(reverse_gradient(reverse_gradient(features, 0.5), 3.0)).backward()
    plain = features.detach().clone().requires_grad_()
    smooth(plain).backward()
    torch.testing.assert_close(features.grad, 1.5 * plain.grad)


def test_it_has_no_state():
    """What an earlier call did is of no consequence: nothing to save, nothing to lose."""
    features = torch.ones(2, requires_grad=True)
    for weight in (0.1, 0.9, 0.1):
        features.grad = None
        reverse_gradient(features, weight).sum().backward()
        torch.testing.assert_close(features.grad, torch.full((2,), -weight))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_keeps_the_dtype(dtype):
    features = torch.ones(2, dtype=dtype, requires_grad=True)
    result = reverse_gradient(features, 0.5)
    result.sum().backward()
    assert result.dtype == features.grad.dtype == dtype
    assert features.grad.tolist() == [-0.5, -0.5]
