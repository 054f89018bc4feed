"""Drawing many items: the same for any count and any number of processes."""

from __future__ import annotations

import numpy as np
import pytest

from acclimate.core.errors import ConfigurationError, UnknownNameError
from acclimate.data import datasets
from acclimate.data.files import FileFinder
from acclimate.data.generation import (
    CHUNK,
    draw,
    generate_in_parallel,
    item_random,
    kept_inspector,
    kept_reader,
)
from acclimate.data.registry import Generator


def numbered(index, random):
    return random.integers(0, 256, (2, 2, 3), dtype=np.uint8), index


def test_items_do_not_depend_on_count():
    many = generate_in_parallel(numbered, CHUNK + 3, seed=0, stream="a", processes=1)
    few = generate_in_parallel(numbered, 5, seed=0, stream="a")
    assert many.inputs.shape == (CHUNK + 3, 2, 2, 3)
    assert many.inputs.dtype == np.uint8
    assert many.labels.tolist() == list(range(CHUNK + 3))
    assert np.array_equal(many.inputs[:5], few.inputs)


def test_seed_stream_and_index_each_change_the_randomness():
    keys = [(0, "a", 0), (1, "a", 0), (0, "b", 0), (0, "a", 1), (1, "b", 1), (0, "a", 256)]
    draws = {item_random(*key).integers(2**62) for key in keys}
    assert len(draws) == len(keys)
    assert item_random(0, "a", 1).integers(2**62) == item_random(0, "a", 1).integers(2**62)


def test_progress_ends_with_all_bytes():
    calls = []
    made = generate_in_parallel(
        numbered, CHUNK + 1, seed=0, stream="a", progress=lambda *call: calls.append(call)
    )
    assert calls == [
        ("a", CHUNK * 12, made.inputs.nbytes),
        ("a", (CHUNK + 1) * 12, made.inputs.nbytes),
    ]


def test_all_wrong_numbers_are_named_at_once():
    with pytest.raises(ConfigurationError, match=r"count 0 .* seed -1 .* processes 0"):
        generate_in_parallel(numbered, 0, seed=-1, stream="a", processes=0)


def test_an_error_in_an_item_is_the_callers():
    def broken(index, random):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        generate_in_parallel(broken, 2 * CHUNK, seed=0, stream="a", processes=1)


@pytest.fixture
def recipe(places):
    """A generator that counts its calls and whose fingerprint can be changed."""
    state = {"calls": 0, "fingerprint": "1"}

    def generate(finder, split, count, *, seed, processes=None):
        state["calls"] += 1
        return generate_in_parallel(numbered, count, seed=seed, stream=split)

    generator = Generator(
        generate=generate,
        counts={"train": 6, "test": 3},
        fingerprint=lambda finder, split: state["fingerprint"],
    )
    return state, generator


def test_a_kept_set_is_made_once_for_a_fingerprint(recipe):
    state, generator = recipe
    read = kept_reader("toy", generator)
    first = read(FileFinder(), "train")
    assert len(first.labels) == 6
    assert np.array_equal(read(FileFinder(), "train").inputs, first.inputs)
    assert state["calls"] == 1
    state["fingerprint"] = "2"
    read(FileFinder(), "train")
    assert state["calls"] == 2


def test_inspection_makes_nothing(recipe):
    state, generator = recipe
    inspect = kept_inspector("toy", generator)
    assert {f.split: f.status for f in inspect(FileFinder(), True)} == {
        "train": "missing",
        "test": "missing",
    }
    assert state["calls"] == 0
    kept_reader("toy", generator)(FileFinder(), "test")
    assert {f.split: f.status for f in inspect(FileFinder(), True)} == {
        "train": "missing",
        "test": "ok",
    }


def test_draw_refuses_what_it_cannot_do():
    with pytest.raises(ConfigurationError, match=r"moons is not drawn .* syn-digits"):
        draw(datasets.get("moons"), "train", 3)
    with pytest.raises(ConfigurationError, match="takes no --photo-folder; it takes --fonts"):
        draw(datasets.get("syn-digits"), "train", 3, options={"photo_folder": "x"})
    with pytest.raises(UnknownNameError, match="no split 'tst'"):
        draw(datasets.get("syn-digits"), "tst", 3)
