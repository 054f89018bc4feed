"""The tables as data: every row can run, stands behind what it needs, and quotes what was printed."""

import pytest

from acclimate.core.errors import UnknownNameError
from acclimate.data import datasets
from acclimate.experiments.reproduce import Job, settings_of
from acclimate.experiments.tables import TABLES, find_pair, find_table
from acclimate.models.network import networks
from acclimate.training.parts import make_algorithm
from acclimate.training.settings import FitSettings

JOBS = [
    Job(table, pair, row, seed=1)
    for table in TABLES.values()
    for pair in table.pairs
    for row in table.rows
]

# as printed: JMLR 2016 table 2, then ICML 2015 table 1
COLUMNS = ("mnist-m", "syn-digits-svhn", "svhn-mnist", "gtsrb")
PRINTED = {
    "Ganin et al., JMLR 2016": {
        "source-only": (0.5225, 0.8674, 0.5490, 0.7900),
        "subspace-alignment": (0.5690, 0.8644, 0.5932, 0.8165),
        "dann": (0.7666, 0.9109, 0.7385, 0.8865),
        "train-on-target": (0.9596, 0.9220, 0.9942, 0.9980),
    },
    "Ganin & Lempitsky, ICML 2015": {
        "source-only": (0.5749, 0.8665, 0.5919, 0.7400),
        "subspace-alignment": (0.6078, 0.8672, 0.6157, 0.7635),
        "dann": (0.8149, 0.9048, 0.7107, 0.8866),
        "train-on-target": (0.9891, 0.9244, 0.9951, 0.9987),
    },
}
# in running text, and in the read-me files of repositories
ELSEWHERE = {
    ("mnist-svhn", "source-only", "Ganin et al., JMLR 2016"): 0.25,
    ("mnist-svhn", "dann", "Ganin et al., JMLR 2016"): 0.25,
    ("mnist-m", "source-only", "YashSharma/MNIST-DomainAdaptation"): 0.53,
    ("mnist-m", "dann", "YashSharma/MNIST-DomainAdaptation"): 0.7112,
    ("mnist-m", "dann+mi", "YashSharma/MNIST-DomainAdaptation"): 0.8762,
    ("svhn-mnist", "source-only", "anth2o/domain-adaptation"): 0.601,
    ("svhn-mnist", "dann", "anth2o/domain-adaptation"): 0.711,
    ("mnist-svhn", "source-only", "anth2o/domain-adaptation"): 0.230,
    ("mnist-svhn", "dann", "anth2o/domain-adaptation"): 0.238,
    ("svhn-mnist", "dann", "winlp4ever/DANN"): 0.735,
}


def test_published_numbers_are_as_printed():
    expected = dict(ELSEWHERE)
    for system, rows in PRINTED.items():
        for row, numbers in rows.items():
            for pair, number in zip(COLUMNS, numbers, strict=True):
                expected[pair, row, system] = number
    quoted = [
        ((pair.name, row, number.system), number.accuracy)
        for table in TABLES.values()
        for pair in table.pairs
        for row, numbers in pair.published.items()
        for number in numbers
    ]
    assert len(quoted) == len(dict(quoted))
    assert dict(quoted) == expected


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_rows_stand_behind_what_they_need(table):
    before = {}
    for row in table.rows:
        assert row.name not in before
        for needed in filter(None, (row.start_from, row.reference)):
            assert before[needed].family == row.family
        if row.reference:
            # with the last layer of its own kind
            bare = "linear-svm" if row.length == 0 else "source-only"
            assert before[row.reference].algorithm == bare
            assert before[row.reference].settings.get("target_labels") == row.settings.get(
                "target_labels"
            )
        before[row.name] = row
    for pair in table.pairs:
        assert pair.published.keys() <= before.keys()


def test_names_of_pairs_lead_to_one_table():
    names = [pair.name for table in TABLES.values() for pair in table.pairs]
    assert len(set(names)) == len(names)
    rows = {row.name for table in TABLES.values() for row in table.rows}
    assert rows.isdisjoint(names)
    for table in TABLES.values():
        assert find_table(table.name) is table
        for pair in table.pairs:
            assert find_pair(pair.name) == (table, pair)
    with pytest.raises(UnknownNameError, match="Did you mean 'digits'"):
        find_table("digit")


@pytest.mark.parametrize("job", JOBS, ids=lambda job: f"{job.table.name}-{job.name}")
@pytest.mark.parametrize("changes", [{}, {"steps": 1, "device": "cpu"}], ids=["table", "trial"])
def test_every_job_can_be_asked_for(job, changes, tmp_path):
    made = settings_of(job, tmp_path, changes)
    assert FitSettings.build("settings", made.model_dump()) == made
    assert (made.source, made.target) == (job.pair.source, job.pair.target)
    assert {made.source, made.target} <= set(datasets.names())
    assert made.seed == 1
    make_algorithm(made)
    if made.network in networks.names():
        networks.get(made.network).build("network", made.network_options)
    if job.row.start_from:
        assert made.start_from == str(job.folder(tmp_path, job.row.start_from))
    else:
        assert made.start_from is None
    if job.row.length == 0:
        assert made.step_count(1000) == 0
    elif "steps" in changes:
        assert made.step_count(1000) == 1


@pytest.mark.parametrize("job", JOBS, ids=lambda job: f"{job.table.name}-{job.name}")
def test_rows_of_a_family_share_network_augmentation_and_budget(job, tmp_path):
    """But the second stage, whose optimiser and length are its own."""
    first = next(row for row in job.table.rows if row.family == job.row.family)
    shared = settings_of(Job(job.table, job.pair, first, 1), tmp_path, {}).model_dump()
    own = settings_of(job, tmp_path, {}).model_dump()
    different = {key for key in own if own[key] != shared[key]}
    allowed = {"algorithm", "start_from", "target_labels"}
    if job.row.length == 0:
        allowed |= {"steps", "epochs"}
    if job.row.name == "dann+mi":
        allowed |= {"steps", "epochs", "optimiser", "learning_rate", "schedule"}
        allowed.add("algorithm_options")
        length, whole = (
            settings_of(Job(job.table, job.pair, row, 1), tmp_path, {}).step_count(64_000)
            for row in (job.row, first)
        )
        assert length == whole
    assert different <= allowed


def test_usps_is_enlarged_whichever_side_it_is_on(tmp_path):
    """Else its 16 pixels would be the size of both: the source's is what is taken."""
    sizes = {settings_of(job, tmp_path, {}).size for job in JOBS if job.pair.name == "usps-mnist"}
    assert sizes == {28}
