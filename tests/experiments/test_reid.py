"""The re-identification table as data, its settings, and the runs behind a row."""

import dataclasses
import json
import re
from pathlib import Path

import pytest
from people_trees import write_prid, write_viper

from acclimate.core.errors import ConfigurationError, RecordError, UnknownNameError
from acclimate.core.records import read_record
from acclimate.data import datasets
from acclimate.experiments.reid.pairs import (
    HUMAN,
    PAIRS,
    PROTOCOLS,
    TITLES,
    TRAINED_ON_TARGET,
)
from acclimate.experiments.reid.recipes import BASE, COMMON, ORACLE, RECIPES, ROWS
from acclimate.experiments.reid.results import read, result_of
from acclimate.experiments.reid.run import Job, run_job, settings_of, wanted
from acclimate.training.observer import Observer
from acclimate.training.parts import make_algorithm

PAIR = PAIRS["viper-prid"]
SMALL = {
    "device": "cpu",
    "steps": 4,
    "batch_size": 4,
    "evaluations": 2,
    "log_every": 1,
    "size": 48,
    "width": 16,
    "network_options": {"maps": 2},
}
OF_ROW = {"algorithm", "algorithm_options"}


def test_the_pairs_are_the_papers():
    """As the paper has them; CUHK03 stands for the whole of CUHK."""
    sides = {
        ("cuhk03", "viper"): 20_000,
        ("cuhk01", "viper"): 50_000,
        ("prid2011", "viper"): 50_000,
        ("cuhk03", "prid2011"): 20_000,
        ("cuhk01", "prid2011"): 20_000,
        ("viper", "prid2011"): 20_000,
        ("viper", "cuhk01"): 50_000,
        ("prid2011", "cuhk01"): 20_000,
    }
    assert {(p.source, p.target): p.paper_steps for p in PAIRS.values()} == sides
    assert {name: pair.name for name, pair in PAIRS.items()} == {name: name for name in PAIRS}
    assert (HUMAN, TRAINED_ON_TARGET) == (71.08, {"viper": 34.4, "prid2011": 17.9})
    assert list(PAIRS)[:2] == ["viper-prid", "prid-viper"]


def test_protocols_say_what_is_registered():
    """Numbers of the text are those of the data sets."""
    assert set(PROTOCOLS) == {pair.target for pair in PAIRS.values()}
    assert set(TITLES) == {side for p in PAIRS.values() for side in (p.source, p.target)}
    for name, text in PROTOCOLS.items():
        protocol = datasets.get(name).identities
        assert str(protocol.train_identities) == re.search(r"\d+", text)[0]
    assert all(datasets.get(name).identities for name in TITLES)


def test_rows():
    assert list(ROWS) == ["source-only", "dann", "best", "train-on-target"]
    kinds = {row: make_algorithm(settings_of(job(row), {})) for row in ROWS}
    assert [row for row, kind in kinds.items() if kind.oracle] == [ORACLE]
    assert [row for row, kind in kinds.items() if not kind.uses_target] == [BASE, ORACLE]


def job(row="dann", recipe="default", pair=PAIR, split=0):
    return Job(recipe, pair, row, split)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_rows_share_everything_but_their_algorithm(recipe, pair):
    found = [settings_of(job(row, recipe, pair, split=3), {}).model_dump() for row in ROWS]
    rest = [{k: v for k, v in each.items() if k not in OF_ROW} for each in found]
    assert all(each == rest[0] for each in rest)
    assert (rest[0]["seed"], rest[0]["split_seed"]) == (3, 3)
    assert (rest[0]["source"], rest[0]["target"]) == (pair.source, pair.target)
    assert rest[0]["objective"] == "retrieval"


def test_the_papers_recipe():
    """JMLR 17(59), 5.3: constant rate, momentum, batches and length; nothing of ours."""
    found = settings_of(job(recipe="paper", pair=PAIRS["prid-viper"]), {})
    assert (found.learning_rate, found.schedule, found.momentum) == (0.001, "constant", 0.9)
    assert (found.optimiser, found.batch_size, found.steps) == ("sgd", 128, 50_000)
    assert (found.network, found.network_options) == ("strips-cnn", {})
    assert settings_of(job(recipe="paper"), {}).steps == 20_000
    assert settings_of(job(recipe="paper"), {"steps": 7}).steps == 7


def test_what_is_changed():
    """Options of the network are added to the recipe's; those of another network replace them."""
    own = dict(COMMON["network_options"])
    found = settings_of(job(), {"network_options": {"maps": 3}})
    assert found.network_options == {**own, "maps": 3}
    assert settings_of(job(), {}).network_options == own
    assert settings_of(job(), {"network": "compact-cnn"}).network_options == {}
    assert settings_of(job(), {"network": "compact-cnn"}).steps == COMMON["steps"]
    photos = {"network": "backbone", "network_options": {"name": "resnet18", "weights": "none"}}
    found = settings_of(job(), photos)
    assert (found.network_options, found.optimiser) == (photos["network_options"], "sgd")
    assert found.batch_size == 32
    weighted = {"algorithm_options": {"weight": 0.5}}
    assert settings_of(job(), weighted).algorithm_options["weight"] == 0.5


def test_names():
    everything = wanted("default", [], [0, 2, 0])
    assert [(j.pair.name, j.row, j.split) for j in everything] == [
        (pair, row, split) for split in (0, 2) for pair in PAIRS for row in ROWS
    ]
    assert [j.name for j in wanted("default", ["prid-viper/best"], [5])] == [
        "prid-viper/best split 5"
    ]
    assert [j.pair.name for j in wanted("paper", ["*/dann"], [0])] == list(PAIRS)
    with pytest.raises(
        ConfigurationError, match=r"no pair 'viper-pird'\. Did you mean 'viper-prid'"
    ):
        wanted("default", ["viper-pird"], [0])
    with pytest.raises(UnknownNameError, match=r"no row 'dan'\. Did you mean 'dann'"):
        wanted("default", ["*/dan"], [0])


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Noise in the official layouts: a few more people than are adapted to."""
    root = tmp_path_factory.mktemp("people")
    write_viper(root, people=330)
    write_prid(root, 204, 210)
    return root


@pytest.fixture
def trained(people, tmp_path, monkeypatch):
    """Train rows in a folder of their own; paths in it are relative."""
    monkeypatch.setenv("ACCLIMATE_DATA", str(people))
    monkeypatch.setenv("ACCLIMATE_CACHE", str(people / "cache"))

    def call(*rows, place="place", observer=None, pair=PAIR):
        (tmp_path / place).mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / place)
        return [
            run_job(
                job(row, pair=pair),
                runs=Path("runs"),
                results=Path("results"),
                changes=SMALL,
                observer=observer,
            )
            for row in rows
        ]

    return call


def folder(row):
    return Path("runs/reid/viper-prid/split-0") / row


def test_every_row_from_pictures_to_a_result(trained):
    results = trained(*ROWS)
    assert read(Path("results"), "default") == sorted(results, key=lambda r: r.row)
    for row, result in zip(ROWS, results, strict=True):
        record = read_record(folder(row))
        assert result.row == row
        assert result.uses_target_labels == (row == ORACLE)
        assert (result.oracle_target.probes, result.oracle_target.gallery) == (100, 110)
        whole = record.oracle_target_retrieval
        assert result.oracle_target.area == whole.area
        assert result.oracle_target.cmc == whole.cmc[:50]
        assert len(whole.cmc) > 50
        last = record.evaluations[-1]
        assert last.step == result.steps == 4
        assert result.oracle_last_rank1 == last.oracle_target_accuracy
        assert result.oracle_last_mean_average_precision == (
            last.oracle_target_mean_average_precision
        )
        assert result.source.rank1 == record.source_retrieval.rank1
        assert result.source.identities == round(330 / 5)
        assert result.items["target adapt"] == 200
        assert result.shape == (3, 48, 16)
    # the others' reports hold them against source-only
    baselines = [read_record(folder(row)).baseline for row in ROWS]
    assert baselines[1] == "../source-only"
    assert (baselines[0], baselines[3]) == (None, None)


class Interrupt(Observer):
    """Raises after the third step, once; keeps where runs began."""

    def __init__(self):
        self.told, self.starts = False, []

    def run_started(self, name, steps, start):
        self.starts.append(start)

    def logged(self, step, values):
        if step == 3 and not self.told:
            self.told = True
            raise KeyboardInterrupt


def test_stopped_midway_and_called_again_the_result_is_the_same(trained):
    (whole,) = trained("dann", place="whole")
    observer = Interrupt()
    with pytest.raises(KeyboardInterrupt):
        trained("dann", place="cut", observer=observer)
    assert not Path("results").exists()
    (cut,) = trained("dann", place="cut", observer=observer)
    trained("dann", place="cut", observer=observer)  # a finished one is not trained again
    assert observer.starts == [0, 2]
    times = {"seconds", "peak_memory_mib", "finished"}
    assert cut.model_dump(exclude=times) == whole.model_dump(exclude=times)
    kept = json.loads(Path("results/reid/viper-prid/dann-split0.json").read_text())
    assert kept == cut.model_dump(mode="json")


def test_splits_are_other_people(trained):
    trained("source-only")
    second = dataclasses.replace(job("source-only"), split=1)
    run_job(second, runs=Path("runs"), results=Path("results"), changes=SMALL)
    names = [
        json.loads(
            (
                folder("source-only").parents[1] / f"split-{n}/source-only/item_names.json"
            ).read_text()
        )
        for n in (0, 1)
    ]
    assert names[0] != names[1]
    assert sorted(r.split for r in read(Path("results"), "default")) == [0, 1]
    bare = read_record(folder("source-only")).model_copy(update={"oracle_target_retrieval": None})
    with pytest.raises(RecordError, match="viper-prid/dann: prid2011 has no identities"):
        result_of(bare, "default", "viper-prid", "dann")
