"""Adapters against those of skada, where its definition is the paper's or differs by a factor we know.

What it defines differently is converted in the test, and its docstring says how. The library is
optional; without it the tests are skipped.
"""

import numpy as np
import pytest
import sklearn

from acclimate.shallow.coral import CORAL
from acclimate.shallow.linear_optimal_transport import LinearOptimalTransport
from acclimate.shallow.transfer_components import TransferComponents
from acclimate.shallow.transfer_joint_matching import TransferJointMatching


@pytest.fixture(scope="module")
def skada():
    """The package; its import switches metadata routing on, of which other tests must see nothing."""
    with sklearn.config_context():
        return pytest.importorskip("skada", exc_type=ImportError)


@pytest.fixture
def joint(source, target):
    """All rows and whose they are, as skada takes them."""
    X = np.concatenate([source[0], target[0]])
    return X, np.concatenate([np.ones(60, int), np.full(50, -2)])


def test_coral_of_skada(skada, source, target, joint):
    """It subtracts each side's mean from that side, and its covariances divide by the row count."""
    theirs = skada.CORALAdapter(reg=None).fit_transform(joint[0], sample_domain=joint[1])[:60]
    ours = CORAL(regularisation=0).fit_transform(source[0], X_target=target[0])
    factor = np.sqrt(60 / 59 * 49 / 50)
    np.testing.assert_allclose((ours - target[0].mean(axis=0)) * factor, theirs, rtol=1e-7)


def test_linear_optimal_transport_of_skada(skada, source, target, joint):
    """Its ridge is absolute."""
    X, X_target = source[0], target[0]
    ridge = 0.01 * (X.var(axis=0).mean() + X_target.var(axis=0).mean()) / 2
    theirs = skada.LinearOTMappingAdapter(reg=ridge).fit_transform(joint[0], sample_domain=joint[1])
    ours = LinearOptimalTransport(0.01).fit_transform(X, X_target=X_target)
    np.testing.assert_allclose(ours, theirs[:60], rtol=1e-7)


@pytest.mark.filterwarnings("ignore:The solution of the generalized eigenvalue:UserWarning")
def test_joint_matching_of_skada(skada, source, target, joint):
    """It divides M by its norm, 1 / S + 1 / T, and a tolerance of −1 keeps it from stopping at once.

    It inverts K H K, nearly singular, where ours inverts the other side; so after two iterations, and
    with a kernel of many directions, it still agrees, and later its objective rises.
    """
    options = {"n_components": 3, "kernel": "rbf"}
    theirs = skada.TransferJointMatchingAdapter(**options, tradeoff=0.5, max_iter=2, tol=-1)
    ours = TransferJointMatching(
        **options, gamma=0.2, regularisation=0.5 * (1 / 60 + 1 / 50), iterations=2
    )
    np.testing.assert_allclose(
        abs(ours.fit(source[0], X_target=target[0]).transform(joint[0])),
        abs(theirs.fit_transform(joint[0], sample_domain=joint[1])),
        atol=1e-3,
    )


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_skada_s_transfer_components_miss_the_optimum(skada, source, target, joint, kernel):
    """It solves I + μ K L K, ours with 1 / μ, by a symmetric solver on a matrix that is not."""
    adapter = skada.TransferComponentAnalysisAdapter(kernel=kernel, n_components=3, mu=4.0)
    adapter.fit(joint[0], sample_domain=joint[1])
    transfer = TransferComponents(3, kernel=kernel, gamma=0.2, mu=0.25)
    ours = transfer.fit(source[0], X_target=target[0])
    K = adapter.K_
    side = np.r_[np.full(60, 1 / 60), np.full(50, -1 / 50)]
    scatter = K @ (np.eye(110) - 1 / 110) @ K
    penalty = K @ np.outer(side, side) @ K + 0.25 * np.eye(110)

    def trace(W):
        return np.trace(np.linalg.solve(W.T @ penalty @ W, W.T @ scatter @ W))

    assert trace(ours.weights_) > 1.001 * trace(adapter.eigvects_)
