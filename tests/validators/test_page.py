"""The page on validators says of each what the code says."""

from pathlib import Path

import pytest

from acclimate.validators import validators
from acclimate.validators.retrieval import retrieval_validators

PAGE = Path(__file__).parents[2] / "docs" / "validators.md"
RETRIEVAL = "\n## For retrieval\n"


def rows(retrieval=False):
    before, found, after = PAGE.read_text(encoding="utf-8").partition(RETRIEVAL)
    assert found
    section, heading, rest = after.partition("\n## ")
    lines = (section if retrieval else before + heading + rest).splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    return {row[0].strip("`"): row for row in cells if row and row[0].startswith("`")}


def test_all_are_there_and_no_others():
    assert set(rows()) == set(validators.names())
    assert set(rows(retrieval=True)) == set(retrieval_validators.names())


@pytest.mark.parametrize("name", validators.names())
def test_what_it_needs_and_when_it_is_computed(name):
    _, _, _, looks_at, interval, when, misleads = rows()[name]
    each = validators.get(name)
    assert when == ("always" if each.at_every_checkpoint else "asked")
    assert ("changed" in looks_at) == ("changed_logits" in each.needs)
    assert ("mixed" in looks_at) == ("mixed_logits" in each.needs)
    assert interval
    assert misleads


@pytest.mark.parametrize("name", retrieval_validators.names())
def test_what_a_score_of_descriptors_needs_and_when_it_is_computed(name):
    _, _, _, looks_at, interval, when, misleads = rows(retrieval=True)[name]
    each = retrieval_validators.get(name)
    assert when == ("always" if each.at_every_checkpoint else "asked")
    assert ("changed" in looks_at) == ("changed_descriptors" in each.needs)
    assert ("cameras" in looks_at) == ("target_cameras" in each.needs)
    assert interval
    assert misleads
