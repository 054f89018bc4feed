"""Names are explicit."""

import pickle

import pytest

from acclimate.core.errors import AcclimateError, ConfigurationError, UnknownNameError, near_miss
from acclimate.core.registry import Registry


@pytest.fixture
def colours():
    registry = Registry("colour")
    registry.register("red")(1)
    registry.register("green")(2)
    return registry


def test_a_duplicate_is_refused(colours):
    with pytest.raises(ValueError, match="colour 'red' is registered twice"):
        colours.register("red")(3)
    assert colours.get("red") == 1


def test_the_near_miss_is_named(colours):
    with pytest.raises(UnknownNameError, match=r"unknown colour 'gren'\. Did you mean 'green'\?"):
        colours.get("gren")


def test_without_a_near_miss_all_are_named(colours):
    with pytest.raises(UnknownNameError, match=r"Known: green, red\."):
        colours.get("ultraviolet")
    with pytest.raises(UnknownNameError, match="unknown thing 'x'"):
        Registry("thing").get("x")


def test_the_error_is_of_every_kind_that_may_be_caught(colours):
    for kind in (KeyError, ConfigurationError, AcclimateError):
        with pytest.raises(kind):
            colours.get("blue")
    error = pickle.loads(pickle.dumps(UnknownNameError("one line")))
    assert str(error) == "one line"


def test_it_reads_like_a_table(colours):
    assert colours.names() == ("green", "red")
    assert list(colours.items()) == [("green", 2), ("red", 1)]
    assert "red" in colours
    assert "blue" not in colours
    assert len(colours) == 2


def test_near_miss_of_nothing():
    assert near_miss("x", []) == ""
