"""A sparse store behaves as the dense one of the same numbers."""

import numpy as np
import pytest
import torch
from scipy import sparse

from acclimate.data.batches import make_batches
from acclimate.data.domain import Domain, ResidentStore, SparseStore, pool
from acclimate.data.preprocessing import fit_preprocessing

CPU = torch.device("cpu")


@pytest.fixture
def domains():
    draws = np.random.default_rng(0)
    dense = (draws.random((40, 7)) * (draws.random((40, 7)) < 0.2)).astype(np.float32)
    labels = torch.from_numpy(draws.integers(0, 2, 40))
    return [
        Domain("rows", store, labels, ("a", "b"))
        for store in (ResidentStore(torch.from_numpy(dense)), SparseStore(sparse.csr_matrix(dense)))
    ]


def test_batches_are_the_same(domains):
    first, second = (
        list(make_batches(domain, 16, seed=3, purpose="source", device=CPU).between(0, 5))
        for domain in domains
    )
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one.items, other.items)
        assert torch.equal(one.labels, other.labels)


def test_subsets_and_pools_are_the_same(domains):
    indices = torch.tensor([5, 3, 39, 0])
    dense, thin = (domain.subset(indices) for domain in domains)
    assert isinstance(thin.store, SparseStore)
    everything = torch.arange(8)
    pooled = [pool([domain, domain]).store for domain in (dense, thin)]
    assert torch.equal(pooled[0].gather(everything), pooled[1].gather(everything))


def test_statistics_are_the_same(domains):
    dense, thin = (fit_preprocessing("standard", domain) for domain in domains)
    assert dense == thin
