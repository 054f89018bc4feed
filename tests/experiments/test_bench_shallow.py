"""Both sides of a comparison are measured, and compute the same where they should."""

import numpy as np
import pytest
from scipy import sparse

from acclimate.core.errors import RunError, UnknownNameError
from acclimate.experiments.amazon.representations import Part, Task
from acclimate.experiments.bench_shallow import COMPARISONS, bench, find
from acclimate.experiments.plain_msda import plain_msda
from acclimate.shallow.msda import MSDA


def part(count, seed, columns=30):
    draws = np.random.default_rng(seed)
    labels = np.resize([-1, 1], count)
    rates = np.full((count, columns), 0.4)
    rates[labels == 1, :3] += 2
    return Part(sparse.csr_matrix(draws.poisson(rates).astype(np.float32)), labels)


@pytest.fixture
def task():
    return Task(part(40, 0), part(30, 1), part(20, 2))


def test_msda_and_its_equations_agree(task):
    fitted = sparse.vstack([task.source.rows, task.target.rows])
    train, test = plain_msda(fitted, task.test.rows)
    ours = MSDA()
    np.testing.assert_allclose(ours.fit_transform(fitted), train, atol=2e-3)
    np.testing.assert_allclose(ours.transform(task.test.rows), test, atol=2e-3)


def test_a_comparison(task):
    found = bench(find(["msda"])[0], 1, 1, task)
    assert found.ours.accuracy == pytest.approx(found.theirs.accuracy, abs=0.11)
    assert min(found.ours.peak_mib, found.theirs.peak_mib) > 20
    assert found.ratio == pytest.approx(found.theirs.seconds / found.ours.seconds)


def test_what_goes_wrong_there_is_said_here(task):
    broken = task._replace(target=Part(task.target.rows[:, :5], task.target.labels))
    with pytest.raises(RunError, match="30 features and X_target 5"):
        bench(find(["msda"])[0], 1, 1, broken)


def test_names():
    assert [each.name for each in find([])] == [each.name for each in COMPARISONS]
    with pytest.raises(UnknownNameError, match="Did you mean 'coral'"):
        find(["corral"])


@pytest.mark.parametrize("name", [each.name for each in COMPARISONS if each.other == "skada"])
def test_sides_with_skada(name):
    pytest.importorskip("skada")
    comparison = find([name])[0]
    # a hundred components want as many rows and columns
    parts = (part(count, seed, 110) for seed, count in enumerate((130, 120, 20)))
    task = Task(*(Part(each.rows.toarray().astype(np.float64), each.labels) for each in parts))
    for side in (comparison.ours, comparison.theirs):
        found = side(task)
        assert len(found.source) == 130
        assert len(found.test) == 20
        assert np.isfinite(found.test).all()
