"""The page of the scikit-learn door: its code runs, and its tables leave nothing out."""

import inspect
import re
from pathlib import Path

import pytest
import sklearn
from sklearn.utils.validation import has_fit_parameter

from acclimate import AdaptedClassifier
from acclimate.shallow import adapters
from acclimate.shallow.base import DomainTransformer
from acclimate.shallow.weighting import DomainWeighting

TEXT = (Path(__file__).parents[2] / "docs" / "scikit-learn.md").read_text(encoding="utf-8")


def kind_of(adapter):
    if issubclass(adapter, DomainTransformer):
        return "transformer"
    return "weighting" if issubclass(adapter, DomainWeighting) else "classifier"


@pytest.mark.parametrize("name", adapters.names())
def test_adapter_has_a_row_with_its_class_and_kind(name):
    (row,) = [line for line in TEXT.splitlines() if line.startswith(f"| `{name}` |")]
    adapter = adapters.get(name)
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1] == f"`{adapter.__name__}`, {kind_of(adapter)}"
    assert len(cells) == 5
    assert all(cells)
    assert has_fit_parameter(adapter(), "X_target")
    # what takes CSR says so
    assert ("CSR" in cells[4] or name == "importance-weighted") == takes_sparse(adapter())


def takes_sparse(adapter):
    return sklearn.utils.get_tags(adapter).input_tags.sparse


def test_rows_are_of_adapters_that_exist():
    section = TEXT.partition("\n## Shallow adapters")[2]
    assert set(re.findall(r"^\| `([a-z0-9-]+)` \|", section, re.M)) == set(adapters.names())


def test_every_argument_has_a_row_with_its_default():
    arguments = inspect.signature(AdaptedClassifier).parameters.values()
    for each in arguments:
        default = f'"{each.default}"' if isinstance(each.default, str) else each.default
        assert f"\n| `{each.name}` | `{default}` |" in TEXT


def test_the_code_runs(capsys):
    names = {}
    for block in re.findall(r"^```python\n(.*?)^```", TEXT, re.M | re.S):
        if "skada" not in block:  # optional: tests/estimators/test_with_skada.py has the same lines
            exec(block, names)
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) == 6
    score, alone, aligned = (
        float(re.search(pattern, printed).group(1))
        for pattern in (r"^([\d.]+), chosen", r"([\d.]+) alone", r"([\d.]+) with coral")
    )
    for found, pattern in ((score, r"^([\d.]+), chosen"), (alone, r"([\d.]+) alone")):
        assert found == pytest.approx(float(re.search(pattern, TEXT, re.M).group(1)), abs=0.05)
    assert aligned > alone
    assert "\nTrue\n" in printed
