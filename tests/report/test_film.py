"""One t-SNE for each frame, on the union, each laid on the one before."""

import re

import numpy as np
import pytest
from scipy.spatial import procrustes

from acclimate.core.records import Chosen, Evaluation
from acclimate.report import film
from acclimate.report.embedding import FEWEST_POINTS
from acclimate.report.film import align, choose_steps, make_film
from acclimate.report.html import write_report

CLASSES = ["ant", "bee", "cow"]


def evaluated(record, steps, chosen):
    evaluations = [
        Evaluation(step=s, seconds=s, source_accuracy=0.5, scores={}, predicted_class_shares=[])
        for s in steps
    ]
    kept = None if chosen is None else Chosen(step=chosen, validator="x", score=1.0)
    return record.model_copy(update={"evaluations": evaluations, "chosen": kept})


def store(folder, step, source, target, labels):
    (folder / "evaluations").mkdir(parents=True, exist_ok=True)
    np.savez(
        folder / "evaluations" / f"step-{step:08d}.npz",
        source_features=source.astype(np.float16),
        target_features=target.astype(np.float16),
        source_labels=labels,
    )


@pytest.fixture
def stored(tmp_path):
    """Four evaluations of three clusters, the target drawing nearer from step to step."""
    generator = np.random.default_rng(0)
    labels, theirs = np.arange(60) % 3, np.arange(45) % 3
    centres = generator.normal(0, 8, (3, 6))
    source, target = generator.normal(size=(60, 6)), generator.normal(size=(45, 6))
    for step, distance in ((10, 30), (20, 20), (30, 4), (40, 0)):
        store(tmp_path, step, centres[labels] + source, centres[theirs] + target + distance, labels)
    return tmp_path


def points(marks, domain):
    """The dots of a domain as (x, y), read back from the SVG paths."""
    shift = film._RADIUS["target"] if domain == "target" else 0
    path = "".join(mark.path for mark in marks if mark.domain == domain)
    return np.array([(int(x) + shift, int(y)) for x, y in re.findall(r"M(-?\d+) (-?\d+)", path)])


def test_frames_show_every_item_of_both_domains_inside_the_frame(stored, minimal):
    record = evaluated(minimal, [10, 20, 30, 40], 30)
    made = make_film(stored, record, CLASSES, frames=6, points=300)
    assert [(f.step, f.place) for f in made.frames] == [
        (10, "first"), (20, ""), (30, "chosen"), (40, "last"),
    ]  # fmt: skip
    for frame in made.frames:
        for marks in frame.marks.values():
            ours, theirs = points(marks, "source"), points(marks, "target")
            assert (len(ours), len(theirs)) == frame.items == (60, 45)
            assert np.concatenate([ours, theirs]).min() >= 0
            assert np.concatenate([ours, theirs]).max() <= film.SIDE
    assert made.frames[0].mixing < 0.1
    assert made.frames[-1].mixing > 0.7


def test_same_files_give_the_same_film(stored, minimal):
    record = evaluated(minimal, [10, 20, 30, 40], 30)
    first, second = (make_film(stored, record, CLASSES, frames=3, points=50) for _ in range(2))
    assert first == second
    assert first.frames[0].items == (50, 45)


def test_each_frame_is_one_fit_on_the_union_that_begins_from_the_last(stored, minimal, monkeypatch):
    seen = []
    real = film.embed_jointly

    def watched(source, target, start, iterations):
        seen.append((len(source), len(target), start))
        return real(source, target, start, iterations)

    monkeypatch.setattr(film, "embed_jointly", watched)
    make_film(stored, evaluated(minimal, [10, 20, 30], None), CLASSES, frames=6, points=300)
    assert [sizes[:2] for sizes in seen] == [(60, 45)] * 3
    assert [start is None for *_, start in seen] == [True, False, False]


def test_features_that_stay_are_drawn_where_they_were(tmp_path, minimal):
    """Equal features in another orientation: nothing moves but by t-SNE's own unrest."""
    generator = np.random.default_rng(1)
    labels = np.arange(60) % 3
    source = 9 * np.eye(6)[labels] + generator.normal(size=(60, 6))
    target = 9 * np.eye(6)[labels] + generator.normal(size=(60, 6))
    turn = np.linalg.qr(generator.normal(size=(6, 6)))[0]
    store(tmp_path, 1, source, target, labels)
    store(tmp_path, 2, source @ turn, target @ turn, labels)
    made = make_film(tmp_path, evaluated(minimal, [1, 2], 2), CLASSES, frames=2, points=99)
    before, after = (points(frame.marks["domain"], "source") for frame in made.frames)
    assert np.abs(before - after).mean() < 0.1 * film.SIDE


@pytest.mark.parametrize("mirrored", [False, True])
def test_alignment_is_the_procrustes_fit(mirrored):
    generator = np.random.default_rng(3)
    before = generator.normal(size=(30, 2)) * [3, 1]
    angle = 2.1
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    plane = 5 * before @ (turn * [1, -1] if mirrored else turn) + [7, -2]
    noisy = plane + generator.normal(0, 0.5, plane.shape)
    exact, close = align(plane, before), align(noisy, before)
    np.testing.assert_allclose(exact, before, atol=1e-9)
    # scipy's scales as well, by the cosine of the two; the turn is the same
    _, fitted, _ = procrustes(before, noisy)
    ours = close - close.mean(0)
    ours, theirs = ours / np.linalg.norm(ours), fitted / np.linalg.norm(fitted)
    np.testing.assert_allclose(ours, theirs, atol=1e-9)


def test_items_that_are_not_finite_turn_no_frame():
    before = np.random.default_rng(0).normal(size=(12, 2))
    plane = before[:, ::-1].copy()
    plane[3] = np.nan
    aligned = align(plane, before)
    assert np.isnan(aligned[3]).all()
    rest = np.delete(np.arange(12), 3)
    np.testing.assert_allclose(aligned[rest], before[rest], atol=1e-9)


@pytest.mark.parametrize(
    ("steps", "chosen", "most", "expected"),
    [
        (range(10, 130, 10), 120, 6, [10, 30, 50, 80, 100, 120]),
        (range(10, 130, 10), 60, 6, [10, 30, 60, 80, 100, 120]),
        ([5, 6], 6, 6, [5, 6]),
        ([1, 2, 3], 2, 2, [1, 3]),
        ([1, 2, 3], 99, 6, [1, 2, 3]),
        ([4], None, 6, [4]),
    ],
)
def test_first_chosen_and_last_are_shown(steps, chosen, most, expected):
    assert choose_steps(list(steps), chosen, most) == expected


def test_a_collapsed_or_damaged_frame_says_so_and_the_others_are_drawn(stored, minimal):
    store(stored, 20, np.ones((60, 6)), np.ones((45, 6)), np.arange(60) % 3)
    (stored / "evaluations" / "step-00000030.npz").write_bytes(b"PK no archive")
    made = make_film(stored, evaluated(minimal, [10, 20, 30, 40], 10), CLASSES, frames=6, points=99)
    assert [bool(frame.marks) for frame in made.frames] == [True, False, False, True]
    assert "collapse" in made.frames[1].missing
    assert "damaged" in made.frames[2].missing
    assert "/" not in made.frames[2].missing  # a page that is shown around names no folders


def test_steps_that_the_record_does_not_know_are_left_out(stored, minimal):
    made = make_film(stored, evaluated(minimal, [10, 30], 10), CLASSES, frames=6, points=99)
    assert [frame.step for frame in made.frames] == [10, 30]


@pytest.mark.parametrize("steps", [[], [10]])
def test_fewer_than_two_evaluations_are_no_film(stored, minimal, steps):
    made = make_film(stored, evaluated(minimal, steps, None), CLASSES, frames=6, points=99)
    assert made.frames == []
    assert "Left out" in made.missing


def test_items_and_widths_may_change_between_frames(stored, minimal):
    generator = np.random.default_rng(0)
    few = FEWEST_POINTS
    store(stored, 20, generator.normal(size=(few, 3)), generator.normal(size=(5, 3)), np.zeros(few))
    made = make_film(stored, evaluated(minimal, [10, 20, 30], 10), CLASSES, frames=6, points=99)
    assert [frame.items for frame in made.frames] == [(60, 45), (few, 5), (60, 45)]


def test_the_page_has_the_film_and_a_run_without_one_says_why(tmp_path, make_run):
    record = make_run(tmp_path / "run", items=30, baseline=False)
    text = write_report([tmp_path / "run"], tmp_path / "a.html").read_text(encoding="utf-8")
    assert "holds the features of no evaluations" in text
    generator = np.random.default_rng(0)
    for evaluation in record.evaluations:
        features = generator.normal(size=(2, 30, 5))
        store(tmp_path / "run", evaluation.step, *features, np.arange(30) % 10)
    text = write_report([tmp_path / "run"], tmp_path / "b.html").read_text(encoding="utf-8")
    assert "How the features moved" in text
    assert text.count("<svg ") == 6
    assert f"Step {record.chosen.step}</b> (chosen)" in text
