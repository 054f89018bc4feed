"""A tiny network on vectors and batches for it."""

import pytest
import torch

from acclimate.core.types import Batch, Spec
from acclimate.models.network import build_network
from acclimate.training.step import Step

CLASSES = ("a", "b", "c")


@pytest.fixture
def make_batch():
    """Batches of vectors; the target lies elsewhere."""

    def make(number=0, source=8, target=8, weak=True, dtype=torch.float32):
        random = torch.Generator().manual_seed(number)

        def draw(count, shift):
            return (torch.randn(count, 6, generator=random) + shift).to(dtype)

        labels = torch.randint(len(CLASSES), (source,), generator=random)
        inputs, adapted = draw(source, 0.0), draw(target, 1.0)
        return Batch(inputs, labels, adapted, draw(target, 1.5) if weak else None)

    return make


@pytest.fixture
def make_step():
    """A step of ``algorithm`` on a small multi-layer perceptron."""

    def make(algorithm, seed=0, averaging=0.0, **options):
        torch.manual_seed(seed)
        network = build_network("mlp", {"widths": [12, 10], **options}, Spec((6,), CLASSES))
        torch.manual_seed(seed + 1)
        return Step(network, algorithm, averaging)

    return make
