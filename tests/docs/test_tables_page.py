"""The guide to tables can be followed literally: its Python and its commands, in their order."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pandas
import pytest

PAGE = Path(__file__).parents[2] / "docs" / "guide-tables.md"


def steps():
    """("python", code) and ("acclimate", words) as they stand on the page."""
    text = PAGE.read_text(encoding="utf-8")
    for python, command in re.findall(
        r"^```python\n((?s:.*?))^```|^\$ acclimate (.*)$", text, re.MULTILINE
    ):
        yield ("python", python) if python else ("acclimate", shlex.split(command))


@pytest.fixture
def followed(acclimate, tmp_path):
    done = []
    for kind, what in steps():
        if kind == "python":
            exec(what, {})
        else:
            done.append((what, acclimate(*what, *(["--no-report"] if what[0] == "fit" else []))))
    return done


def test_every_step_does_what_the_page_says(followed, acclimate):
    codes = [done.code for _, done in followed]
    assert codes == [2, *[0] * (len(codes) - 1)], [done.err for _, done in followed]
    assert "column 'since' holds dates" in followed[0][1].err
    text = PAGE.read_text(encoding="utf-8")
    assert followed[0][1].err.strip().splitlines()[0] in text

    predictions = pandas.read_csv("runs/churn/predictions.csv")
    this_year = pandas.read_csv("this_year.csv")
    assert list(predictions["file"]) == list(this_year["customer"])
    assert len(pandas.read_csv("predictions.csv")) == 50
    shift = json.loads(Path("runs/churn/features.json").read_text())
    assert shift["features"] == int(re.search(r"Of (\d+) features", text).group(1))
    told = [row.split(" | ")[0][2:] for row in re.findall(r"^\| .* \| [−+]0\.\d\d \|$", text, re.M)]
    assert [each["name"] for each in shift["most_shifted"]][: len(told)] == told

    accuracy = {
        name: json.loads(acclimate("evaluate", name, "--data", "others.csv", "--json").out)[
            "accuracy"
        ]
        for name in ("runs/churn", "runs/churn/baseline", "runs/few")
    }
    # the page's order; its digits are of one machine
    assert np.all(np.diff([accuracy[f"runs/{n}"] for n in ("churn/baseline", "churn", "few")]) > 0)
