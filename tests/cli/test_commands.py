"""Every command: help with an example, one JSON object, and results that can be checked."""

import json
import re

import pytest
import torch
from people_models import save_people_model
from typer.main import get_command

from acclimate.algorithms import algorithms
from acclimate.cli.main import build_app
from acclimate.core.records import read_record
from acclimate.data import datasets
from acclimate.shallow import adapters
from acclimate.training.inference import load_model


def commands(group=None, prefix=()):
    group = group or get_command(build_app())
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*prefix, name))
        else:
            yield (*prefix, name), command


ALL = dict(commands())
NAMES = [pytest.param(name, id=" ".join(name)) for name in ALL]
PRINTS_RESULTS = {n for n, c in ALL.items() if any("--json" in p.opts for p in c.params)}


def plain(text):
    """Help without frames and line breaks."""
    return re.sub(r"[\s│]+", " ", text)


@pytest.mark.parametrize("name", NAMES)
def test_help_has_a_line_and_an_example(acclimate, name):
    done = acclimate(*name, "--help")
    assert (done.code, done.err) == (0, "")
    assert ALL[name].help
    assert f"Example: acclimate {' '.join(name)}" in plain(done.out)


@pytest.mark.parametrize("name", NAMES)
def test_every_option_is_explained(name):
    silent = [
        parameter.name
        for parameter in ALL[name].params
        if parameter.name != "help" and not getattr(parameter, "help", None)
    ]
    assert not silent


@pytest.mark.parametrize("name", NAMES)
def test_example_names_existing_options(name):
    known = {option for parameter in ALL[name].params for option in parameter.opts}
    assert set(re.findall(r"--[a-z-]+", ALL[name].epilog)) <= known


JSON_LINES = {
    "list": ["list"],
    "list one kind": ["list", "algorithms"],
    "doctor": ["doctor"],
    "data list": ["data", "list"],
    "data check": ["data", "check"],
    "data cache": ["data", "cache"],
    "data build": ["data", "build", "moons"],
    "data build into a file": [
        *("data", "build", "syn-digits", "--count", "3", "--output", "digits.npz"),
    ],
    "data show": ["data", "show", "PICTURES"],
    "reproduce": ["reproduce", "digits", "--show"],
    "evaluate": ["evaluate", "RUN", "--data", "PICTURES"],
    "predict": ["predict", "RUN", "PICTURES", "--output", "out.csv"],
    "match": ["match", "PEOPLE_RUN", "PICTURES", "--gallery", "PICTURES"],
    "report": ["report", "RUN"],
    "select": ["select", "RUN"],
    "fit": [
        *("fit", "--source", "PICTURES", "--target", "PICTURES", "--output", "NEW"),
        *("--steps", "2", "--batch-size", "2", "--size", "28", "--evaluations", "1"),
    ],
}
# minutes of training or measuring: their own tests look at what they print
SLOW = {"demo", "bench"}


@pytest.mark.parametrize("line", JSON_LINES.values(), ids=JSON_LINES)
def test_json_is_one_object(acclimate, run_folder, pictures, tmp_path, line):
    places = {"RUN": run_folder, "PICTURES": pictures, "NEW": "first"}
    if "PEOPLE_RUN" in line:
        places["PEOPLE_RUN"] = save_people_model(tmp_path / "people")
    done = acclimate(*(places.get(word, word) for word in line), "--json")
    assert done.code == 0, done.err
    result = json.loads(done.out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert isinstance(result, dict)
    table = acclimate(*({**places, "NEW": "second"}.get(word, word) for word in line))
    assert table.code == 0, table.err
    assert table.out
    assert "…" not in table.out


def test_every_command_that_prints_results_has_json():
    tested = {tuple(line[: len(name)]) for name in ALL for line in JSON_LINES.values()}
    assert {name for name in ALL if name[0] not in SLOW} <= tested & PRINTS_RESULTS


def test_list_names_everything(acclimate):
    done = acclimate("list")
    for registry in (algorithms, datasets, adapters):
        for name in registry.names():
            assert name in done.out
    entries = json.loads(acclimate("list", "algorithms", "--json").out)["algorithms"]
    assert all(entry["description"] for entry in entries)
    assert {e["name"] for e in entries if e["oracle"]} == {"train-on-target"}
    entries = json.loads(acclimate("list", "adapters", "--json").out)["adapters"]
    assert tuple(entry["name"] for entry in entries) == adapters.names()
    assert all(entry["description"] for entry in entries)


def test_evaluate_agrees_with_the_network_itself(acclimate, run_folder, pictures):
    result = json.loads(acclimate("evaluate", run_folder, "--data", pictures, "--json").out)
    assert result["n"] == 30
    assert {"accuracy", "auroc", "confusion", "class_accuracy"} <= result.keys()
    predicted = json.loads(
        acclimate("predict", run_folder, pictures, "--output", "p.csv", "--json").out
    )
    columns = torch.tensor(result["confusion"]).sum(dim=0).tolist()
    assert columns == [predicted["class_counts"][name] for name in result["class_names"]]


def test_class_order_is_the_models_own(acclimate, run_folder, pictures):
    """A folder that lacks the first class must not shift the labels of the others."""
    for path in (pictures / "cat").iterdir():
        path.unlink()
    (pictures / "cat").rmdir()
    result = json.loads(acclimate("evaluate", run_folder, "--data", pictures, "--json").out)
    assert result["class_names"] == list(load_model(run_folder).class_names)
    assert result["class_counts"] == [0, 10, 10]
    assert result["class_accuracy"][0] is None


def test_data_check_says_what_is_missing(acclimate):
    done = acclimate("data", "check", "usps", "--json")
    assert done.code == 1
    assert json.loads(done.out)["complete"] is False
    assert acclimate("data", "check", "--json").code == 0


def test_doctor_advises_against_spinning(acclimate, monkeypatch):
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    findings = json.loads(acclimate("doctor", "--json").out)["findings"]
    assert any("OMP_WAIT_POLICY" in finding["what"] for finding in findings)
    monkeypatch.setenv("ACCLIMATE_DATA", "no/such/folder")
    findings = json.loads(acclimate("doctor", "--json").out)["findings"]
    assert any("ACCLIMATE_DATA" in finding["what"] for finding in findings)


def test_report_of_one_run_lies_in_it(acclimate, run_folder):
    done = acclimate("report", run_folder)
    assert done.code == 0
    assert (run_folder / "report.html").read_text(encoding="utf-8").startswith("<!")


def test_report_names_the_baseline_and_survives_its_loss(acclimate, run_folder):
    record = read_record(run_folder)
    baseline = run_folder / "baseline"
    record.write(baseline)
    record.model_copy(update={"algorithm": "dann", "baseline": "baseline"}).write(run_folder)

    def listed():
        done = acclimate("report", run_folder, "--json")
        assert done.code == 0, done.err
        return [row["algorithm"] for row in json.loads(done.out)["runs"]]

    assert listed() == ["source-only", "dann"]
    (baseline / "record.json").unlink()
    assert listed() == ["dann"]


def test_version_and_bare_call(acclimate):
    assert acclimate("--version").out.startswith("acclimate ")
    assert "Commands" in acclimate().out
    assert "check" in acclimate("data").out
