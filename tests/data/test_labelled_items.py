"""A user's list of labelled items: what is read, and what is refused in one line."""

import pytest
import torch

from acclimate.core.errors import DataError
from acclimate.data.domain import Domain, ResidentStore
from acclimate.data.labelled_items import read_labelled_items

CLASSES = ("cat", "dog", "stick insect")


def domain(names=None, items=6):
    return Domain("phone", ResidentStore(torch.zeros(items, 2)), None, CLASSES, names)


NAMED = domain(("a.jpg", "b.jpg", "in/c.jpg", "in/d, e.jpg", "f.jpg", "007"))


@pytest.fixture
def read(tmp_path):
    def write_and_read(text, of=NAMED):
        path = tmp_path / "few.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_labelled_items(path, of)

    return write_and_read


def test_files_and_classes_by_name(read):
    found = read("file,label\nin/c.jpg,dog\na.jpg,stick insect\n")
    assert found.indices.tolist() == [0, 2]
    assert found.labels.tolist() == [2, 1]
    assert found.indices.dtype == found.labels.dtype == torch.int64


def test_indices_where_items_have_no_names(read):
    found = read("index,label\n5,cat\n0,dog\n", domain())
    assert found.indices.tolist() == [0, 5]
    assert found.labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    "text",
    [
        "\ufefffile,label\r\nin/c.jpg,dog\r\n",
        " file , label \n in/c.jpg , dog \n",
        "label,who,file\ndog,me,./in/c.jpg\n",
        "file,label\nin/c.jpg,dog\nin/c.jpg,dog\n",
        'file,label\n"in/c.jpg","dog",more\n',
        "file,label\n\nin/c.jpg,dog\n\n",
    ],
)
def test_what_spreadsheets_make_of_it(read, text):
    found = read(text)
    assert found.indices.tolist() == [2]
    assert found.labels.tolist() == [1]


def test_quoted_names(read):
    assert read('file,label\n"in/d, e.jpg",cat\n007,cat\n').indices.tolist() == [3, 5]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", r"few.csv needs the columns file,label in its first line .*; it has nothing"),
        ("a.jpg,cat\n", r"needs the columns file,label .* it has a.jpg,cat"),
        ("index,label\n0,cat\n", "needs the columns file,label .* items of phone"),
        ("file,label\n", "holds no items; give a row with file and label"),
        ("file,label\nx.jpg,cat\n", r"line 2: phone has no item 'x.jpg'"),
        ("file,label\nzzz/9,cat\n", "no item 'zzz/9'. Paths are relative to the target"),
        ("file,label\nin/cc.jpg,cat\n", "Did you mean 'in/c.jpg'"),
        ("file,label\na.jpg,cat\nb.jpg,dgo\n", "line 3: unknown class 'dgo'. Did you mean 'dog'"),
        ("file,label\na.jpg\n", "line 2: unknown class ''. Known: cat, dog, stick insect"),
        (
            "file,label\na.jpg,cat\nb.jpg,cat\n./a.jpg,dog\n",
            r"line 4: item ./a.jpg is 'dog' here and 'cat' above; keep one",
        ),
        (b"file,label\n\xff\xfe,cat\n", "cannot be read as a CSV file"),
    ],
)
def test_mistakes_are_one_line(read, text, complaint):
    with pytest.raises(DataError, match=complaint) as caught:
        read(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("cell", "complaint"),
    [
        ("6", "no item 6; its 6 items count from 0"),
        ("-1", "index '-1' should be a whole number from 0"),
        ("1.0", "index '1.0' should be"),
        ("a.jpg", "index 'a.jpg' should be"),
        ("²", "index '²' should be"),
    ],
)
def test_wrong_indices(read, cell, complaint):
    with pytest.raises(DataError, match=complaint):
        read(f"index,label\n{cell},cat\n", domain())


def test_files_for_items_without_names(read):
    with pytest.raises(DataError, match="needs the columns index,label"):
        read("file,label\na.jpg,cat\n", domain())


def test_no_such_file(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(DataError, match="cannot be read as a CSV file") as caught:
            read_labelled_items(path, NAMED)
        assert "\n" not in str(caught.value)


def test_an_index_counts_in_the_file_also_where_items_are_left_out(tmp_path):
    """With ``--classes shared`` the items of other classes are not there, and shift nothing."""
    whole = Domain("t", ResidentStore(torch.zeros(6, 2)), None, ("a", "b"))
    part = whole.subset(torch.tensor([1, 3, 4])).subset(torch.tensor([0, 2]))
    assert [part.name_of(index) for index in range(2)] == ["t/1", "t/4"]
    path = tmp_path / "few.csv"
    path.write_text("index,label\n4,b\n1,a\n")
    found = read_labelled_items(path, part)
    assert (found.indices.tolist(), found.labels.tolist()) == ([0, 1], [0, 1])
    path.write_text("index,label\n3,b\n")
    with pytest.raises(DataError, match="t has no item 3; its 2 items count from 0, some of which"):
        read_labelled_items(path, part)
