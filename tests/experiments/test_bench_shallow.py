"""Both sides of a comparison are measured, and compute the same where they should."""

import importlib.util
import sys

import numpy as np
import pytest
from scipy import sparse

from acclimate.core.errors import RunError, UnknownNameError
from acclimate.experiments.amazon.representations import Part, Task
from acclimate.experiments.bench_shallow import COMPARISONS, bench, find
from acclimate.experiments.peer_adapt import UNUSED, linear_method
from acclimate.experiments.plain_msda import plain_msda, plain_msda_by_elimination
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


def test_both_ways_to_solve_the_equations_agree(task):
    rows = [part.rows for part in (task.source, task.test)]
    for first, second in zip(plain_msda(*rows), plain_msda_by_elimination(*rows), strict=True):
        np.testing.assert_allclose(first, second, atol=1e-9)


def test_a_comparison(task):
    found = bench(find(["msda"])[1], 1, 1, task)
    assert found.ours.accuracy == pytest.approx(found.theirs.accuracy, abs=0.11)
    assert min(found.ours.peak_mib, found.theirs.peak_mib) > 20
    assert found.ratio == pytest.approx(found.theirs.seconds / found.ours.seconds)


def test_what_goes_wrong_there_is_said_here(task):
    broken = task._replace(target=Part(task.target.rows[:, :5], task.target.labels))
    with pytest.raises(RunError, match="30 features and X_target 5"):
        bench(find(["msda"])[0], 1, 1, broken)


def test_names():
    assert find([]) == list(COMPARISONS)
    assert [each.other for each in find(["coral"])] == ["skada", "adapt"]
    pairs = {(each.name, each.other) for each in COMPARISONS}
    assert len(pairs) == len(COMPARISONS)
    with pytest.raises(UnknownNameError, match="Did you mean 'coral'"):
        find(["corral"])


@pytest.fixture
def passing(monkeypatch):
    """What is imported meanwhile, and what stands for TensorFlow, is forgotten."""
    before = set(sys.modules)
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    yield
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in ("adapt", *UNUSED):
            del sys.modules[name]


PEERS = [each for each in COMPARISONS if each.other in ("skada", "adapt")]


@pytest.mark.filterwarnings("ignore:invalid escape sequence")  # adapt's docstrings
@pytest.mark.parametrize("comparison", PEERS, ids=[f"{each.name}-{each.other}" for each in PEERS])
def test_sides_with_peers(comparison, passing):
    if importlib.util.find_spec(comparison.other) is None:
        pytest.skip(f"{comparison.other} is not installed")
    # a hundred components want as many rows and columns
    parts = (part(count, seed, 110) for seed, count in enumerate((130, 120, 20)))
    task = Task(*(Part(each.rows.toarray().astype(np.float64), each.labels) for each in parts))
    for side in (comparison.ours, comparison.theirs):
        found = side(task)
        assert len(found.source) == 130
        assert len(found.test) == 20
        assert np.isfinite(found.test).all()


def test_what_stands_for_tensorflow(tmp_path, monkeypatch, passing):
    """A library whose linear method needs none of it is loaded all the same, the rest of it empty."""
    package = tmp_path / "adapt"
    package.mkdir()
    (package / "__init__.py").write_text("import tensorflow as tf\n")
    (package / "feature_based.py").write_text(
        "import tensorflow as tf\n"
        "from tensorflow.keras.layers import Layer\n"
        "class Reversal(Layer):\n    hook = tf.keras.callbacks.Callback()\n"
        "class SA:\n    def __init__(self, k): self.k, self.network = k, tf\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("adapt", None)
    assert linear_method("SA", k=3)().k == 3


def test_a_real_tensorflow_is_taken_as_it_is(tmp_path, monkeypatch, passing):
    """What it lacks is not made up."""
    package = tmp_path / "adapt"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "feature_based.py").write_text("from tensorflow.keras.layers import Layer\n")
    (tmp_path / "tensorflow.py").write_text("keras = None\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportError, match="tensorflow"):
        linear_method("SA")()
