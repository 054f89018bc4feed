"""Records are whole, checked, and refused in one line."""

import json
import math

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from acclimate.core.errors import RecordError
from acclimate.core.records import SCHEMA_VERSION, Environment, RunRecord, read_record


def values():
    """A record of every field."""
    number = st.floats(allow_nan=False, allow_infinity=False)
    domain = {"name": "d", "shape": (3, 28, 28), "class_names": ["a"], "items": {"train": 3}}
    place = st.fixed_dictionaries(
        {"name": st.text(max_size=5), "n": st.integers(0, 99), "accuracy": st.none() | number}
    )
    evaluation = st.fixed_dictionaries(
        {
            "step": st.integers(0, 10**9),
            "seconds": number,
            "source_accuracy": st.floats(0, 1),
            "scores": st.dictionaries(st.text(max_size=5), number, max_size=3),
            "predicted_class_shares": st.lists(st.floats(0, 1), max_size=4),
        },
        optional={
            "source_auroc": st.none() | st.floats(0, 1),
            "oracle_target_auroc": st.none() | st.floats(0, 1),
            "place_metrics": st.lists(place, max_size=2),
        },
    )
    warning = st.fixed_dictionaries(
        {"step": st.integers(0, 9), "kind": st.text(), "message": st.text()}
    )
    environment = dict.fromkeys(Environment.model_fields, "x")
    environment |= {"threads": 1, "world_size": 1}
    return st.fixed_dictionaries(
        {
            "created": st.text(max_size=9),
            "command": st.text(),
            "algorithm": st.text(),
            "settings": st.dictionaries(st.text(max_size=5), st.integers() | st.text() | st.none()),
            "environment": st.just(environment),
            "source": st.just(domain),
            "target": st.just(domain),
            "evaluations": st.lists(evaluation, max_size=2),
            "warnings": st.lists(warning, max_size=2),
            "status": st.sampled_from(["running", "finished", "interrupted", "failed"]),
        }
    )


@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(values=values())
def test_round_trip(values, tmp_path):
    record = RunRecord.model_validate(values)
    record.write(tmp_path)
    assert read_record(tmp_path) == record


@pytest.fixture
def raw():
    domain = {"name": "d", "shape": [2], "class_names": ["a"], "items": {}}
    environment = dict.fromkeys(Environment.model_fields, "x")
    return {
        "schema_version": SCHEMA_VERSION,
        "created": "",
        "command": "",
        "algorithm": "",
        "settings": {},
        "environment": {**environment, "threads": 1, "world_size": 1},
        "source": domain,
        "target": domain,
    }


def refused(folder):
    with pytest.raises(RecordError) as caught:
        read_record(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_no_record(tmp_path):
    assert "is not a run folder" in refused(tmp_path)
    assert "is not a run folder" in refused(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    assert "is a file" in refused(tmp_path / "file")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"\x00", b"nonsense", b'{"a": '])
def test_no_json(content, tmp_path):
    (tmp_path / "record.json").write_bytes(content)
    assert "cannot be read as JSON" in refused(tmp_path)


@pytest.mark.parametrize("content", ["[]", "null", "3", '"text"', "{}"])
def test_json_but_no_record(content, tmp_path):
    (tmp_path / "record.json").write_text(content)
    assert "is not a valid record" in refused(tmp_path)


def test_a_newer_schema_is_told_from_a_broken_one(raw, tmp_path):
    raw |= {"schema_version": SCHEMA_VERSION + 1, "field_of_tomorrow": 1}
    (tmp_path / "record.json").write_text(json.dumps(raw))
    assert "update acclimate" in refused(tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"status": "sleeping"}, "status"),
        ({"surprise": 1}, "surprise"),
        ({"evaluations": [{"step": "x"}]}, "evaluations.0.step"),
        ({"source": {}}, "source.name"),
        ({"created": None, "command": None}, "2 problems"),
    ],
)
def test_the_wrong_field_is_named(change, said, raw, tmp_path):
    (tmp_path / "record.json").write_text(json.dumps({**raw, **change}))
    assert said in refused(tmp_path)


def test_numbers_that_are_none_survive(raw, tmp_path):
    """A loss that left the reals must not make the folder unreadable."""
    record = RunRecord.model_validate(raw)
    record.training_seconds = math.nan
    record.images_per_second = math.inf
    record.write(tmp_path)
    read = read_record(tmp_path)
    assert math.isnan(read.training_seconds)
    assert read.images_per_second == math.inf
    json.loads((tmp_path / "record.json").read_text(), parse_constant=pytest.fail)


def test_a_record_of_the_first_day_can_be_read(raw, tmp_path):
    (tmp_path / "record.json").write_text(json.dumps(raw))
    assert read_record(tmp_path).status == "running"


def test_an_evaluation_from_before_areas_were_kept_can_be_read(raw, tmp_path):
    older = {"step": 5, "seconds": 1.0, "source_accuracy": 0.5, "scores": {"entropy": -1.0},
             "predicted_class_shares": [1.0], "oracle_target_accuracy": 0.25}  # fmt: skip
    (tmp_path / "record.json").write_text(json.dumps({**raw, "evaluations": [older]}))
    record = read_record(tmp_path)
    (read,) = record.evaluations
    assert (read.source_auroc, read.oracle_target_auroc, read.place_metrics) == (None, None, [])
    assert (read.oracle_target_accuracy, record.place_metrics) == (0.25, [])
