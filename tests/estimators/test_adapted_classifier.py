"""The classifier with two domains: every spelling, every kind of label and row, every mistake."""

import pickle
from typing import ClassVar

import numpy as np
import pandas
import pytest
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from acclimate import AdaptedClassifier
from acclimate.algorithms import algorithms, names_for
from acclimate.core.errors import InputError
from acclimate.estimators import adapted_classifier
from acclimate.estimators.training import train_in_memory

QUICK = {"steps": 40, "random_state": 0, "evaluations": 2}


def quick(algorithm="dann", **options):
    return AdaptedClassifier(algorithm, **{**QUICK, **options})


def joint(source, target):
    X = np.concatenate([source[0], target[0]])
    y = np.concatenate([source[1], np.full(len(target[1]), "never read")])
    return X, y, np.concatenate([np.zeros(len(source[1])), np.full(len(target[1]), -1)])


def test_adapting_helps_where_the_clouds_lie_apart(source, target):
    options = {"steps": 300, "random_state": 0}
    alone = AdaptedClassifier("source-only", **options).fit(*source).score(*target)
    adapted = AdaptedClassifier("dann", **options).fit(*source, X_target=target[0])
    assert alone < 0.8
    assert adapted.score(*target) > alone + 0.1
    assert adapted.estimate_.low <= adapted.estimate_.value <= adapted.estimate_.high


def test_both_spellings_are_the_same_model(source, target):
    X, y, domain = joint(source, target)
    apart = quick().fit(*source, X_target=target[0])
    together = quick().fit(X, y, sample_domain=domain)
    np.testing.assert_array_equal(apart.predict_proba(target[0]), together.predict_proba(target[0]))


def test_the_order_of_rows_does_not_matter(source, target):
    order = np.random.default_rng(0).permutation(len(source[1]))
    first = quick().fit(*source, X_target=target[0])
    second = quick().fit(source[0][order], source[1][order], X_target=target[0][::-1])
    np.testing.assert_array_equal(first.predict_proba(target[0]), second.predict_proba(target[0]))


@pytest.mark.parametrize("rows", [60, 120])  # without and with rows set aside
def test_a_weight_of_two_is_a_row_given_twice(source, target, rows):
    X, y = source[0][:rows], source[1][:rows]
    weights = np.random.default_rng(0).integers(0, 3, rows)
    weighted = quick(validation_fraction=0).fit(X, y, target[0], sample_weight=weights)
    repeated = quick(validation_fraction=0).fit(X.repeat(weights, 0), y.repeat(weights), target[0])
    np.testing.assert_array_equal(
        weighted.predict_proba(target[0]), repeated.predict_proba(target[0])
    )


@pytest.mark.parametrize("classes", [[-1, 1], [-1, 0, 1], ["a", "b"], [False, True], [7, 9]])
def test_any_kind_of_label(classes, target):
    draws = np.random.default_rng(0)
    index = draws.integers(0, len(classes), 80)
    X = draws.normal(size=(80, 3)) * 0.2 + 4 * np.eye(3)[index]
    y = np.array(classes)[index]
    before = y.copy()
    model = quick(steps=80).fit(X, y, X_target=X + 0.1)
    assert list(model.classes_) == sorted(classes)
    assert model.predict(X).dtype == y.dtype
    assert (model.predict(X + 0.1) == y).mean() > 0.95
    assert (y == before).all()


@pytest.mark.parametrize(
    "name", [n for n in names_for("classification") if not algorithms.get(n).oracle]
)
def test_every_algorithm(name, source, target):
    model = quick(name, steps=8, batch_size=16).fit(*source, X_target=target[0])
    assert np.isfinite(model.predict_proba(target[0])).all()
    assert model.transform(target[0]).shape == (110, 100)


def test_sparse_rows_stay_sparse_and_say_the_same(source, target, monkeypatch):
    X, X_target = np.maximum(source[0], 0), np.maximum(target[0], 0)
    dense = quick(preprocessing="none").fit(X, source[1], X_target=X_target)
    largest = []
    toarray = sparse.csr_matrix.toarray
    monkeypatch.setattr(
        sparse.csr_matrix,
        "toarray",
        lambda self, *a, **k: (largest.append(self.shape[0]), toarray(self, *a, **k))[1],
    )
    thin = quick().fit(sparse.csr_matrix(X), source[1], X_target=sparse.csr_matrix(X_target))
    assert 0 < max(largest) <= 100  # batches, and the held-out rows
    np.testing.assert_allclose(
        thin.predict_proba(X_target), dense.predict_proba(X_target), rtol=1e-5
    )


def test_pandas(source, target):
    names = ["width", "height", "depth"]
    frames = [pandas.DataFrame(X, columns=names) for X in (source[0], target[0])]
    model = quick().fit(frames[0], pandas.Series(source[1]), X_target=frames[1])
    assert list(model.feature_names_in_) == names
    np.testing.assert_array_equal(
        model.predict(frames[1]), quick().fit(*source, X_target=target[0]).predict(target[0])
    )


def test_columns_of_the_target_in_another_order_are_refused(source, target):
    ours, theirs = (pandas.DataFrame(each[0], columns=list("abc")) for each in (source, target))
    with pytest.raises(InputError, match="column 1 is 'a' in X and 'b' in X_target"):
        quick().fit(ours, source[1], X_target=theirs[["b", "a", "c"]])


def test_pictures():
    draws = np.random.default_rng(0)
    y = np.repeat([0, 1], 30)
    X = draws.integers(0, 80, (60, 28, 28, 3), dtype=np.uint8) + 150 * y[:, None, None, None]
    X = X.astype(np.uint8)
    model = quick(steps=20, batch_size=8, preprocessing="mean").fit(X, y, X_target=255 - X[::-1])
    assert model.score(X, y) > 0.9
    first = model.predict_proba(X.transpose(0, 3, 1, 2) / 255)
    np.testing.assert_allclose(first, model.predict_proba(X), atol=1e-5)
    with pytest.raises(ValueError, match="fitted on"):
        model.predict(X[:, :20, :20])
    with pytest.raises(InputError, match="fitted on pictures"):
        model.predict(X.reshape(len(X), -1))


def test_a_few_labels_of_the_target(source, target):
    known = np.full(110, None, dtype=object)
    for label in ("cat", "dog"):
        known[np.flatnonzero(target[1] == label)[:5]] = label
    without = AdaptedClassifier("source-only", steps=200, random_state=0)
    with_some = clone(without).fit(*source, X_target=target[0], y_target=known)
    assert with_some.score(*target) > without.fit(*source, X_target=target[0]).score(*target)


def test_labelled_rows_of_the_target_are_not_set_aside(source, target, monkeypatch):
    """The estimate would else be of rows whose labels were trained on."""
    rows = np.concatenate([target[0], target[0] + 0.01])
    known = np.full(len(rows), None, dtype=object)
    known[::2] = np.concatenate([target[1], target[1]])[::2]
    seen = {}

    def note(settings, task, choose):
        seen["task"], seen["chosen"] = task, choose
        return train_in_memory(settings, task, choose)

    monkeypatch.setattr(adapted_classifier, "train_in_memory", note)
    quick().fit(*source, X_target=rows, y_target=known)
    parts = seen["task"].target
    aside, labelled, adapt = (
        {tuple(row) for row in part.store.tensor.tolist()}
        for part in (parts.evaluate, parts.labelled, parts.adapt)
    )
    assert seen["chosen"]
    assert len(aside) == 11
    assert not aside & labelled
    assert labelled < adapt
    assert len(adapt) == 220 - 11
    # with fewer than 100 others there are none to set aside
    known[::20] = None
    known[1::2] = np.concatenate([target[1], target[1]])[1::2]
    quick().fit(*source, X_target=rows, y_target=known)
    assert not seen["chosen"]


@pytest.mark.parametrize("nothing", [None, np.nan, pandas.NA, pandas.NaT])
def test_ways_to_have_no_label(nothing, source, target):
    known = np.full(110, nothing, dtype=object)
    known[:10] = target[1][:10]
    expected = np.full(110, None, dtype=object)
    expected[:10] = target[1][:10]
    ours, theirs = (quick().fit(*source, X_target=target[0], y_target=y) for y in (known, expected))
    np.testing.assert_array_equal(ours.predict_proba(target[0]), theirs.predict_proba(target[0]))


@pytest.mark.parametrize("kind", ["numbers", "texts", "pandas", "objects"])
def test_labels_of_target_rows_may_be_missing(kind, source, target):
    X, y, domain = joint(source, target)
    numbers = np.where(y == "cat", 1.0, 0.0)
    made = {
        "numbers": np.where(domain < 0, np.nan, numbers),
        "texts": np.where(domain < 0, None, y),
        "pandas": pandas.Series(numbers).where(domain >= 0).astype("Int64"),
        "objects": [None if d < 0 else int(n) for d, n in zip(domain, numbers, strict=True)],
    }[kind]
    whole = {"texts": y}.get(kind, numbers if kind == "numbers" else numbers.astype(int))
    ours, theirs = (quick().fit(X, each, sample_domain=domain) for each in (made, whole))
    assert ours.classes_.tolist() == theirs.classes_.tolist()
    np.testing.assert_array_equal(ours.predict_proba(target[0]), theirs.predict_proba(target[0]))


def test_a_row_given_often_counts_often_in_the_estimate(source, target):
    """Rows between the classes 40 times: the estimate falls as it does for as many rows like them."""
    model = quick(validation_fraction=0.5)
    between = np.full((10, 3), target[0].mean()) + 1e-3 * np.arange(10)[:, None]
    often = np.repeat(between, 40, 0)
    nearly = often + 1e-6 * np.arange(400)[:, None]
    once, found, expected = (
        model.fit(*source, X_target=np.concatenate([target[0], rows])).estimate_.value
        for rows in (between, often, nearly)
    )
    assert once - expected > 0.2
    assert found == pytest.approx(expected, abs=0.1)


def test_several_sources(source, target):
    X, y, domain = joint(source, target)
    domain[:40] = 1
    model = quick("multi-source-dann").fit(X, y, sample_domain=domain)
    assert model.predict(target[0]).shape == (110,)


def test_clone_pickle_grid_and_pipeline(source, target):
    model = quick().fit(*source, X_target=target[0])
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(target[0]), model.predict_proba(target[0]))
    pipeline = make_pipeline(StandardScaler(), clone(model))
    search = GridSearchCV(pipeline, {"adaptedclassifier__algorithm": ["source-only", "dann"]}, cv=2)
    search.fit(*source, adaptedclassifier__X_target=target[0])
    assert search.predict(target[0]).shape == (110,)


class Noting(AdaptedClassifier):
    """Notes how many rows of each domain it is fitted to."""

    seen: ClassVar[list[tuple[int, int]]] = []

    def fit(self, X, y, X_target=None, sample_domain=None):
        count = len(X_target) if sample_domain is None else int((sample_domain < 0).sum())
        self.seen.append((len(X) - (0 if sample_domain is None else count), count))
        return super().fit(X, y, X_target=X_target, sample_domain=sample_domain)


@pytest.fixture
def seen():
    Noting.seen.clear()
    return Noting.seen


def searched(**more):
    return GridSearchCV(Noting(steps=2, random_state=0, evaluations=1), {"batch_size": [8]}, **more)


def test_a_search_by_domains_shows_every_fold_the_whole_target(source, target, seen):
    """As the page has it: source rows are held out, and the target's never."""
    X, y, domain = joint(source, target)
    folds = PredefinedSplit(np.where(domain >= 0, np.arange(len(X)) % 3, -1))
    search = searched(cv=folds).fit(X, y, sample_domain=domain)
    assert seen == [*[(80, 110)] * 3, (120, 110)]
    # so even the accuracy of held-out rows is the source's alone
    alone = Noting(steps=2, random_state=0, evaluations=1, batch_size=8)
    held = np.arange(len(X)) % 3 == 0
    kept = ~held | (domain < 0)
    alone.fit(X[kept], y[kept], sample_domain=domain[kept])
    assert search.cv_results_["split0_test_score"][0] == alone.score(X[~kept], y[~kept])


@pytest.mark.parametrize(("rows", "shown"), [(110, 55), (109, 110)])
def test_a_search_cuts_a_target_as_long_as_the_source(source, target, seen, rows, shown):
    """What the page warns of: scikit-learn takes it for something that belongs to the rows of X."""
    searched(cv=2).fit(source[0][:rows], source[1][:rows], X_target=target[0])
    assert [count for _, count in seen] == [shown, shown, 110]


def test_nothing_global_is_changed(source, target):
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    numpy_state = np.random.get_state()[1].copy()
    quick("vat").fit(*source, X_target=target[0])
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    assert (np.random.get_state()[1] == numpy_state).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"X_target": np.zeros((9, 2))}, "the source has 3 features and X_target 2"),
        ({"X_target": np.full((9, 3), np.nan)}, "X_target contains NaN"),
        ({"X_target": np.full((9, 3), np.inf)}, "X_target contains infinity"),
        ({"y": ["cat"] * 119}, "inconsistent numbers of samples"),
        ({"y": ["cat"] * 120}, "a single class, 'cat'"),
        ({"y": np.linspace(0, 1, 120)}, "Unknown label type"),
        ({"sample_weight": -np.ones(120)}, "negative numbers"),
        ({"sample_weight": np.zeros(120)}, "at least one non-zero"),
        ({"y_target": ["cat"]}, "110 rows and y_target 1"),
        ({"y_target": ["bird", *[None] * 109]}, "label 'bird', which the source lacks"),
        ({"y_target": [None] * 110}, "holds no label"),
        ({"sample_domain": np.ones(120)}, "not both"),
        ({"X_target": None, "sample_domain": np.ones(120)}, "no row of the target"),
        ({"X_target": None, "sample_domain": np.full(120, np.nan)}, "with NaN for 120 rows"),
        ({"X_target": None, "y_target": [None] * 110}, "without X_target"),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(change, words, source, target):
    given = {"X": source[0], "y": source[1], "X_target": target[0], **change}
    with pytest.raises(ValueError, match=words):
        quick().fit(**given)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"algorithm": "dan-n"}, "Did you mean 'dann'"),
        ({"algorithm_options": {"wieght": 1}}, "Did you mean 'weight'"),
        ({"network": "mlq"}, "Did you mean 'mlp'"),
        ({"algorithm": "train-on-target"}, "is an oracle"),
        ({"steps": -1}, "steps"),
        ({"validator": "defualt"}, "Did you mean 'default'"),
        ({"validation_fraction": -0.1}, "validation_fraction is -0.1"),
        ({"validation_fraction": 1.0}, "validation_fraction is 1.0"),
        ({"batch_size": 0}, "batch_size is 0"),
    ],
)
def test_wrong_options_are_explained(options, words, source, target):
    with pytest.raises(Exception, match=words) as caught:
        AdaptedClassifier(**{**QUICK, **options}).fit(*source, X_target=target[0])
    assert "\n" not in str(caught.value)
