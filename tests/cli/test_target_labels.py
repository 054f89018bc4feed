"""``fit --target-labels``: a few labelled pictures of the target, as a number or as a file."""

import json

import pytest

from acclimate.core.records import read_record

QUICK = ("--steps", "2", "--batch-size", "4", "--evaluations", "1", "--network", "mnist-cnn")


def fit(acclimate, *more, output="out"):
    return acclimate(
        *("fit", "--source", "pictures", "--target", "pictures", "--output", output), *QUICK, *more
    )


def listed(tmp_path, *rows, head="file,label"):
    (tmp_path / "few.csv").write_text("\n".join([head, *rows, ""]))
    return "few.csv"


def test_a_file_of_pictures(acclimate, pictures, tmp_path):
    few = listed(tmp_path, "cat/3.png,cat", "owl/0.png,owl", "dog/7.png,cat")
    done = fit(acclimate, "--target-labels", few, "--unlabelled-target")
    assert done.code == 0, done.err
    assert "source-only + 3 target labels" in done.out
    assert "dann-self-training + 3 target labels" in done.out
    page = (tmp_path / "out" / "report.html").read_text()
    assert "dann-self-training + 3 target labels" in page
    assert "30 items of pictures, 3 of them labelled" in page
    assert "But for the 3 given for training, no target label" in page
    record = read_record(tmp_path / "out")
    assert record.settings["target_labels"] == "few.csv"
    assert sum(record.target.items.values()) == 30


def test_a_number_and_going_on(acclimate, pictures, tmp_path):
    done = fit(acclimate, "--target-labels", "2", "--json", "--no-report")
    assert done.code == 0, done.err
    assert json.loads(done.out)["algorithm"] == "dann-self-training + 6 target labels"
    again = acclimate("fit", "--output", "out", "--resume", "--no-report", "--json")
    assert again.code == 0, again.err
    assert json.loads(again.out)["algorithm"] == "dann-self-training + 6 target labels"
    other = acclimate("fit", "--output", "out", "--resume", "--target-labels", "3")
    assert other.code == 2
    assert "target_labels was 2 and is now 3" in other.err


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("0", "--target-labels 0: should be a number of items, 1 or more, or a CSV file"),
        ("99", "fewer than the 99 labelled ones asked for; ask for "),
        ("none.csv", "none.csv cannot be read as a CSV file of labelled items"),
        (["cat/1.png,cat", "cat/77.png,cat"], "line 3: pictures has no item 'cat/77.png'. Did you"),
        (["cat/1.png,cta"], "line 2: unknown class 'cta'. Did you mean 'cat'?"),
        (["cat/1.png,cat", "cat/1.png,dog"], "item cat/1.png is 'dog' here and 'cat' above"),
        ([], "holds no items"),
    ],
)
def test_mistakes(acclimate, pictures, tmp_path, given, said):
    few = given if isinstance(given, str) else listed(tmp_path, *given)
    done = fit(acclimate, "--target-labels", few)
    assert done.code == 2
    assert said in done.err
    assert done.err.count("error: ") == 1
    assert done.out == ""
    assert not (tmp_path / "out").exists()


def test_a_number_for_a_target_without_classes(acclimate, pictures, tmp_path):
    done = fit(acclimate, "--target-labels", "2", "--unlabelled-target")
    assert done.code == 2
    assert "pictures has no labels to draw 2 of each class from; give a file" in done.err
    without_head = listed(tmp_path, head="cat/1.png,cat")
    done = fit(acclimate, "--target-labels", without_head)
    assert "few.csv needs the columns file,label in its first line" in done.err
