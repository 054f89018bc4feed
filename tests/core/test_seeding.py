"""Randomness that follows from its purpose."""

import subprocess
import sys

import hypothesis.strategies as st
import torch
from hypothesis import given

from acclimate.core.seeding import derive_seed, generator


@given(
    st.integers(0, 2**63 - 1), st.lists(st.one_of(st.integers(), st.text(max_size=9)), max_size=3)
)
def test_seeds_are_what_torch_takes(seed, purpose):
    derived = derive_seed(seed, *purpose)
    assert 0 <= derived < 2**63
    assert derive_seed(seed, *purpose) == derived
    torch.Generator().manual_seed(derived)


def test_purposes_do_not_collide():
    purposes = [("a",), ("b",), ("a", 1), ("a", 11), ("a1", 1), ("a", 1, 1), ()]
    purposes += [("order", step) for step in range(2000)]
    seeds = {derive_seed(seed, *purpose) for seed in (0, 1, 2**62) for purpose in purposes}
    assert len(seeds) == 3 * len(purposes)


def test_the_same_in_another_process_and_forever():
    """A run continued next year has to find the same order."""
    code = "from acclimate.core.seeding import derive_seed; print(derive_seed(7, 'order', 3))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) == derive_seed(7, "order", 3) == 6099876426492485686


def test_generators_are_fresh_and_leave_the_global_one_alone():
    before = torch.random.get_rng_state()
    first = torch.rand(3, generator=generator(1, "x"))
    assert torch.equal(torch.rand(3, generator=generator(1, "x")), first)
    assert not torch.equal(torch.rand(3, generator=generator(1, "y")), first)
    assert torch.equal(torch.random.get_rng_state(), before)
