"""What every shallow adapter keeps: scikit-learn's own checks, and what two domains ask for."""

import numpy as np
import pandas
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from acclimate.core.errors import InputError
from acclimate.shallow import adapters
from acclimate.shallow.base import DomainTransformer

every_adapter = pytest.mark.parametrize("name", adapters.names())
every_transformer = pytest.mark.parametrize(
    "name", [name for name, kind in adapters.items() if issubclass(kind, DomainTransformer)]
)


@parametrize_with_checks([kind() for _, kind in adapters.items()])
def test_scikit_learn(estimator, check):
    check(estimator)


def make(name):
    """The adapter as it comes, but for chance."""
    made = adapters.get(name)()
    return made.set_params(random_state=0) if "random_state" in made.get_params() else made


def fitted_values(estimator):
    """Arrays among the fitted attributes, those in lists of tuples as well."""

    def arrays(name, value):
        if isinstance(value, np.ndarray):
            yield name, value
        elif isinstance(value, (list, tuple)):
            for number, part in enumerate(value):
                yield from arrays(f"{name}.{number}", part)

    return dict(
        found
        for name, value in vars(estimator).items()
        if name.endswith("_")
        for found in arrays(name, value)
    )


def assert_same(first, second):
    """Up to what another order of the rows may do to the last digits."""
    digits = (
        {"rtol": 1e-6, "atol": 1e-9} if first.dtype == np.float64 else {"rtol": 1e-3, "atol": 1e-5}
    )
    np.testing.assert_allclose(first, second, **digits)


def joined(source, target):
    """Rows of both domains mixed, their labels (wrong ones for the target), and who is who."""
    X = np.concatenate([source[0], target[0]])
    y = np.concatenate([source[1], np.full(len(target[1]), "no")])
    domain = np.concatenate([np.ones(len(source[1]), int), np.full(len(target[1]), -2)])
    order = np.random.default_rng(0).permutation(len(X))
    order = np.concatenate([order[domain[order] > 0], order[domain[order] < 0]])
    return X[order], y[order], domain[order], order


@every_transformer
def test_both_spellings_of_two_domains(name, source, target):
    X, y, domain, order = joined(source, target)
    sources, targets = order[domain > 0], order[domain < 0] - len(source[1])
    apart = make(name).fit(source[0][sources], source[1][sources], X_target=target[0][targets])
    together = make(name).fit(X, y, sample_domain=domain)
    assert_same(together.transform(target[0]), apart.transform(target[0]))
    everything = make(name).fit_transform(X, y, sample_domain=domain)
    assert_same(everything, together.transform(X, domain))


@every_adapter
def test_target_rows_matter(name, source, target):
    first = fitted_values(make(name).fit(*source, X_target=target[0]))
    second = fitted_values(make(name).fit(*source, X_target=2 * target[0] + 1))
    assert any(
        np.shape(value) != np.shape(second[key]) or not np.array_equal(value, second[key])
        for key, value in first.items()
    )


@every_adapter
def test_labels_of_target_rows_are_never_read(name, source, target):
    X, y, domain, _ = joined(source, target)
    first = fitted_values(make(name).fit(X, y, sample_domain=domain))
    y = np.where(domain < 0, "another class", y)
    second = fitted_values(make(name).fit(X, y, sample_domain=domain))
    for key, value in first.items():
        np.testing.assert_array_equal(value, second[key])


@every_adapter
def test_inputs_are_left_as_they_were(name, source, target):
    X, y, X_target = source[0].copy(), source[1].copy(), target[0].copy()
    make(name).fit(X, y, X_target=X_target)
    assert (source[0] == X).all()
    assert (y == source[1]).all()
    assert (X_target == target[0]).all()


@every_transformer
def test_float32_stays_float32(name, source, target):
    fitted = make(name).fit(
        source[0].astype(np.float32), source[1], X_target=target[0].astype(np.float32)
    )
    assert fitted.transform(target[0].astype(np.float32)).dtype == np.float32


@every_adapter
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda X, T: {"X_target": T[:, :3]}, "5 features and X_target 3"),
        (lambda X, T: {"X_target": T, "sample_domain": [1] * 60}, "not both"),
        (lambda X, T: {"sample_domain": [1] * 60}, "no row of the target"),
        (lambda X, T: {"sample_domain": [-1] * 60}, "no row of the source"),
        (lambda X, T: {"sample_domain": [1, -1]}, "a number for each"),
        (lambda X, T: {"X_target": T * np.nan}, "X_target contains NaN"),
        (lambda X, T: {"X_target": T[:0]}, "0 sample"),
    ],
)
def test_what_does_not_fit_is_said(name, change, words, source, target):
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        make(name).fit(*source, **change(source[0], target[0]))


@every_adapter
def test_components_are_not_more_than_there_are(name, source, target):
    estimator = make(name)
    if "n_components" not in estimator.get_params():
        pytest.skip("has no components")
    estimator.set_params(n_components=99)
    with pytest.raises(InputError, match="99 components are more than"):
        clone(estimator).fit(*source, X_target=target[0])


@every_transformer
def test_pipelines_pass_the_target_on(name, source, target):
    by_step = make_pipeline(make(name), LogisticRegression())
    by_step.fit(*source, **{f"{type(make(name)).__name__.lower()}__X_target": target[0]})
    with config_context(enable_metadata_routing=True):
        routed = make_pipeline(make(name), LogisticRegression()).fit(*source, X_target=target[0])
        found = routed.predict(target[0])
    np.testing.assert_array_equal(found, by_step.predict(target[0]))


@every_adapter
def test_columns_of_the_target_in_another_order_are_refused(name, source, target):
    """Told by their place alone they would be mixed up without a word."""
    columns = [f"c{number}" for number in range(source[0].shape[1])]
    ours, theirs = (pandas.DataFrame(each[0], columns=columns) for each in (source, target))
    make(name).fit(ours, source[1], X_target=theirs)
    with pytest.raises(InputError, match="column 1 is 'c0' in X and 'c1' in X_target") as caught:
        make(name).fit(ours, source[1], X_target=theirs[["c1", "c0", *columns[2:]]])
    assert "\n" not in str(caught.value)
    make(name).fit(ours, source[1], X_target=theirs.to_numpy())  # without names it is the place
