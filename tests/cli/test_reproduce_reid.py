"""``acclimate reproduce reid`` from options to pages, on people of noise."""

import json

import pytest
from people_trees import write_prid, write_viper

from acclimate.core.records import read_record
from acclimate.experiments.reid.results import read

SMALL = ("--steps", 2, "--batch-size", 4, "--set", "network.maps=2", "--device", "cpu")
TRIAL = "reproduce-trial-steps-2-batch_size-4-network.maps-2"


@pytest.fixture
def people(tmp_path, monkeypatch, acclimate):
    """VIPeR and PRID 2011 in small; nothing of CUHK."""
    root = tmp_path / "people"
    write_viper(root, people=320)
    write_prid(root, 202, 204)
    monkeypatch.setenv("ACCLIMATE_DATA", str(root))
    return root


def contents(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_from_pictures_to_the_page(people, acclimate, tmp_path):
    rows = ("--row", "viper-prid/source-only", "--row", "viper-prid/dann", "--split", 4)
    done = acclimate("reproduce", "reid", *rows, *SMALL, "--json")
    assert done.code == 0, done.err
    assert "dann: 2 steps" in done.err
    printed = json.loads(done.out)
    assert [line["row"] for line in printed["lines"]] == ["source-only", "dann"]
    trial = tmp_path / "acclimate-runs" / TRIAL
    results = read(trial / "results", "default")
    assert [(r.row, r.split, r.steps) for r in results] == [
        ("dann", 4, 2),
        ("source-only", 4, 2),
    ]
    (dann, base) = results
    line = printed["lines"][1]
    assert line["oracle_target"]["rank1"]["mean"] == dann.oracle_target.rank1
    gain = dann.oracle_target.area - base.oracle_target.area
    assert line["oracle_gains"]["area"]["mean"] == pytest.approx(gain)
    assert line["splits"] == [4]
    record = read_record(trial / "reid" / "viper-prid" / "split-4" / "dann")
    assert (record.settings["split_seed"], record.settings["seed"]) == (4, 4)
    assert record.settings["network_options"]["maps"] == 2
    assert tmp_path / printed["page"] == trial / "results" / "reid.md"
    assert [tmp_path / path for path in printed["figures"]] == [
        trial / "results" / "reid" / "viper-prid.png"
    ]
    # a trial leaves the table alone
    assert not (tmp_path / "experiments").exists()

    before = contents(trial)
    shown = acclimate("reproduce", "reid", *rows, *SMALL, "--show")
    assert shown.code == 0, shown.err
    assert "DANN" in shown.out
    assert contents(trial) == before
    again = acclimate("reproduce", "reid", *rows, *SMALL)
    assert again.code == 0, again.err
    assert "2 steps" not in again.err  # nothing was trained
    assert read(trial / "results", "default") == results


def test_places_that_were_asked_for(people, acclimate, tmp_path):
    places = ("--runs", "own/runs", "--results", tmp_path / "secret" / "kept")
    row = ("--row", "prid-viper/source-only", "--split", 0)
    done = acclimate("reproduce", "reid", *row, *SMALL, *places)
    assert done.code == 0, done.err
    (result,) = read(tmp_path / "secret" / "kept", "default")
    assert (result.oracle_target.probes, result.oracle_target.gallery) == (4, 4)
    assert (tmp_path / "own/runs/reid/prid-viper/split-0/source-only/record.json").exists()
    text = (tmp_path / "secret/kept/reid/prid-viper/source-only-split0.json").read_text()
    assert str(tmp_path) not in text


def test_pairs_without_data_are_left_out(people, acclimate, tmp_path):
    done = acclimate("reproduce", "reid", "--row", "*/source-only", "--split", 0, *SMALL)
    assert done.code == 0, done.err
    warned = [line for line in done.err.splitlines() if "is left out" in line]
    assert [line.split()[1] for line in warned] == [
        *("cuhk01-viper", "cuhk01-prid", "viper-cuhk01", "prid-cuhk01"),
        *("cuhk03-viper", "cuhk03-prid"),
    ]
    found = read(tmp_path / "acclimate-runs" / TRIAL / "results", "default")
    assert [result.pair for result in found] == ["prid-viper", "viper-prid"]


def test_a_pair_without_data_that_was_named_is_an_error(people, acclimate, tmp_path):
    done = acclimate("reproduce", "reid", "--row", "cuhk01-viper", *SMALL)
    assert (done.code, done.out) == (2, "")
    assert "cuhk01" in done.err.splitlines()[-1]
    assert not (tmp_path / "acclimate-runs" / TRIAL / "results").exists()


def test_show_writes_nothing(acclimate, tmp_path):
    for recipe in ("default", "paper"):
        done = acclimate("reproduce", "reid", "--show", "--json", "--recipe", recipe)
        assert json.loads(done.out) == {
            "table": "reid",
            "recipe": recipe,
            "page": None,
            "figures": [],
            "lines": [],
        }
    assert contents(tmp_path) == {}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--row", "viper-pird"], "Did you mean 'viper-prid'"),
        (["--row", "viper-prid/dan"], "Did you mean 'dann'"),
        (["--recipe", "papre"], "no recipe 'papre'. Did you mean 'paper'"),
        (["--seeds", 3], "--seeds: not for reid, which takes --row, --split"),
        (["--seed", 3], "--seed: not for reid"),
        (["--network", "strip-cnn"], "Did you mean 'strips-cnn'"),
        (["--set", "network.map=3"], "map"),
        (["--set", "office-31"], "write it as algorithm.KEY=VALUE"),
        (["--set", "steps=3"], "write --steps"),
        (["--weights", "hub"], "--weights: for a pretrained network; give --backbone NAME too"),
        (["--row", "viper-prid/dann", "--set", "algorithm.weigth=1"], "weight"),
    ],
)
def test_a_mistake_is_one_line_before_anything_is_trained(acclimate, tmp_path, arguments, words):
    done = acclimate("reproduce", "reid", *arguments)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert words in done.err
    assert contents(tmp_path) == {}


@pytest.mark.parametrize(
    ("table", "option"),
    [
        (table, option)
        for table in ("digits", "office", "amazon", "moons")
        for option in (
            ("--split", 0),
            ("--recipe", "paper"),
            ("--network", "mlp"),
            ("--batch-size", 3),
        )
    ],
)
def test_its_options_are_its_own(acclimate, tmp_path, table, option):
    done = acclimate("reproduce", table, *option)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert f"{option[0]}: " in done.err
    assert f"not for {table}" in done.err
    assert contents(tmp_path) == {}


def test_office_takes_one_set(acclimate, tmp_path):
    done = acclimate("reproduce", "office", "--set", "office-31", "--set", "office-home")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert "office takes one set at a time" in done.err
