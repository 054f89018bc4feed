"""The Python in the docs runs as it stands."""

import re
from pathlib import Path

import pytest
import torch

from acclimate.algorithms.base import algorithms
from acclimate.experiments import tables
from acclimate.experiments.reproduce import jobs_of, settings_of

ROOT = Path(__file__).parents[2]


def blocks(page):
    return re.findall(
        r"^```python\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.M | re.S
    )


@pytest.fixture
def own_registry(monkeypatch):
    """What an example registers is forgotten after the test."""
    monkeypatch.setattr(algorithms, "_items", dict(algorithms.items()))


def test_architecture(own_registry, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    define, fit, loop = blocks("docs/architecture.md")
    names = {}
    exec(define, names)
    assert "mean-matching" in algorithms
    exec(fit, names)
    record = names["record"]
    assert record.status == "finished"
    assert record.algorithm == "mean-matching"
    assert record.verdict is not None
    capsys.readouterr()
    exec(loop, names)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [step for step, _ in lines] == ["50", "100"]
    assert all(float(distance) >= 0 for _, distance in lines)


def test_the_example_brings_the_means_together(own_registry):
    names = {}
    exec(blocks("docs/architecture.md")[0], names)
    terms = {}
    for shift in (0.0, 1.0):
        source, target = torch.zeros(4, 3), torch.full((4, 3), shift)
        views = _views(source, target)
        terms[shift] = names["MeanMatching"](weight=0.5).losses(views, torch.nn.ModuleDict(), "all")
    assert float(terms[0.0].losses["distance"]) == 0
    assert float(terms[1.0].losses["distance"]) == pytest.approx(1.5)


def _views(source, target):
    from acclimate.core.types import NetworkOutput, Views

    outputs = [NetworkOutput({"backbone": side}, torch.zeros(4, 2)) for side in (source, target)]
    labels = torch.zeros(4, dtype=torch.int64)
    return Views(outputs[0], labels, outputs[1], None, None, 0.0, torch.nn.Identity())


def test_reproduce(tmp_path):
    """The pair and the row that the page adds make jobs with valid settings."""
    pair, row = (eval(block, vars(tables).copy()) for block in blocks("docs/reproduce.md"))
    table = tables.Table("more", "", (*tables.DIGITS.pairs, pair), (*tables.ROWS, row))
    (first, second) = jobs_of(table, [f"{pair.name}/{row.name}"], [0])
    assert first.row.name == row.reference
    assert settings_of(second, tmp_path, {}).target == pair.target


def test_readme(capsys):
    parts, estimators = blocks("README.md")
    exec(parts, {})
    assert capsys.readouterr().out.strip() == parts.rpartition("# ")[2].strip()
    exec(estimators, {})
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    for line in capsys.readouterr().out.splitlines():
        name, accuracy = line.split()
        (shown,) = re.findall(rf"^{name} (0\.\d\d)$", page, re.M)
        # its digits are of one machine
        assert float(accuracy) == pytest.approx(float(shown), abs=0.05)
