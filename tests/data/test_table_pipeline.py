"""Columns become vectors as scikit-learn's parts make them, and come back from disk the same."""

import io
import json
import os
import pickle
import zipfile

import numpy as np
import pandas
import pytest
import torch
from scipy import sparse
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from skops import io as skops_io

from acclimate.core.errors import ConfigurationError, DataError, ModelFileError
from acclimate.data.columns import cast
from acclimate.data.domain import ResidentStore, SparseStore
from acclimate.data.safe_pipeline import TABLE_NAME, load_pipeline, save_pipeline
from acclimate.data.table_domains import learn_tables, load_tables
from acclimate.data.table_options import TableOptions
from acclimate.data.table_pipeline import BUCKETS, fit_pipeline

KINDS = {"age": "numeric", "city": "category", "words": "text"}
WORDS = ["good fine film", "bad dull film", "fine film", "dull film"] * 6


def table(count=24, **changed):
    columns = {
        "age": [20.0, 30.0, 40.0, None] * 6,
        "city": ["Paris", "Paris", "Rome", None] * 6,
        "words": WORDS,
        "y": ["a", "b"] * 12,
    }
    return pandas.DataFrame({**columns, **changed}).head(count)


@pytest.fixture
def pipeline():
    return fit_pipeline([cast(table(), KINDS), cast(table(12), KINDS)], KINDS)


def dense(rows):
    return rows.toarray() if sparse.issparse(rows) else rows


def test_features_are_named_and_scaled(pipeline):
    names = pipeline.feature_names
    assert names[:5] == ("age", "age is missing", "city is missing", "city = Paris", "city = Rome")
    assert "words: fine film" in names
    assert len(names) == pipeline.width == len(set(names))
    rows = dense(pipeline.transform("a", cast(table(), KINDS)))
    assert rows.dtype == np.float32
    ages = np.array([20.0, 30, 40, 30] * 9)  # 30 is the median
    np.testing.assert_allclose(rows[:4, 0], (ages[:4] - ages.mean()) / ages.std(), rtol=1e-5)
    np.testing.assert_array_equal(rows[:4, 2:5], [[0, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]])


def test_text_is_as_scikit_learn_counts_it(pipeline):
    part = [
        place for place, name in enumerate(pipeline.feature_names) if name.startswith("words: ")
    ]
    words = TfidfVectorizer(ngram_range=(1, 2), min_df=3, sublinear_tf=True)
    words.fit([*WORDS, *WORDS[:12]])
    rows = dense(pipeline.transform("a", cast(table(), KINDS)))
    np.testing.assert_allclose(rows[:, part], words.transform(WORDS).toarray(), rtol=1e-5)


@pytest.fixture
def hashed():
    return fit_pipeline([cast(table(), KINDS), cast(table(12), KINDS)], KINDS, "hashing")


def test_hashed_text_is_as_scikit_learn_counts_it(hashed):
    """Buckets hold counts of words and pairs, weighed by the rows of both tables."""
    hashing = HashingVectorizer(
        ngram_range=(1, 2), n_features=BUCKETS, alternate_sign=False, norm=None
    )
    weigh = TfidfTransformer(sublinear_tf=True).fit(hashing.transform([*WORDS, *WORDS[:12]]))
    new = ["a good fine film good", "never seen before", "", "dull"] * 6
    rows = hashed.transform("a", cast(table(words=new), KINDS))
    assert sparse.issparse(rows)
    assert hashed.feature_names[-1] == f"words: bucket {BUCKETS - 1}"
    assert hashed.width == rows.shape[1] == 5 + BUCKETS
    expected = weigh.transform(hashing.transform(new))
    np.testing.assert_allclose(rows[:, 5:].data, expected.data, rtol=1e-6)
    np.testing.assert_array_equal(rows[:, 5:].indices, expected.indices)
    # words that were never seen fill buckets of their own
    assert hashed.wordless(rows) == ["6 of 24 rows have no known word in 'words'"]


def test_hashed_text_comes_back_from_disk_the_same(tmp_path, hashed, pipeline):
    save_pipeline(tmp_path / TABLE_NAME, hashed)
    again = load_pipeline(tmp_path / TABLE_NAME)
    assert (again.feature_names, again.kinds) == (hashed.feature_names, KINDS)
    frame = cast(table(words=["unheard of film", "", "good", "bad"] * 6), KINDS)
    found, expected = again.transform("a", frame), hashed.transform("a", frame)
    assert (found != expected).nnz == 0
    # no list of words is kept, which is what hashing is for
    save_pipeline(tmp_path / "listed.skops", pipeline)
    for name, listed in ((TABLE_NAME, False), ("listed.skops", True)):
        with zipfile.ZipFile(tmp_path / name) as archive:
            assert (b"fine film" in archive.read("schema.json")) == listed


def test_rare_and_unknown_categories_share_a_feature():
    city = ["Paris"] * 20 + ["Oslo", "Oslo", "Bern", "Genf"]
    kinds = {"city": "category"}
    made = fit_pipeline([cast(table(city=city), kinds)], kinds)
    assert made.feature_names == ("city = Paris", "city is rare")
    new = cast(pandas.DataFrame({"city": ["Paris", "Bern", "Athens"]}), kinds)
    np.testing.assert_array_equal(dense(made.transform("a", new)), [[1, 0], [0, 1], [0, 1]])
    (line,) = made.unknown(new)
    assert line.startswith("1 of 3 rows have a category in 'city'")
    assert "'Athens'" in line


def test_rows_without_known_words_are_counted(pipeline):
    new = cast(table(4, words=["xyz", "film", "", "good"] * 6), KINDS)
    assert pipeline.wordless(pipeline.transform("a", new)) == [
        "2 of 4 rows have no known word in 'words'"
    ]


@pytest.mark.parametrize("text_features", ["tf-idf", "hashing"])
def test_text_without_words(text_features):
    different = cast(table(words=[f"word{i}" for i in range(24)]), KINDS)
    for frames in ([different], [cast(table(words=[""] * 24), KINDS)]):
        with pytest.raises(DataError, match="'words' has no word that stands in 3 rows"):
            fit_pipeline(frames, KINDS, text_features)
    thrice = cast(table(words=["again"] * 3 + [f"word{i}" for i in range(21)]), KINDS)
    fit_pipeline([thrice], KINDS, text_features)


def test_it_comes_back_from_disk_the_same(tmp_path, pipeline):
    save_pipeline(tmp_path / TABLE_NAME, pipeline)
    again = load_pipeline(tmp_path / TABLE_NAME)
    assert again.feature_names == pipeline.feature_names
    assert again.kinds == pipeline.kinds == KINDS
    frame = cast(table(city=["Athens", "Rome"] * 12), KINDS)
    np.testing.assert_array_equal(
        dense(again.transform("a", frame)), dense(pipeline.transform("a", frame))
    )
    assert again.unknown(frame) == pipeline.unknown(frame)


def changed(path, change):
    """The file with its schema changed."""
    with zipfile.ZipFile(path) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(held["schema.json"])
    change(schema)
    held["schema.json"] = json.dumps(schema).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in held.items():
            archive.writestr(name, content)


def a_function(schema):
    schema["content"]["content"]["extra"] = {
        "__class__": "system", "__module__": "os", "__loader__": "FunctionNode", "__id__": 1,
    }  # fmt: skip


def another_loader(schema):
    schema["__loader__"] = "MethodNode"


@pytest.mark.parametrize("change", [a_function, another_loader])
def test_a_file_with_anything_else_is_refused(tmp_path, pipeline, change):
    path = tmp_path / TABLE_NAME
    save_pipeline(path, pipeline)
    changed(path, change)
    with pytest.raises(ModelFileError, match="which no pipeline of acclimate has"):
        load_pipeline(path)


def test_other_files_are_refused(tmp_path):
    path = tmp_path / TABLE_NAME
    with pytest.raises(ModelFileError, match="is missing"):
        load_pipeline(path)

    class Trap:
        def __reduce__(self):
            return (os.abort, ())

    for content in (pickle.dumps(Trap()), b"", skops_io.dumps({"a": 1})[:-30]):
        path.write_bytes(content)
        with pytest.raises(ModelFileError, match="damaged or no pipeline"):
            load_pipeline(path)
    for model, message in ((LogisticRegression(), "LogisticRegression"), ({"a": 1}, "no pipeline")):
        skops_io.dump(model, path)
        with pytest.raises(ModelFileError, match=message):
            load_pipeline(path)


@pytest.fixture
def learnt(tmp_path):
    table().to_csv(tmp_path / "a.csv", index=False)
    table().drop(columns="y").to_csv(tmp_path / "b.csv", index=False)
    options = TableOptions(label="y", text=("words",))
    return learn_tables([tmp_path / "a.csv"], tmp_path / "b.csv", options)


def test_domains(tmp_path, learnt):
    source = learnt.open(tmp_path / "a.csv", "required", None)
    target = learnt.open(tmp_path / "b.csv", "if present", source.class_names)
    assert source.class_names == target.class_names == ("a", "b")
    assert source.labels.tolist() == [0, 1] * 12
    assert target.labels is None
    assert torch.equal(*(one.store.gather(torch.arange(24)) for one in (source, target)))
    with pytest.raises(DataError, match=r"b\.csv has no column 'y' with labels"):
        learnt.open(tmp_path / "b.csv", "required", source.class_names)


def test_numbers_alone_are_dense_and_words_sparse(tmp_path):
    for columns, store in ((["x", "y"], ResidentStore), (["x", "city", "y"], SparseStore)):
        frame = table(x=range(24), city=[f"city {i % 8}" for i in range(24)])[columns]
        frame.to_csv(tmp_path / "a.csv", index=False)
        learnt = learn_tables([tmp_path / "a.csv"], tmp_path / "a.csv", TableOptions(label="y"))
        assert isinstance(learnt.open(tmp_path / "a.csv", "required", None).store, store)


def test_what_a_model_keeps(tmp_path, learnt):
    described = learnt.save(tmp_path)
    again = load_tables(tmp_path, json.loads(json.dumps(described)), learnt.pipeline.width)
    assert again.options == learnt.options
    assert again.features_sha256 == learnt.features_sha256 == described["features_sha256"]
    with pytest.raises(ModelFileError, match="of two runs"):
        load_tables(tmp_path, described, 3)


def test_new_rows(tmp_path, learnt):
    path = tmp_path / "new.csv"
    new = table(8, age=[None] * 24).assign(more=1)
    new[["more", "words", "city", "age"]].to_csv(path, index=False)
    domain = learnt.open(path, "ignored", ("a", "b"))
    assert domain.input_shape == (learnt.pipeline.width,)
    assert domain.notes == ("columns that training had not are ignored: more",)
    new.assign(city=7).to_csv(path, index=False)  # a category all of whose values look like numbers
    assert "'7'" in learnt.open(path, "ignored", ("a", "b")).notes[-1]
    new.drop(columns="city").to_csv(path, index=False)
    with pytest.raises(
        DataError, match=r"new\.csv has no column 'city', compared with the model's"
    ):
        learnt.open(path, "ignored", ("a", "b"))
    new.assign(age="old").to_csv(path, index=False)
    with pytest.raises(
        DataError, match=r"'age' holds numbers in the model's .* words in .*new\.csv"
    ):
        learnt.open(path, "ignored", ("a", "b"))


@pytest.mark.parametrize(
    ("written", "names"),
    [
        (["10", "9", "-1"], ("-1", "9", "10")),
        ([1.0, 0.0, 2.0], ("0", "1", "2")),
        (["+1", "-1", "1e1"], ("-1", "1", "10")),
        (["01", "1", "02"], ("01", "1", "02")),
        (["2", "nan10", "10"], ("2", "10", "nan10")),
        (["A", "a", "b"], ("A", "a", "b")),
        ([True, False, True], ("False", "True")),
        (["NA", "None", "b10"], ("b10", "NA", "None")),
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_class_names(tmp_path, written, names, suffix):
    path = tmp_path / f"a.{suffix}"
    frame = pandas.DataFrame({"x": range(24), "y": written * 8})
    frame.to_csv(path, index=False) if suffix == "csv" else frame.to_parquet(path)
    learnt = learn_tables([path], path, TableOptions(label="y"))
    assert learnt.open(path, "required", None).class_names == names


def test_a_column_means_one_thing():
    with pytest.raises(ConfigurationError, match="'a' is named twice by --label"):
        TableOptions.build("tables", {"label": "a", "drop": ("a",)})
    assert TableOptions(label="a", drop=("b",)).given == ["--label", "--drop"]
    hashed = TableOptions(text=("a",), text_features="hashing")
    assert hashed.given == ["--text", "--text-features"]


def test_rows_are_read_as_they_are_written(tmp_path):
    """A string in another place of the file never changes what a row becomes."""
    buffer = io.StringIO()
    table().to_csv(buffer, index=False)
    head, *lines = buffer.getvalue().splitlines()
    for name, order in (("a.csv", lines), ("b.csv", lines[::-1])):
        (tmp_path / name).write_text("\n".join([head, *order]) + "\n")
    options = TableOptions(label="y", text=("words",))
    learnt = learn_tables([tmp_path / "a.csv"], tmp_path / "b.csv", options)
    first, second = (learnt.open(tmp_path / name, "required", None) for name in ("a.csv", "b.csv"))
    everything = torch.arange(24)
    torch.testing.assert_close(
        first.store.gather(everything), second.store.gather(everything.flip(0))
    )


def test_no_label_has_a_part_in_it(tmp_path, learnt):
    """Whatever the labels are, and also without any in the target, rows become the same vectors."""
    turned = table(y=["b", "a"] * 12)
    for name in ("c.csv", "d.csv"):
        turned.to_csv(tmp_path / name, index=False)
    again = learn_tables([tmp_path / "c.csv"], tmp_path / "d.csv", learnt.options)
    assert again.feature_names == learnt.feature_names
    first, second = (
        tables.open(tmp_path / "b.csv", "ignored", None).store.gather(torch.arange(24))
        for tables in (learnt, again)
    )
    assert torch.equal(first, second)
