"""What comparisons with other libraries share: random inputs, and agreement of values and gradients."""

import pytest
import torch

from acclimate.validators import Evidence

seeds = pytest.mark.parametrize("seed", range(3))


def draw(*shape, seed=0, scale=1.0, dtype=torch.float64):
    """Random numbers that take a gradient."""
    random = torch.Generator().manual_seed(seed)
    return (scale * torch.randn(*shape, generator=random, dtype=dtype)).requires_grad_()


def sides_of(seed, source=6, target=9, width=4):
    return draw(source, width, seed=seed), draw(target, width, seed=seed + 50, scale=2.0)


def assert_agree(found, expected, *inputs, rtol=1e-7, atol=1e-9):
    """The same value, and the same gradient, not 0, of each of the inputs."""
    tolerance = {"rtol": rtol, "atol": atol, "check_dtype": False}
    torch.testing.assert_close(found, expected, **tolerance)
    ours = torch.autograd.grad(found, inputs, retain_graph=True)
    theirs = torch.autograd.grad(expected, inputs, retain_graph=True)
    for gradient, reference in zip(ours, theirs, strict=True):
        assert reference.abs().max() > 0
        torch.testing.assert_close(gradient, reference, **tolerance)


def evidence_of(logits):
    """Target items with these logits; the rest does not matter."""
    features, labels = torch.zeros(len(logits), 1), torch.zeros(len(logits), dtype=torch.int64)
    return Evidence(features, logits, labels, features, logits)
