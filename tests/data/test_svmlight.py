"""svmlight files: read as scikit-learn reads them, of one width, and each mistake one line."""

import gzip

import numpy as np
import pytest
import torch
from sklearn.datasets import dump_svmlight_file

from acclimate.core.errors import ConfigurationError, DataError
from acclimate.data.domain import SparseStore
from acclimate.data.sources import open_domain, open_source, open_target
from acclimate.data.table_domains import Tables, learn_tables
from acclimate.data.table_options import TableOptions

ROWS = np.array([[1.5, 0, 0, 2], [0, 0, 3, 0], [0, 4, 0, 0.5], [1, 1, 0, 0]], dtype=np.float32)
Y = np.array([-1, 1, 1, -1])


def write(path, rows=ROWS, y=Y, **more):
    dump_svmlight_file(rows, y, str(path), **more)
    return path


def packed(path):
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    return path.with_name(f"{path.name}.gz")


@pytest.mark.parametrize("suffix", [".svm", ".libsvm", ".svmlight", ".SVM"])
@pytest.mark.parametrize("pack", [lambda path: path, packed], ids=["plain", "packed"])
def test_rows_and_labels_come_back(tmp_path, suffix, pack):
    domain = open_source(pack(write(tmp_path / f"some.books{suffix}")))
    assert isinstance(domain.store, SparseStore)
    assert torch.equal(domain.store.gather(torch.arange(4)), torch.from_numpy(ROWS))
    assert domain.class_names == ("-1", "1")
    assert domain.labels.tolist() == [0, 1, 1, 0]
    assert domain.name == "some.books"


def test_classes_are_in_the_order_of_numbers(tmp_path):
    path = write(tmp_path / "a.svm", y=np.array([10, 2, 2, 10]))
    assert open_source(path).class_names == ("2", "10")


def test_two_files_get_one_width(tmp_path):
    wide, narrow = write(tmp_path / "a.svm"), write(tmp_path / "b.svm", ROWS[:, :3])
    for source, target in ((wide, narrow), (narrow, wide)):
        tables = learn_tables([source], target, TableOptions())
        for path in (wide, narrow):
            assert open_domain(path, tables=tables).input_shape == (4,)


def test_a_file_takes_the_width_of_a_registered_set(tmp_path):
    path = write(tmp_path / "a.svm")
    for places in (([9], path), ([path], 9), ([None, path, 9], path)):
        tables = learn_tables(*places, TableOptions())
        assert open_domain(path, tables=tables).input_shape == (9,)
    with pytest.raises(
        DataError, match=r"a\.svm has features up to 3, the registered data set up to 2"
    ):
        learn_tables([3], path, TableOptions())
    assert learn_tables([3], None, TableOptions()) is None


def test_a_feature_means_the_same_where_only_one_file_has_a_feature_0(tmp_path):
    first = write(tmp_path / "a.svm", zero_based=True)
    (tmp_path / "b.svm").write_text("1 1:4 3:0.5\n-1 2:3\n")
    tables = learn_tables([first], tmp_path / "b.svm", TableOptions())
    found = open_domain(tmp_path / "b.svm", tables=tables).store.gather(torch.arange(2))
    assert found.tolist() == [[0, 4, 0, 0.5], [0, 0, 3, 0]]


def test_labels_of_a_target(tmp_path):
    path = write(tmp_path / "a.svm", y=np.array([1, 1, 1, 1]))
    assert open_target(path, class_names=("-1", "1")).labels.tolist() == [1, 1, 1, 1]
    assert open_target(path, class_names=("-1", "1"), unlabelled=True).labels is None
    with pytest.raises(DataError, match=r"'1' is not among the source's.*--unlabelled-target"):
        open_target(path, class_names=("2", "3"))


def test_empty_documents_are_counted(tmp_path):
    rows = ROWS.copy()
    rows[1:3] = 0
    domain = open_domain(write(tmp_path / "a.svm", rows))
    assert domain.notes == ("2 of 4 rows have no feature at all",)
    assert domain.subset(torch.arange(2)).notes == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no rows"),
        ("1 1:2\n1 2:3\n", "single class, '1'"),
        ("1 1:2\n-1 2:nan\n", r"1 values that are NaN, infinite or too large, the first in row 1"),
        ("1 1:2\n-1 2:inf\n", "the first in row 1"),
        ("1 1:2\n-1 2:1e300\n", "the first in row 1"),
        ("0.5 1:2\n-1 2:3\n", r"label 0\.5 is no class"),
        ("nan 1:2\n-1 2:3\n", "label nan is no class"),
        ("1 3:2 1:4\n-1 2:3\n", "is no svmlight file"),
        ("age,city\n1,Paris\n", "is no svmlight file"),
        ("1,2 1:3\n", "is no svmlight file"),
    ],
)
def test_wrong_content_is_one_line(tmp_path, text, message):
    (tmp_path / "a.svm").write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        open_source(tmp_path / "a.svm")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("keep", [5, 40, 60])
def test_truncated_gzip(tmp_path, keep):
    path = packed(
        write(tmp_path / "a.svm", np.random.default_rng(0).random((20, 9)), np.arange(20) % 2)
    )
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"a\.svm\.gz is truncated"):
        open_source(path)
    path.write_bytes(b"1 1:2\n")
    with pytest.raises(DataError, match="not packed with gzip"):
        open_source(path)


def test_what_does_not_go_with_it(tmp_path):
    path = write(tmp_path / "a.svm")
    with pytest.raises(ConfigurationError, match="vectors of 4 features"):
        open_source(path, size=32)
    with pytest.raises(DataError, match=r"features up to 3.*up to 1"):
        open_domain(path, tables=Tables(width=2))
    with pytest.raises(ConfigurationError, match="--label, --drop: only columns of CSV"):
        learn_tables([path], path, TableOptions(label="y", drop=("a",)))
