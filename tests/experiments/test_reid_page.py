"""Results of the re-identification table on disk, what they add up to, the page and its figures."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from acclimate.core.errors import RecordError
from acclimate.core.records import Environment, RetrievalMetrics
from acclimate.experiments.reid.drawing import draw
from acclimate.experiments.reid.lines import lines_of
from acclimate.experiments.reid.page import NOTHING, SHORT, page, short_cells, write_page
from acclimate.experiments.reid.recipes import RECIPES
from acclimate.experiments.reid.results import ReidResult, read, table_name, without_places, write

ROOT = Path(__file__).parents[2]
ENVIRONMENT = Environment(
    acclimate="0",
    python="3",
    torch="2",
    platform="test",
    processor="test",
    device="cpu",
    precision="32",
    threads=2,
)


def metrics(area, rank1=0.25, ranks=50):
    return RetrievalMetrics(
        probes=100,
        gallery=649,
        identities=100,
        rank1=rank1,
        rank5=0.5,
        rank10=0.6,
        rank20=0.7,
        mean_average_precision=0.4,
        area=area,
        cmc=np.linspace(rank1, 0.9, ranks).tolist(),
    )


def result(row, split, area, pair="viper-prid", **changes):
    values = {
        "recipe": "default",
        "pair": pair,
        "row": row,
        "split": split,
        "algorithm": row if row != "best" else "dann+more",
        "uses_target_labels": row == "train-on-target",
        "shape": (3, 128, 48),
        "items": {"source train": 1000},
        "settings": {"network": "strips-cnn", "batch_size": 64},
        "method": {},
        "steps": 600,
        "chosen_step": 540,
        "validator": "default",
        "oracle_target": metrics(area),
        "oracle_last_rank1": 0.125,
        "oracle_last_mean_average_precision": 0.25,
        "source": metrics(0.9),
        "seconds": 10.0 + split,
        "environment": ENVIRONMENT,
        "finished": None,
        "command": "acclimate reproduce reid",
        **changes,
    }
    return ReidResult(**values)


areas = st.dictionaries(
    st.integers(0, 6), st.integers(0, 1000).map(lambda n: n / 1000), min_size=1, max_size=5
)


@given(areas, areas)
def test_gains_are_of_the_same_split(base, own):
    results = [result("source-only", split, area) for split, area in base.items()]
    results += [result("dann", split, area) for split, area in own.items()]
    # of another pair, and so of no matter
    results += [result("source-only", split, 0.001, "prid-viper") for split in range(7)]
    lines = {(line.pair, line.row): line for line in lines_of(results[::-1])}
    line = lines["viper-prid", "dann"]
    assert line.splits == sorted(own)
    spread = line.oracle_target["area"]
    assert (spread.n, spread.mean) == (len(own), pytest.approx(np.mean(list(own.values()))))
    both = sorted(base.keys() & own.keys())
    gains = [own[split] - base[split] for split in both]
    assert (line.compared, line.oracle_won) == (len(both), sum(gain > 0 for gain in gains))
    gain = line.oracle_gains["area"]
    if not both:
        assert gain is None
    else:
        assert gain.mean == pytest.approx(np.mean(gains), abs=1e-12)
    if len(both) > 1:
        assert gain.sd == pytest.approx(np.std(gains, ddof=1), abs=1e-12)
    assert lines["viper-prid", "source-only"].compared == 0


def table_rows(text, start):
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith(f"| {start}")
    ]


def test_the_page():
    results = [
        *(result("source-only", split, 0.5 + 0.1 * split) for split in range(3)),
        *(result("dann", split, 0.6 + 0.2 * split) for split in range(2)),
        result("best", 0, 0.4, settings={"network": "other", "algorithm_options": {"rounds": 3}}),
    ]
    text = page("default", results)
    assert "## VIPeR → PRID 2011" in text
    assert "PRID 2011 → VIPeR" not in text
    assert "Probes 100, gallery 649." in text
    assert "network `other` or `strips-cnn`, network_options `null`" in text
    assert 'best with `{"rounds": 3}`' in text
    assert "PRID 2011 17.9. People" in text
    assert "pictures of `128×48`" in text
    assert "2 threads of test (cpu, precision 32, torch 2)" in text
    gains, measured = table_rows(text, "VIPeR → PRID 2011 | DANN"), table_rows(text, "DANN")
    sd = 100 * np.std([0.1, 0.2], ddof=1)
    assert gains == [
        ["VIPeR → PRID 2011", "DANN", "2 of 2", "+0.0 ± 0.0", "+0.0 ± 0.0", f"+15.0 ± {sd:.1f}"]
    ]
    assert table_rows(text, "VIPeR → PRID 2011 | best")[0][2:] == [
        "0 of 1",
        "+0.0",
        "+0.0",
        "−10.0",
    ]
    sd = 100 * np.std([0.6, 0.8], ddof=1)
    expected = ["DANN", "2", *(f"{value:.1f} ± 0.0" for value in (25, 50, 60, 70, 40))]
    expected += [f"70.0 ± {sd:.1f}", "12.5 ± 0.0", "25.0 ± 0.0", "25.0 ± 0.0", "40.0 ± 0.0", "10"]
    assert measured == [expected]
    head = next(line for line in text.splitlines() if line.startswith("| row | n |"))
    assert head.count("|") == len(expected) + 1


def test_without_results_there_is_a_page_without_tables(tmp_path):
    (path,) = write_page(tmp_path, "paper", [])
    assert path.name == "reid-paper.md"
    text = path.read_text(encoding="utf-8")
    assert "`acclimate reproduce reid --recipe paper`" in text
    assert "|" not in text


def test_the_terminals_line():
    lines = lines_of([result("source-only", 0, 0.5), result("dann", 0, 0.625)])
    first, second = (short_cells(line) for line in lines)
    assert len(first) == len(second) == len(SHORT)
    assert first[:3] == ["viper-prid", "source-only", "1"]
    assert (first[-2], second[-2]) == (NOTHING, "+12.5")


def test_a_figure_for_each_pair_and_the_page_shows_it(tmp_path):
    pairs = ("viper-prid", "prid-viper")
    written = write_page(
        tmp_path,
        "default",
        [result("dann", split, 0.5, pair) for pair in pairs for split in (0, 1)],
    )
    assert written == [tmp_path / "reid.md", *(tmp_path / f"reid/{pair}.png" for pair in pairs)]
    text = written[0].read_text(encoding="utf-8")
    for path in written[1:]:
        assert f"({path.relative_to(tmp_path).as_posix()})" in text
        with Image.open(path) as picture:
            assert picture.size > (500, 300)
        assert path.stat().st_size < 60_000
    # the figures are no results
    assert read(tmp_path, "default") == []


def test_curves_are_means_with_a_band_of_one_deviation():
    low, high = metrics(0.5, rank1=0.1), metrics(0.5, rank1=0.3, ranks=40)
    results = [
        result("dann", 0, 0.5, oracle_target=low),
        result("dann", 1, 0.5, oracle_target=high),
        result("source-only", 0, 0.5, oracle_target=low),
    ]
    figure = draw("title", lines_of(results))
    (axis,) = figure.axes
    base, dann = axis.lines
    both = 100 * np.array([low.cmc[:40], high.cmc])
    assert np.allclose(dann.get_ydata(), both.mean(0))
    assert np.allclose(dann.get_xdata(), np.arange(1, 41))
    assert np.allclose(base.get_ydata(), 100 * np.array(low.cmc))
    (band,) = axis.collections
    corners = band.get_paths()[0].vertices
    at_first = corners[corners[:, 0] == 1][:, 1]
    assert at_first.min() == pytest.approx(both[:, 0].mean() - both[:, 0].std(ddof=1))
    assert at_first.max() == pytest.approx(both[:, 0].mean() + both[:, 0].std(ddof=1))
    labels = [text.get_text() for text in axis.get_legend().get_texts()]
    assert labels == ["source-only, n = 1", "DANN, n = 2"]
    assert axis.get_ylim()[1] >= 100 * max(*low.cmc, *high.cmc)


def test_written_and_read_it_is_the_same(tmp_path):
    results = [result("dann", split, 0.5, warnings=["ü"]) for split in range(3)]
    for each in results:
        write(tmp_path, each)
    assert read(tmp_path, "default") == results
    assert read(tmp_path, "paper") == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:100],
        lambda text: "{}",
        lambda text: text.replace('"split": 0', '"split": -1'),
        lambda text: text.replace('"rank1"', '"rank"'),
        lambda text: text.replace('"acclimate-reid"', '"acclimate-office"'),
        lambda text: text.replace('"recipe": "default"', '"recipe": "another"'),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(tmp_path, damage):
    path = write(tmp_path, result("dann", 0, 0.5))
    whole = path.read_text(encoding="utf-8")
    assert damage(whole) != whole
    path.write_text(damage(whole), encoding="utf-8")
    with pytest.raises(RecordError) as caught:
        read(tmp_path, "default")
    assert str(path) in str(caught.value)
    assert "is no result of the re-identification table" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["dann-split0 (copy).json", "dann-split1.json", "best-split0.json"]
)
def test_a_copy_does_not_count_twice(tmp_path, name):
    path = write(tmp_path, result("dann", 0, 0.5))
    path.with_name(name).write_bytes(path.read_bytes())
    with pytest.raises(RecordError, match="belongs in"):
        read(tmp_path, "default")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("/home/me/a b/net.safetensors", "net.safetensors"),
        ("~/net.safetensors", "net.safetensors"),
        ("../../me/runs", "runs"),
        ("--results=/home/me/x", "--results=x"),
        ("network.weights=/home/me/x", "network.weights=x"),
        ("viper-prid/dann", "viper-prid/dann"),
        ("*/dann", "*/dann"),
        ("here/results", "here/results"),
        ("hub", "hub"),
        ("", ""),
    ],
)
def test_no_place_on_a_machine_is_published(given, expected):
    assert without_places(given) == expected
    assert without_places({"a": [given, 3, None], "b": (given,)}) == {
        "a": [expected, 3, None],
        "b": (expected,),
    }


@pytest.mark.parametrize("recipe", RECIPES)
def test_published_results_are_whole_and_their_page_is_theirs(recipe):
    """What lies in ``experiments/results`` can be read, names no folder, and made the page."""
    folder = ROOT / "experiments" / "results"
    results = read(folder, recipe)
    if not results:
        pytest.skip("no results of this recipe yet")
    for path in (folder / table_name(recipe)).rglob("*.json"):
        text = path.read_text(encoding="utf-8")
        assert not any(place in text for place in ('"/', "=/", " /", "/home/", "/tmp/", "~/"))
    written = (folder / f"{table_name(recipe)}.md").read_text(encoding="utf-8")
    assert written == page(recipe, results)
