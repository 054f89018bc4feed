"""One t-SNE per model on the union, and nothing that degenerate features can break."""

import numpy as np
import pytest

from acclimate.report import embedding
from acclimate.report.html import write_report


@pytest.fixture
def generator():
    return np.random.default_rng(0)


@pytest.fixture
def fits(monkeypatch):
    """How many points each t-SNE was fitted on; the layout itself is replaced by a cheap one."""
    sizes = []

    class Counted:
        def __init__(self, *_, **options):
            assert options["random_state"] == 0

        def fit_transform(self, features):
            sizes.append(len(features))
            return np.asarray(features[:, :2], dtype=np.float32)

    monkeypatch.setattr(embedding, "TSNE", Counted)
    return sizes


def test_each_model_is_fitted_once_on_source_and_target_together(tmp_path, make_run, fits):
    make_run(tmp_path / "run", items=40)
    write_report([tmp_path / "run"], tmp_path / "report.html")
    assert fits == [80, 80]  # before and after, 40 + 40 items each


def test_separate_domains_stay_apart_and_equal_ones_mix(generator):
    source, target = generator.normal(size=(60, 8)), generator.normal(size=(60, 8))
    apart = embedding.embed_jointly(source, target + 50)
    mixed = embedding.embed_jointly(source, target)
    assert apart.mixing == 0
    assert mixed.mixing == pytest.approx(1, abs=0.1)
    # in the plane, too: every item's nearest neighbour is of its own domain
    plane = np.concatenate([apart.source, apart.target])
    distances = np.linalg.norm(plane[:, None] - plane[None], axis=2) + 1e9 * np.eye(len(plane))
    assert ((distances.argmin(axis=1) < 60) == (np.arange(120) < 60)).all()


def test_same_features_give_the_same_plane(generator):
    source, target = generator.normal(size=(30, 5)), generator.normal(size=(20, 5))
    first, second = (embedding.embed_jointly(source, target) for _ in range(2))
    np.testing.assert_array_equal(first.source, second.source)
    assert np.abs(np.concatenate([first.source, first.target])).max() <= 1


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (np.zeros((0, 4)), np.zeros((0, 4))),
        (np.ones((4, 4)), np.eye(4)),
        (np.ones((50, 4)), np.ones((50, 4))),
        (np.full((50, 4), np.nan), np.full((50, 4), np.inf)),
        (np.repeat(np.eye(4), 20, axis=0), np.repeat(np.eye(4), 20, axis=0)),
    ],
    ids=["empty", "few", "constant", "not finite", "four distinct"],
)
def test_degenerate_features_are_refused_in_words(source, target):
    assert isinstance(embedding.embed_jointly(source, target), str)


def test_awkward_features_are_drawn(generator):
    source, target = generator.normal(size=(15, 6)) * 6e4, generator.normal(size=(15, 6))
    source[3, 2] = np.inf
    plane = embedding.embed_jointly(source, target)
    assert np.isnan(plane.source[3]).all()
    assert np.isfinite(np.delete(plane.source, 3, axis=0)).all()
    one_column = embedding.embed_jointly(source[4:, :1], target[:, :1])
    assert np.isfinite(one_column.target).all()


def test_ten_items_are_enough(generator):
    plane = embedding.embed_jointly(generator.normal(size=(5, 3)), generator.normal(size=(5, 3)))
    assert plane.source.shape == plane.target.shape == (5, 2)
