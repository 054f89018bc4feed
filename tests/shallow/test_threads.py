"""Blocks of rows in several threads: each row once, BLAS as it was, mistakes not swallowed."""

import threading

import numpy as np
import pytest
from scipy import sparse
from threadpoolctl import threadpool_info, threadpool_limits

from acclimate.shallow.msda import MSDA
from acclimate.shallow.threads import BLOCK, blas_threads, for_blocks


def limits():
    return [each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("count", [0, 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7])
def test_every_row_is_worked_on_once(threads, count):
    worked = np.zeros(count, dtype=int)
    with threadpool_limits(threads, user_api="blas"):
        before = limits()
        for_blocks(lambda some: np.add.at(worked, np.arange(count)[some], 1), count)
        assert limits() == before
    assert (worked == 1).all()


def test_blas_takes_one_thread_in_each():
    seen, both = [], threading.Barrier(2, timeout=20)
    with threadpool_limits(2, user_api="blas"):
        if blas_threads() < 2:
            pytest.skip("BLAS has one thread here")
        # both are there at the same time, or the barrier breaks
        for_blocks(lambda some: seen.append((both.wait(), blas_threads())), 2 * BLOCK)
        assert blas_threads() == 2
    assert sorted(seen) == [(0, 1), (1, 1)]


@pytest.mark.parametrize("threads", [1, 2])
def test_what_goes_wrong_in_a_thread_is_raised(threads):
    def work(some):
        raise FloatingPointError(f"row {some.start}")

    with threadpool_limits(threads, user_api="blas"):
        before = limits()
        with pytest.raises(FloatingPointError, match="row 0"):
            for_blocks(work, 2 * BLOCK)
        assert limits() == before


def test_rows_are_mapped_alike_by_any_number_of_threads():
    draws = np.random.default_rng(0)
    X, new = (
        sparse.csr_matrix((draws.poisson(0.2, (rows, 30))).astype(np.float32))
        for rows in (60, 2 * BLOCK + 5)
    )
    fitted = MSDA(2).fit(X)
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="blas"):
            found.append(fitted.transform(new))
    np.testing.assert_array_equal(*found)
    np.testing.assert_allclose(fitted.transform(new.toarray()), found[0], atol=1e-6)
    np.testing.assert_allclose(fitted.transform(new[:40]), found[0][:40], atol=1e-6)
