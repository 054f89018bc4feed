"""The memory against a deque and scikit-learn's nearest neighbours."""

from collections import deque

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from acclimate.layers.memory_bank import MemoryBank


def draw(number, items, width=5, classes=3):
    random = torch.Generator().manual_seed(number)
    features = torch.randn(items, width, generator=random)
    return features, torch.rand(items, classes, generator=random)


@pytest.mark.parametrize("size", [7, 40, 3])
def test_the_latest_items_and_the_nearest_of_them(size):
    bank, kept = MemoryBank(size, 5, 3), deque(maxlen=size)
    for number, items in enumerate((5, 4, 1, 6, 5)):
        features, predictions = draw(number, items)
        bank.remember(features, predictions)
        kept.extend(zip(features.numpy(), predictions.numpy(), strict=True))
        asked, _ = draw(100 + number, 6)
        count = min(3, len(kept))
        search = NearestNeighbors(n_neighbors=count, metric="cosine")
        search.fit(np.stack([each for each, _ in kept]))
        known = np.stack([each for _, each in kept])
        expected = known[search.kneighbors(asked.numpy(), return_distance=False)].sum(1) / 3
        np.testing.assert_allclose(bank.neighbours(asked, 3).numpy(), expected, rtol=1e-5)
    assert int(bank.filled) == min(size, 21)


def test_an_empty_memory_says_nothing():
    assert torch.equal(MemoryBank(4, 5, 3).neighbours(draw(0, 2)[0], 2), torch.zeros(2, 3))


def test_places_that_are_empty_count_as_nothing():
    """Also for features that point away from all that is known."""
    bank = MemoryBank(4, 2, 2)
    bank.remember(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.2, 0.8]]))
    found = bank.neighbours(torch.tensor([[-1.0, 0.0]]), 2)
    torch.testing.assert_close(found, torch.tensor([[0.1, 0.4]]))


def test_more_neighbours_than_places():
    bank = MemoryBank(2, 5, 3)
    features, predictions = draw(0, 2)
    bank.remember(features, predictions)
    torch.testing.assert_close(bank.neighbours(features[:1], 4)[0], predictions.sum(0) / 4)


def test_in_evaluation_nothing_is_taken_up():
    bank = MemoryBank(4, 5, 3).eval()
    bank.remember(*draw(0, 2))
    assert int(bank.filled) == 0
    assert torch.equal(bank.features, torch.zeros(4, 5))
