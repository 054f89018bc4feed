"""What an algorithm's page says of its results is what the benchmark's file says."""

import json
from pathlib import Path

import pytest

from acclimate.algorithms import names_for
from acclimate.experiments.algorithm_pages import BEGIN, END, FOUND, PAGES, block, with_block
from acclimate.experiments.selection import SOURCE_ONLY

ROOT = Path(__file__).parents[2]
SAID = {
    "tasks": ["one-to-two"],
    "seeds": [0, 1],
    "changes": [{"algorithm": "dann", "mean": 0.031, "worst": -0.02}],
    "table": [
        {"algorithm": name, "task": "one-to-two", "oracle_target_accuracy": value, "sd": sd}
        for name, value, sd in ((SOURCE_ONLY, 0.5, None), ("dann", 0.531, 0.01))
    ],
}


def test_a_block_has_both_rows_and_the_change():
    made = block(SAID, "dann")
    assert "| source-only | 50.0 |  |  |" in made
    assert "| dann | 53.1 ± 1.0 | +3.1 | -2.0 |" in made
    assert "one → two" in made
    assert block(SAID, "mcc") is None


def test_a_page_keeps_what_else_it_says_however_often_it_is_written():
    page = "# dann\n\n## Results\n\nOne such case.\n"
    once = with_block(page, block(SAID, "dann"))
    assert once.endswith(f"{END}\n\nOne such case.\n")
    assert with_block(once, block(SAID, "dann")) == once


@pytest.mark.parametrize("name", names_for("classification"))
def test_a_page_says_what_the_file_says(name):
    said = json.loads((ROOT / FOUND).read_text(encoding="utf-8"))
    made, page = block(said, name), ROOT / PAGES / f"{name}.md"
    if made is None or not page.exists():  # it trains nothing, or shares a page
        return
    text = page.read_text(encoding="utf-8")
    assert text.count(BEGIN) == 1
    assert made in text
