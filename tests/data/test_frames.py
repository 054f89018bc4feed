"""CSV and Parquet files: what was written comes back, and each mistake is one line."""

import contextlib
import csv
import gzip
import io

import numpy as np
import pandas
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from acclimate.core.errors import DataError
from acclimate.data.columns import cast, common_kinds, kinds_of
from acclimate.data.frames import SEPARATORS, is_frame, read_frame

quick = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
TEXT = "age,city\n30,Paris\n,Rome\n41.5,\n"
cells = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\ufeff"), max_size=12)


def write(folder, text, name="a.csv", encoding="utf-8"):
    (folder / name).write_bytes(text.encode(encoding))
    return folder / name


def refused(path, message):
    with pytest.raises(DataError, match=message) as caught:
        read_frame(path)
    assert "\n" not in str(caught.value)
    assert path.name in str(caught.value)


def test_which_files_are_tables(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    for name, table in (("a.csv", True), ("A.CSV.GZ", True), ("b.tsv", True), ("c.parquet", True)):
        assert is_frame(tmp_path / name) is table
    assert not any(is_frame(tmp_path / name) for name in ("a.npz", "a.svm", "folder.csv", "csv"))


@quick
@given(
    rows=st.lists(st.tuples(cells, cells), min_size=1, max_size=6),
    separator=st.sampled_from(SEPARATORS),
)
def test_strings_come_back_as_they_were(tmp_path, rows, separator):
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter=separator, quoting=csv.QUOTE_ALL)
    writer.writerows([("first", "the second"), *rows])
    path = write(tmp_path, stream.getvalue())
    frame = read_frame(path, as_text=["first", "the second"])
    found = frame.astype(object).where(frame.notna(), "")
    assert [tuple(row) for row in found.to_numpy()] == rows


@quick
@given(raw=st.binary(max_size=200))
@example(raw=b"\x01\r\x01")
def test_any_bytes_are_read_or_refused_but_never_crash(tmp_path, raw):
    (tmp_path / "a.csv").write_bytes(raw)
    with contextlib.suppress(DataError):
        assert len(read_frame(tmp_path / "a.csv"))


@quick
@given(
    values=st.lists(st.none() | st.floats(-1e9, 1e9), min_size=2, max_size=6),
    separator=st.sampled_from([",", ";", "\t"]),
)
def test_numbers_come_back_with_the_decimal_sign_of_the_separator(tmp_path, values, separator):
    frame = pandas.DataFrame({"x": pandas.Series(values, dtype=float), "n": range(len(values))})
    frame.to_csv(tmp_path / "a.csv", sep=separator, index=False, float_format="%.17f",
                 decimal="," if separator == ";" else ".")  # fmt: skip
    found = read_frame(tmp_path / "a.csv")["x"].to_numpy(float)
    np.testing.assert_allclose(found, frame["x"].to_numpy(), rtol=1e-12, atol=1e-12)


def test_packed_and_parquet_are_the_same(tmp_path):
    plain = read_frame(write(tmp_path, TEXT))
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(TEXT.encode("utf-8-sig")))
    plain.to_parquet(tmp_path / "c.parquet")
    for name in ("b.csv.gz", "c.parquet"):
        pandas.testing.assert_frame_equal(read_frame(tmp_path / name), plain)


def test_a_word_that_means_missing_elsewhere_is_a_class_in_a_column_of_text(tmp_path):
    path = write(tmp_path, "y,x\nNone,NA\nNA,1\n")
    frame = read_frame(path, as_text=["y"])
    assert frame["y"].tolist() == ["None", "NA"]
    assert frame["x"].isna().tolist() == [True, False]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("age,city\n", "no rows"),
        ("age,city,age\n1,2,3\n", "column names more than once: 'age'"),
        ("a,b\n1,2\n1,2,3\n", "cannot be read as a CSV file with ','"),
        ("a,b\n1,2,3\n1,2,3\n", "cannot be read as a CSV file"),
        ('a,b\n1,"2\n', "cannot be read as a CSV file"),
        ("a,b\n1,\0\n", "binary"),
    ],
)
def test_wrong_content(tmp_path, text, message):
    refused(write(tmp_path, text), message)


def test_wrong_encoding(tmp_path):
    refused(write(tmp_path, "city\nZürich\n", encoding="latin-1"), "not UTF-8: byte 0xfc at 6")
    refused(write(tmp_path, "city\nZürich\n", encoding="utf-16"), "not UTF-8: byte 0xff at 0")


@pytest.mark.parametrize("name", ["b.csv.gz", "c.parquet"])
def test_truncated(tmp_path, name):
    pandas.DataFrame({"x": np.random.default_rng(0).random(100)}).to_parquet(tmp_path / "c.parquet")
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(TEXT.encode()))
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:-9])
    refused(path, "truncated")
    path.write_bytes(b"plain")
    refused(path, "damaged")


def kinds(*text, **columns):
    return kinds_of("a.csv", pandas.DataFrame(columns), text)


def test_kinds():
    found = kinds(
        "words", number=[1, 2], half=[1.5, None], yes=[True, False], maybe=[True, None],
        city=["Paris", None], words=["good", "bad"], none=[None, None], mixed=["1", "many"],
    )  # fmt: skip
    assert found == {
        "number": "numeric", "half": "numeric", "yes": "numeric", "maybe": "numeric",
        "city": "category", "words": "text", "none": "empty", "mixed": "category",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["2024-01-31", "2024-02-01"], "holds dates, like 2024-01-31"),
        (["31.1.2024", None], "holds dates"),
        (["1/31/24 10:00", "2/1/24 9:00"], "holds dates"),
        (pandas.to_datetime(["2024-01-31"] * 2), "holds dates"),
        ([1.0, np.inf], "1 infinite values, the first in row 1"),
        ([1.0, -1e300], r"has -1e\+300 in row 1, too large to compute with"),
        ([[1, 2], [3]], "holds list"),
        ([b"a", b"b"], "holds bytes"),
    ],
)
def test_columns_that_cannot_be_used(values, message):
    with pytest.raises(DataError, match=message) as caught:
        kinds(when=values)
    assert "'when'" in str(caught.value)


@pytest.mark.parametrize("values", [[1, 2], ["1", "2.5"]])
def test_numbers_are_no_text(values):
    with pytest.raises(DataError, match="'x' holds numbers and no text"):
        kinds("x", x=values)


def test_a_column_without_values_takes_the_other_sides_kind():
    assert common_kinds({"x": "empty"}, "a", {"x": "category"}, "b") == {"x": "category"}
    assert common_kinds({"x": "numeric"}, "a", {"x": "empty"}, "b") == {"x": "numeric"}
    with pytest.raises(DataError, match=r"'x' holds numbers in a and words in b.*alike, or so"):
        common_kinds({"x": "numeric"}, "a", {"x": "category"}, "b", ", or so")


def test_cast():
    frame = pandas.DataFrame({"x": [True, None], "city": ["Paris", None], "words": [None, "good"]})
    found = cast(frame, {"words": "text", "x": "numeric", "city": "category"})
    assert found["words"].tolist() == ["", "good"]
    assert found["city"].tolist() == ["Paris", "(missing)"]
    np.testing.assert_array_equal(found["x"], [1.0, np.nan])
