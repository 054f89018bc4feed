"""Ranks in rows, charts and films of retrieval runs, against the record and by hand."""

import json
import statistics

import numpy as np
import plotly.graph_objects as go
import pytest
from retrieval_folder import STEPS, write_retrieval_run
from sklearn.neighbors import NearestNeighbors

from acclimate.core.errors import RecordError
from acclimate.report import embedding
from acclimate.report.cameras import list_cameras
from acclimate.report.curves import learning_curves
from acclimate.report.film import make_film
from acclimate.report.retrieval import found
from acclimate.report.run import load_run
from acclimate.report.samples import stored_features, unit
from acclimate.report.seeds import summary_rows, summary_table
from acclimate.report.table import comparison_rows, source_only_record, text_table


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    """A layout that costs nothing."""

    class Cheap:
        def __init__(self, *_, **__): ...

        def fit_transform(self, features):
            return np.asarray(features[:, :2], dtype=np.float32)

    monkeypatch.setattr(embedding, "TSNE", Cheap)


def test_the_cmc_charts_draw_the_record(tmp_path):
    record = write_retrieval_run(tmp_path / "run", identities=130)
    before = load_run(tmp_path / "run" / "baseline").record
    made = found(record, before)
    assert [one.title for one in made.charts] == [
        "CMC curve, ranks 1 to 20", "CMC curve, ranks 1 to 100, logarithmic",
    ]  # fmt: skip
    curves = {
        "viper, held-out identities": record.source_retrieval.cmc,
        "prid2011 (oracle)": record.oracle_target_retrieval.cmc,
        "prid2011, source-only (oracle)": before.oracle_target_retrieval.cmc,
    }
    for one, most in zip(made.charts, (20, 100), strict=True):
        assert [entry.name for entry in one.legend] == list(curves)
        for trace, cmc in zip(one.figure["data"], curves.values(), strict=True):
            assert trace["x"] == list(range(1, min(most, len(cmc)) + 1))
            assert trace["y"] == pytest.approx(cmc[:most], rel=1e-4)
        go.Figure(data=one.figure["data"], layout=one.figure["layout"])
    few, many = (one.figure["layout"]["xaxis"] for one in made.charts)
    assert few["range"] == [0.5, 20.5]
    assert many["type"] == "log"
    assert 10 ** many["range"][0] < 1 < 100 < 10 ** many["range"][1]
    assert many["tickvals"][-1] == 100


def test_the_table_beneath_has_each_measure_of_each_search(tmp_path):
    record = write_retrieval_run(tmp_path / "run", oracle=True, baseline=False)
    made = found(record, None)
    assert made.searched == ["viper, held-out identities", "prid2011 (oracle)"]
    lines = {line.name: line.cells for line in made.lines}
    ours, theirs = record.source_retrieval, record.oracle_target_retrieval
    assert lines["gallery"] == [str(ours.gallery), str(theirs.gallery)]
    assert lines["rank 10"] == [f"{ours.rank10:.1%}", f"{theirs.rank10:.1%}"]
    assert lines["area"] == [f"{ours.area:.3f}", f"{theirs.area:.3f}"]
    assert list(lines)[3:] == ["rank 1", "rank 5", "rank 10", "rank 20", "mAP", "area"]


@pytest.mark.parametrize(("gallery", "titles"), [(20, 1), (21, 2), (0, 0)])
def test_small_galleries_need_no_logarithm_and_empty_curves_no_chart(tmp_path, gallery, titles):
    record = write_retrieval_run(tmp_path / "run", baseline=False, oracle=False)
    changed = record.source_retrieval.model_copy(update={"cmc": [1.0] * gallery})
    made = found(record.model_copy(update={"source_retrieval": changed}), None)
    assert len(made.charts) == titles


def test_curves_over_training_have_the_words_of_retrieval(tmp_path):
    record = write_retrieval_run(tmp_path / "run", baseline=False)
    run = load_run(tmp_path / "run")
    charts = {one.title: one for one in learning_curves(record, run.metrics)}
    drawn = {
        title: {t["name"]: t["y"] for t in charts[title].figure["data"]}
        for title in ("Rank 1 at each evaluation", "mAP at each evaluation")
    }
    ranks, precisions = drawn.values()
    evaluations = record.evaluations
    assert ranks["source, held-out identities"] == pytest.approx(
        [e.source_accuracy for e in evaluations], rel=1e-4
    )
    assert precisions["target (oracle)"] == pytest.approx(
        [e.oracle_target_mean_average_precision for e in evaluations], rel=1e-4
    )
    shares = charts["Domain accuracy, λ and other shares"]
    assert [entry.name for entry in shares.legend] == ["source batch rank 1", "domain accuracy"]
    assert "Accuracy at each evaluation" not in charts
    assert "oracle" not in charts["Label-free scores at each evaluation"].description


def test_the_film_shows_every_item_in_both_colourings(tmp_path):
    record = write_retrieval_run(tmp_path / "run", identities=24, baseline=False)
    made = make_film(tmp_path / "run", record, [], frames=6, points=300)
    assert [frame.step for frame in made.frames] == list(STEPS)
    assert list(made.legends) == ["domain", "camera"]
    for frame in made.frames:
        assert frame.items == (24, 48)
        for marks in frame.marks.values():
            assert sum(mark.path.count("M") for mark in marks) == 24 + 48
        by_camera = [m for m in frame.marks["camera"] if m.domain == "target"]
        assert len({mark.colour for mark in by_camera}) == 2


def test_a_domain_without_cameras_is_grey_and_many_cameras_are_not_coloured():
    some, none = np.array([4, 2, 4]), None
    cameras = list_cameras([some, np.array([7])], [none])
    assert [c.name for c in cameras] == [
        "source, camera 2", "source, camera 4", "source, camera 7", "target, camera unknown",
    ]  # fmt: skip
    assert len({c.colour for c in cameras}) == 4
    assert cameras[1].items(some, 3).tolist() == [0, 2]
    assert cameras[-1].items(none, 3).tolist() == [0, 1, 2]
    assert cameras[-1].items(some, 3).tolist() == []
    assert cameras[0].items(none, 3).tolist() == []
    assert list_cameras([none], [none]) == []
    assert list_cameras([np.arange(41)], [none]) == []


def test_neighbours_of_unit_rows_are_those_of_the_largest_cosine():
    rows = np.random.default_rng(0).normal(size=(40, 6)) * np.linspace(0.1, 9, 40)[:, None]
    by_angle = NearestNeighbors(n_neighbors=5, metric="cosine").fit(rows)
    by_distance = NearestNeighbors(n_neighbors=5).fit(unit(rows))
    np.testing.assert_array_equal(
        by_angle.kneighbors(rows, return_distance=False),
        by_distance.kneighbors(unit(rows), return_distance=False),
    )


def test_rows_have_the_ranks_in_text_and_in_json(tmp_path):
    record = write_retrieval_run(tmp_path / "run", baseline=False)
    (row,) = comparison_rows([record])
    target = record.oracle_target_retrieval
    headings, (cells,) = text_table([row])
    line = dict(zip(headings, cells, strict=True))
    for k in (1, 5, 10, 20):
        assert line[f"rank {k} (oracle)"] == f"{getattr(target, f'rank{k}'):.1%}"
    assert line["mAP (oracle)"] == f"{target.mean_average_precision:.1%}"
    assert line["area (oracle)"] == f"{target.area:.3f}"
    assert line["source rank 1"] == f"{record.source_retrieval.rank1:.1%}"
    assert "source accuracy" not in line
    assert "label-free estimate" not in line
    plain = json.loads(json.dumps(row.as_dict()))
    assert plain["objective"] == "retrieval"
    assert plain["oracle_target_retrieval"]["area"] == target.area
    assert plain["source_retrieval"]["rank5"] == record.source_retrieval.rank5


def test_the_gap_is_that_of_rank_1_and_other_objectives_are_no_reference(tmp_path, minimal):
    def with_rank(algorithm, rank, **changes):
        record = write_retrieval_run(tmp_path / f"{algorithm}{rank}", algorithm=algorithm,
                                     baseline=False, samples=False)  # fmt: skip
        target = record.oracle_target_retrieval.model_copy(update={"rank1": rank})
        return record.model_copy(update={"oracle_target_retrieval": target, **changes})

    floor, own = with_rank("source_only", 0.1), with_rank("dann", 0.25)
    ceiling = with_rank("train_on_target", 0.7)
    rows = comparison_rows([floor, own, ceiling])
    assert rows[1].oracle_gap_closed == pytest.approx((0.25 - 0.1) / (0.7 - 0.1))
    other = floor.model_copy(update={"objective": "classification"})
    assert comparison_rows([other, own, ceiling])[1].oracle_gap_closed is None
    assert source_only_record(own, [ceiling, other, own, floor]) is floor


def test_seeds_become_mean_and_sample_deviation(tmp_path):
    records = [
        write_retrieval_run(tmp_path / str(s), seed=s, baseline=False, samples=False)
        for s in range(3)
    ]
    (row,) = summary_rows(records)
    assert row.n == 3
    headings, (cells,) = summary_table([row])
    line = dict(zip(headings, cells, strict=True))
    ranks = [100 * r.oracle_target_retrieval.rank10 for r in records]
    areas = [r.oracle_target_retrieval.area for r in records]
    assert (
        line["rank 10 (oracle)"]
        == f"{statistics.fmean(ranks):.1f}% ± {statistics.stdev(ranks):.1f}"
    )
    assert line["area (oracle)"] == f"{statistics.fmean(areas):.3f} ± {statistics.stdev(areas):.3f}"
    plain = json.loads(json.dumps(row.as_dict()))
    assert plain["oracle_target_retrieval"]["rank10"]["mean"] == pytest.approx(
        statistics.fmean(ranks) / 100
    )


def test_a_damaged_evaluation_is_named(tmp_path):
    record = write_retrieval_run(tmp_path / "run", baseline=False, identities=20)
    path = tmp_path / "run" / "evaluations" / "step-00000200.npz"
    stored = dict(np.load(path))
    np.savez(path, **{**stored, "target_cameras": np.arange(3)})
    with pytest.raises(RecordError, match=r"^step-00000200.npz is damaged$"):
        stored_features(path)
    made = make_film(tmp_path / "run", record, [], frames=6, points=50)
    assert [bool(frame.marks) for frame in made.frames] == [True, False, True, True]
