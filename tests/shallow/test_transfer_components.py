"""TCA against the explicit matrices of the paper, solved by scipy as they stand."""

import numpy as np
import pytest
from scipy.linalg import eig
from scipy.spatial.distance import cdist, pdist
from sklearn.decomposition import PCA

from acclimate.core.errors import InputError
from acclimate.shallow.transfer_components import TransferComponents

KERNELS = {
    "linear": lambda X, Z, gamma: X @ Z.T,
    "rbf": lambda X, Z, gamma: np.exp(-gamma * cdist(X, Z) ** 2),
}
kernels = pytest.mark.parametrize("kernel", KERNELS)


def problem(fitted, sources, mu):
    """K H K and K L K + μ I, as the paper writes them."""
    K = KERNELS[fitted.kernel](fitted.rows_, fitted.rows_, fitted.gamma_)
    count = len(K)
    side = np.r_[np.full(sources, 1 / sources), np.full(count - sources, -1 / (count - sources))]
    H = np.eye(count) - 1 / count
    return K @ H @ K, K @ np.outer(side, side) @ K + mu * np.eye(count)


def trace(W, scatter, penalty):
    return np.trace(np.linalg.solve(W.T @ penalty @ W, W.T @ scatter @ W))


@kernels
@pytest.mark.parametrize("mu", [1.0, 0.01])
def test_no_other_weights_have_a_larger_trace(source, target, kernel, mu):
    fitted = TransferComponents(4, kernel=kernel, mu=mu).fit(source[0], X_target=target[0])
    scatter, penalty = problem(fitted, 60, mu)
    shares = np.sort(eig(np.linalg.solve(penalty, scatter), right=False).real)[::-1]
    found = trace(fitted.weights_, scatter, penalty)
    assert found == pytest.approx(shares[:4].sum(), rel=1e-8)
    # the common fault: the product is not symmetric, and a symmetric solver reads half of it
    _, wrong = np.linalg.eigh(np.linalg.solve(penalty, scatter))
    assert trace(wrong[:, -4:], scatter, penalty) < 0.999 * found


@kernels
def test_weights_are_normed_and_in_order(source, target, kernel):
    fitted = TransferComponents(4, kernel=kernel).fit(source[0], X_target=target[0])
    scatter, penalty = problem(fitted, 60, 1.0)
    W = fitted.weights_
    np.testing.assert_allclose(W.T @ penalty @ W, np.eye(4), atol=1e-8)
    shares = np.diag(W.T @ scatter @ W)
    np.testing.assert_allclose(W.T @ scatter @ W, np.diag(shares), atol=1e-7 * shares[0])
    assert (np.diff(shares) < 0).all()


@kernels
def test_rows_that_fit_never_saw(source, target, kernel):
    fitted = TransferComponents(3, kernel=kernel).fit(source[0][:50], X_target=target[0])
    new = source[0][50:]
    expected = KERNELS[kernel](new, fitted.rows_, fitted.gamma_) @ fitted.weights_
    np.testing.assert_allclose(fitted.transform(new), expected, rtol=1e-8)


def test_gamma_is_the_median_heuristic_unless_given(source, target):
    fitted = TransferComponents(2, kernel="rbf").fit(source[0], X_target=target[0])
    rows = np.concatenate([source[0], target[0]])
    assert fitted.gamma_ == pytest.approx(0.5 / np.median(pdist(rows) ** 2))
    assert fitted.set_params(gamma=0.3).fit(source[0], X_target=target[0]).gamma_ == 0.3


def test_one_domain_twice_gives_principal_components(source):
    X = source[0] - source[0].mean(axis=0)
    found = TransferComponents(3).fit(X, X_target=X).transform(X)
    expected = PCA(3).fit_transform(X)
    for component, principal in zip(found.T, expected.T, strict=True):
        assert abs(np.corrcoef(component, principal)[0, 1]) == pytest.approx(1)


@kernels
def test_which_domain_is_the_source_does_not_matter(source, target, kernel):
    transfer = TransferComponents(3, kernel=kernel)
    one = transfer.fit(source[0], X_target=target[0]).transform(target[0])
    other = transfer.fit(target[0], X_target=source[0]).transform(target[0])
    np.testing.assert_allclose(abs(one), abs(other), rtol=1e-6, atol=1e-8)


def test_means_come_closer_than_in_principal_components(source, target):
    def gap(transformer):
        mapped = transformer.transform(source[0]), transformer.transform(target[0])
        return abs(mapped[0].mean() - mapped[1].mean()) / np.concatenate(mapped).std()

    principal = PCA(1).fit(np.concatenate([source[0], target[0]]))
    transfer = TransferComponents(1, mu=0.01).fit(source[0], X_target=target[0])
    assert gap(transfer) < 0.1 * gap(principal)


def test_components_that_no_row_varies_along_are_left_out():
    X = np.zeros((6, 4))
    X[:, 0] = range(6)
    assert TransferComponents().fit(X, X_target=X).transform(X).shape == (6, 1)
    with pytest.raises(
        InputError, match="2 components are more than the 1 that 6 rows of the source"
    ):
        TransferComponents(2).fit(X, X_target=X)


def test_at_most_thirty_components():
    X = np.random.default_rng(0).normal(size=(40, 50))
    assert TransferComponents().fit(X, X_target=X + 1).transform(X).shape == (40, 30)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kernel": "rbv"}, "no kernel 'rbv'. Did you mean 'rbf'"),
        ({"mu": 0}, "mu is 0; give a number above 0"),
        ({"kernel": "rbf", "gamma": -1.0}, "gamma is -1.0; give"),
        (
            {"n_components": 0},
            "0 components are not among 1 to 5 that 60 .* source and 50 .* target",
        ),
        (
            {"n_components": 6},
            "6 components are more than the 5 that 60 .* source and 50 .* target",
        ),
        ({"n_components": 110, "kernel": "rbf"}, "110 components are more than the 109"),
    ],
)
def test_options_that_cannot_be_are_said(source, target, options, words):
    with pytest.raises(InputError, match=words):
        TransferComponents(**options).fit(source[0], X_target=target[0])


def test_rows_that_are_all_the_same_are_refused():
    with pytest.raises(InputError, match="all rows of source and target are the same"):
        TransferComponents(kernel="rbf").fit(np.ones((4, 2)), X_target=np.ones((5, 2)))
