"""Importance weights in ``features.json``: against a known ratio of densities, and whose they are."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy import sparse
from scipy.stats import lognorm

from acclimate.data.domain import Domain, ResidentStore, SparseStore
from acclimate.training.shift import FILE_NAME, effective_share, importance_weights, write_shift


def task(source, target, names=None):
    def domain(name, rows, items=None):
        store = (
            SparseStore(rows) if sparse.issparse(rows) else ResidentStore(torch.from_numpy(rows))
        )
        return Domain(name, store, None, (), items)

    return SimpleNamespace(
        spec=SimpleNamespace(input_shape=source.shape[1:]),
        source=SimpleNamespace(train=domain("a", source, names)),
        target=SimpleNamespace(adapt=domain("b", target)),
        tables=None,
    )


def written(folder, *given, **more):
    write_shift(folder, task(*given, **more))
    return json.loads((folder / FILE_NAME).read_text())


def normal(count, mean, seed, width=1):
    return np.random.default_rng(seed).normal(mean, 1, (count, width)).astype(np.float32)


def test_weights_of_two_normal_distributions(tmp_path):
    """N(1, 1) over N(0, 1) is exp(x − ½), log-normal, of which 1 / e of the rows is effective."""
    source, target = normal(1800, 0.0, 0), normal(1500, 1.0, 1)
    weights, mean = importance_weights(*(part.astype(np.float64) for part in (source, target)))
    known = np.exp(source[:, 0] - 0.5)
    np.testing.assert_allclose(weights, known / known.mean(), rtol=0.4)
    found = written(tmp_path, source, target)["weights"]
    assert found["mean_ratio"] == pytest.approx(mean, rel=1e-4)
    assert mean == pytest.approx(1, abs=0.1)
    assert found["effective_share"] == pytest.approx(1 / np.e, abs=0.08)
    for share, value in found["quantiles"].items():
        expected = lognorm(s=1, scale=np.exp(-0.5)).ppf(float(share))
        assert value == pytest.approx(expected, rel=0.25), share
    for side, sign in (("largest", 1), ("smallest", -1)):
        named = [int(row["name"].removeprefix("a/")) for row in found[side]]
        assert (sign * source[named, 0] > 2).all()
    assert found["largest"][0]["weight"] == pytest.approx(weights.max(), rel=1e-4)
    assert found["smallest"][0]["weight"] == pytest.approx(weights.min(), rel=1e-4)


def test_alike_and_apart(tmp_path):
    """Where no source row is like the target, weights are all alike again, and the mean tells why."""
    found = {
        gap: written(tmp_path, normal(300, 0, 0, 2), normal(300, gap, 1, 2))["weights"]
        for gap in (0.0, 2.0, 20.0)
    }
    assert found[0.0]["effective_share"] > 0.95
    assert found[2.0]["effective_share"] < 0.1
    assert found[20.0]["effective_share"] > 0.5
    assert found[0.0]["mean_ratio"] == pytest.approx(1, abs=0.1)
    assert found[20.0]["mean_ratio"] < 0.01


def test_sparse_rows_are_not_made_dense(tmp_path, monkeypatch):
    draws = np.random.default_rng(0)
    dense = draws.random((110, 9), dtype=np.float32) * (draws.random((110, 9)) < 0.4)
    dense[60:, 0] = 1
    source, target = sparse.csr_matrix(dense[:60]), sparse.csr_matrix(dense[60:])
    monkeypatch.setattr(sparse.csr_matrix, "toarray", None)
    names = tuple(f"row {number}" for number in range(60))
    found = written(tmp_path, source, target, names=names)["weights"]
    assert found["largest"][0]["name"].startswith("row ")
    # by the column that every target row has
    assert dense[int(found["largest"][0]["name"][4:]), 0] > 0.5


@pytest.mark.parametrize(("rows", "named"), [(2, 1), (7, 3), (40, 5)])
def test_no_row_is_named_as_both(tmp_path, rows, named):
    found = written(tmp_path, normal(rows, 0, 0), normal(30, 1, 1))["weights"]
    names = [[row["name"] for row in found[side]] for side in ("largest", "smallest")]
    assert [len(each) for each in names] == [named, named]
    assert not set(names[0]) & set(names[1])


def test_a_single_row_has_none(tmp_path):
    assert written(tmp_path, normal(1, 0, 0), normal(9, 1, 1))["weights"] is None


def test_effective_share():
    assert effective_share(np.full(7, 3.0)) == pytest.approx(1)
    assert effective_share(np.eye(8)[0]) == pytest.approx(1 / 8)
    weights = np.random.default_rng(0).gamma(0.5, size=50)
    # by the coefficient of variation (Kong, 1992)
    assert effective_share(weights) == pytest.approx(1 / (1 + weights.var() / weights.mean() ** 2))
