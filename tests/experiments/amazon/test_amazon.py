"""The parts of the Amazon table against closed forms and brute force; the table on drawn documents."""

from itertools import product

import numpy as np
import pytest
from scipy import sparse
from sklearn.dummy import DummyClassifier
from sklearn.svm import SVC

from acclimate.core.errors import ConfigurationError, RecordError, UnknownNameError
from acclimate.experiments.amazon import representations, run
from acclimate.experiments.amazon.choosing import choose, reverse_risk
from acclimate.experiments.amazon.linear import LinearMachine, distance, logistic_regression
from acclimate.experiments.amazon.page import lines_of, page
from acclimate.experiments.amazon.published import COLUMNS, TASKS, published
from acclimate.experiments.amazon.representations import Part, Representations, Task
from acclimate.experiments.amazon.results import (
    AmazonResult,
    better_on_most,
    better_on_one,
    packed,
    read,
)

# what facts of the paper's table say of its columns
MEANS = {"dann": 76.27, "nn": 76.07, "svm": 75.97}
MEANS |= {"msda-dann": 81.32, "msda-nn": 80.27, "msda-svm": 80.18}


def documents(count, seed, shift=0):
    """Counts of 40 words, of which four tell the class and four the domain."""
    draws = np.random.default_rng(seed)
    labels = np.resize([-1, 1], count)
    rates = np.full((count, 40), 0.5)
    rates[labels == 1, :4] += 2
    rates[:, 10 + shift : 14 + shift] += 2
    return Part(sparse.csr_matrix(draws.poisson(rates).astype(np.float32)), labels)


@pytest.fixture
def task():
    return Task(documents(80, 0), documents(60, 1, shift=5), documents(50, 2, shift=5))


@pytest.mark.parametrize("row", COLUMNS)
def test_the_papers_numbers_are_complete(row):
    cells = published(row)
    assert set(cells) == set(TASKS)
    assert np.mean(list(cells.values())) == pytest.approx(MEANS[row], abs=0.01)


def test_which_is_better_by_simulation():
    draws = np.random.default_rng(0)
    first, second = draws.random((2, 300)) < np.array([[0.8], [0.76]])
    ours, theirs = (first & ~second).sum(), (second & ~first).sum()
    shares = draws.dirichlet([ours + 1, theirs + 1, 301 - ours - theirs], 40_000)
    simulated = np.mean(shares[:, 0] > shares[:, 1])
    assert better_on_one(first, second) == pytest.approx(simulated, abs=0.01)
    assert better_on_one(first, second) + better_on_one(second, first) == pytest.approx(1)


@pytest.mark.parametrize("probabilities", [[0.9, 0.3, 0.6], [0.2, 0.7, 0.7, 0.55], [0.5] * 4])
def test_which_is_better_on_most_by_enumeration(probabilities):
    total = 0.0
    for outcome in product([0, 1], repeat=len(probabilities)):
        pairs = zip(outcome, probabilities, strict=True)
        chance = np.prod([p if won else 1 - p for won, p in pairs])
        total += chance * {1: 1.0, 0: 0.5, -1: 0.0}[int(np.sign(2 * sum(outcome) - len(outcome)))]
    assert better_on_most(probabilities) == pytest.approx(total)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_the_machine_is_scikit_learns(kind, task):
    rows = task.source.rows.toarray()
    reference = SVC(C=0.05, kernel="linear").fit(rows, task.source.labels)
    ours = LinearMachine(0.05).fit(kind(rows), task.source.labels)
    found = kind(rows) @ ours.coef_ + ours.intercept_
    np.testing.assert_allclose(found, reference.decision_function(rows), atol=1e-4)
    np.testing.assert_array_equal(
        ours.predict(task.test.rows), reference.predict(task.test.rows.toarray())
    )


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_distance_of_domains(kind):
    draws = np.random.default_rng(0)
    rows = draws.normal(size=(200, 5))
    assert distance(kind(rows[:100]), kind(rows[100:])) < 0.4
    assert distance(kind(rows[:100]), kind(rows[100:] + 9)) == 2


def test_the_reverse_risk_prefers_a_model_that_learns(task):
    learnt = reverse_risk(LinearMachine(0.01), task, 0, adapts=False)
    assert learnt < 0.3
    assert reverse_risk(DummyClassifier(), task, 0, adapts=False) >= 0.4
    best = choose(LinearMachine, [{"C": 1e-9}, {"C": 0.01}], task, 0, adapts=False)
    assert best.options == {"C": 0.01}
    assert best.risk == learnt


def test_no_label_of_target_or_test_is_looked_at(task):
    mute = Task(task.source, *(Part(part.rows, None) for part in task[1:]))
    for row in run.ROWS:
        if row.oracle or "denoised" in row.features:
            continue
        chosen = {"hidden": 5, "domain_weight": 0.1} if row.seeds else None
        if row.name == "subspace-alignment":
            continue  # a hundred components want more documents
        first = row.run(task, 0, chosen).predicted
        np.testing.assert_array_equal(first, row.run(mute, 0, chosen).predicted)


@pytest.mark.parametrize("weighted", [True, False])
def test_coordinates_keep_inner_products(weighted, monkeypatch, tmp_path):
    monkeypatch.setattr(representations, "load", drawn)
    # as many principal directions as 80 centred rows have
    monkeypatch.setattr(representations, "LEADING", 79)
    made = Representations(tmp_path)
    there = made.denoised("dvd", "books", weighted)
    back = made.denoised("books", "dvd", weighted)
    plain = (made.weighted if weighted else made.counts)("books", "dvd")
    msda = representations.MSDA()
    train = msda.fit_transform(sparse.vstack([plain.source.rows, plain.target.rows]))
    mapped = msda.transform(plain.test.rows) - train.mean(0)
    train = train - train.mean(0)
    rows = np.concatenate([back.source.rows, back.target.rows])
    scale = np.abs(train @ train.T).max()
    np.testing.assert_allclose(rows @ rows.T, train @ train.T, atol=1e-3 * scale)
    np.testing.assert_allclose(back.test.rows @ rows.T, mapped @ train.T, atol=1e-3 * scale)
    np.testing.assert_array_equal(there.source.rows, back.target.rows)


def test_principal_coordinates_are_the_leading_ones(monkeypatch, tmp_path):
    monkeypatch.setattr(representations, "load", drawn)
    monkeypatch.setattr(representations, "LEADING", 5)
    made = Representations(tmp_path).denoised("books", "dvd", weighted=False)
    rows = np.concatenate([made.source.rows, made.target.rows])
    plain = Representations(tmp_path).counts("books", "dvd")
    train = representations.MSDA().fit_transform(
        sparse.vstack([plain.source.rows, plain.target.rows])
    )
    values = np.linalg.svd(train - train.mean(0), compute_uv=False)[:5]
    np.testing.assert_allclose(np.linalg.svd(rows, compute_uv=False), values, rtol=1e-3)


def drawn(domain, split):
    shift = 5 * (domain == "dvd")
    return documents(40 if split == "train" else 30, len(domain) + len(split), shift)


def test_the_table_goes_on_where_it_was(monkeypatch, tmp_path):
    monkeypatch.setattr(representations, "load", drawn)
    rows = ["nn", "svm", "source-only", "best", "train-on-target"]
    jobs = run.wanted([f"books-dvd/{row}" for row in rows], [0, 1])
    options = {"runs": tmp_path / "runs", "results": tmp_path, "threads": 1, "command": "…"}
    run.run(jobs, **options)
    paths = sorted(tmp_path.glob("amazon/books-dvd/*.json"))
    assert [path.stem for path in paths] == [
        "best-seed0", "nn-seed0", "nn-seed1", "source-only-seed0", "svm-seed0", "train-on-target-seed0",
    ]  # fmt: skip
    before = [path.stat().st_mtime_ns for path in paths]
    paths[3].unlink()
    run.run(jobs, **options)
    assert [path.stat().st_mtime_ns for path in paths[:3]] == before[:3]
    results = read(tmp_path)
    assert {line.row.name for line in lines_of(results)} == set(rows)
    networks = [result for result in results if result.row == "nn"]
    assert networks[0].chosen == networks[1].chosen
    best = next(result for result in results if result.row == "best")
    assert best.correct.mean() == best.oracle_target_accuracy > 0.7


def test_page_and_comparisons():
    draws = np.random.default_rng(0)

    def result(row, task, share):
        correct = draws.random(400) < share
        return AmazonResult(
            row=row, task=task, seed=0, features="counts", chosen={}, test_items=400,
            oracle_target_accuracy=correct.mean(), oracle_correct=packed(correct), seconds=1,
            threads=1, processor="P", command="c",
        )  # fmt: skip

    results = [
        result(row, task, s) for row, s in (("best", 0.9), ("source-only", 0.7)) for task in TASKS
    ]
    text = page(results)
    assert "| best | source-only | 1.00 | 12 |" in text
    assert "| 0.0005 |" in text  # 2 / 2 ** 12: the smallest that twelve tasks can give


def test_logistic_regression_chooses_by_the_rows_it_is_given(task):
    model, strength = logistic_regression(*task.source, 0)
    assert strength == model.C
    assert model.score(*task.source) > 0.8


def test_names():
    assert [job.task for job in run.wanted(["*/nn"], [0])] == list(TASKS)
    assert len(run.wanted([], [0])[0].rows) == len(run.ROWS)
    with pytest.raises(ConfigurationError, match=r"no task 'book-dvd'\. Did you mean 'books-dvd'"):
        run.wanted(["book-dvd"], [0])
    with pytest.raises(UnknownNameError, match="Did you mean 'dann'"):
        run.wanted(["books-dvd/dan"], [0])


def test_a_damaged_result_is_named(tmp_path):
    path = tmp_path / "amazon" / "books-dvd" / "nn-seed0.json"
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    with pytest.raises(RecordError, match="is no result of the Amazon table"):
        read(tmp_path)
