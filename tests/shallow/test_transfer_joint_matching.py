"""TJM against its objective as the paper writes it, and against transfer components."""

import numpy as np
import pytest
from scipy.linalg import eig
from sklearn.metrics.pairwise import linear_kernel, rbf_kernel

from acclimate.core.errors import InputError
from acclimate.shallow.transfer_components import TransferComponents
from acclimate.shallow.transfer_joint_matching import TransferJointMatching

kernels = pytest.mark.parametrize("kernel", ["linear", "rbf"])


def terms(fitted, sources):
    """K H K, K M K, and Σ ‖a_i‖ of the source with Σ ‖a_i‖² of the target."""
    rows, A = fitted.rows_, fitted.weights_
    K = rbf_kernel(rows, gamma=fitted.gamma_) if fitted.gamma_ else linear_kernel(rows)
    count = len(K)
    side = np.r_[np.full(sources, 1 / sources), np.full(count - sources, -1 / (count - sources))]
    lengths = np.linalg.norm(A, axis=1)
    size = lengths[:sources].sum() + (lengths[sources:] ** 2).sum()
    return K @ (np.eye(count) - 1 / count) @ K, K @ np.outer(side, side) @ K, size


@kernels
def test_the_first_weights_are_of_transfer_components(source, target, kernel):
    options = {"n_components": 4, "kernel": kernel}
    first = TransferJointMatching(**options, regularisation=0.3, iterations=1)
    mapped = first.fit(source[0], X_target=target[0]).transform(target[0])
    components = TransferComponents(**options, mu=0.3).fit(source[0], X_target=target[0])
    scatter, _, _ = terms(components, 60)
    shares = np.diag(components.weights_.T @ scatter @ components.weights_)
    np.testing.assert_allclose(
        mapped, components.transform(target[0]) / np.sqrt(shares), rtol=1e-7, atol=1e-9
    )


@kernels
@pytest.mark.parametrize("iterations", [1, 5])
def test_the_objective_is_the_paper_s_under_its_constraint(source, target, kernel, iterations):
    matching = TransferJointMatching(3, kernel=kernel, regularisation=0.3, iterations=iterations)
    fitted = matching.fit(source[0], X_target=target[0])
    scatter, discrepancy, size = terms(fitted, 60)
    A = fitted.weights_
    np.testing.assert_allclose(A.T @ scatter @ A, np.eye(3), atol=1e-6)
    expected = np.trace(A.T @ discrepancy @ A) + 0.3 * size
    assert fitted.objective_[-1] == pytest.approx(expected, rel=1e-4)


@kernels
def test_each_solution_is_the_best_for_the_row_prices_of_the_one_before(source, target, kernel):
    options = {"n_components": 3, "kernel": kernel, "regularisation": 0.3}
    before, after = (
        TransferJointMatching(**options, iterations=count).fit(source[0], X_target=target[0])
        for count in (2, 3)
    )
    scatter, discrepancy, _ = terms(after, 60)
    prices = np.r_[0.5 / np.linalg.norm(before.weights_[:60], axis=1), np.ones(50)]
    penalty = discrepancy + 0.3 * np.diag(prices)
    shares = np.sort(eig(np.linalg.solve(penalty, scatter), right=False).real)[::-1][:3]
    A = after.weights_
    found = np.trace(A.T @ penalty @ A)  # under the constraint, the sum of 1 / θ
    assert found == pytest.approx((1 / shares).sum(), rel=1e-5)


@kernels
@pytest.mark.parametrize("regularisation", [10.0, 1.0, 0.01])
def test_the_objective_never_rises(source, target, kernel, regularisation):
    matching = TransferJointMatching(3, kernel=kernel, regularisation=regularisation, iterations=25)
    objective = matching.fit(source[0], X_target=target[0]).objective_
    assert len(objective) == 25
    assert (np.diff(objective) <= 1e-9 * objective[:-1]).all()
    assert objective[-1] < 0.99 * objective[0]


def test_with_a_narrow_kernel_source_rows_far_from_the_target_lose_their_weight_first():
    draws = np.random.default_rng(0)
    near, far = draws.normal(size=(30, 2)), draws.normal([8, 0], size=(30, 2))
    X_target = draws.normal(size=(40, 2))
    shares = []
    for iterations in (1, 2, 3):
        matching = TransferJointMatching(2, kernel="rbf", gamma=0.5, iterations=iterations)
        fitted = matching.fit(np.concatenate([near, far]), X_target=X_target)
        lengths = np.linalg.norm(fitted.weights_[:60], axis=1)
        shares.append(lengths[30:].mean() / lengths[:30].mean())
    assert shares[0] > 2 * shares[1] > 4 * shares[2]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"regularisation": 0.0}, "regularisation is 0.0; give a number above 0"),
        ({"iterations": 0}, "iterations is 0; give 1 or more"),
        (
            {"n_components": 6},
            "6 components are more than the 5 that 60 .* source and 50 .* target",
        ),
    ],
)
def test_options_that_cannot_be_are_said(source, target, options, words):
    with pytest.raises(InputError, match=words):
        TransferJointMatching(**options).fit(source[0], X_target=target[0])
