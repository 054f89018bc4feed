"""``--source`` given several times."""

import json

import numpy as np
import pytest


@pytest.fixture
def files(tmp_path):
    """Two sources that are different places, and a target between them."""

    def write(name, shift, features=4, names=("a", "b")):
        random = np.random.default_rng(len(name))
        labels = np.arange(60) % len(names)
        inputs = random.normal(shift, 1, (60, features)).astype(np.float32)
        inputs[:, 0] += 4 * labels
        path = tmp_path / f"{name}.npz"
        np.savez(path, x=inputs, y=np.array(names)[labels])
        return path

    return write


SHORT = ["--steps", 20, "--batch-size", 8, "--evaluations", 2, "--no-report", "--no-predictions"]


@pytest.mark.parametrize("algorithm", ["source-only", "multi-source-dann", "m3sda"])
def test_two_sources(acclimate, files, tmp_path, algorithm):
    first, second, target = files("first", 0), files("second", 1), files("target", 0.5)
    call = ["fit", "--source", first, "--source", second, "--target", target, *SHORT]
    done = acclimate(*call, "--algorithm", algorithm, "--no-baseline", "--json")
    assert done.code == 0, done.err
    folder = tmp_path / f"acclimate-runs/first+second-to-target-{algorithm}-seed0"
    record = json.loads((folder / "record.json").read_text())
    assert record["source"]["name"] == "first + second"
    assert sum(record["source"]["items"].values()) == 120
    assert record["settings"]["source"] == [str(first), str(second)]
    again = acclimate("fit", "--output", folder, "--resume", "--no-report", "--no-predictions")
    assert again.code == 0, again.err
    assert acclimate("evaluate", folder, "--data", target).code == 0


def test_one_source_given_alone_is_a_name(acclimate, files, tmp_path):
    done = acclimate(
        *["fit", "--source", files("first", 0), "--target", files("target", 1), *SHORT],
        *["--output", tmp_path / "run", "--no-baseline"],
    )
    assert done.code == 0, done.err
    record = json.loads((tmp_path / "run" / "record.json").read_text())
    assert record["settings"]["source"] == str(tmp_path / "first.npz")


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"features": 5}, "shapes (4,) and (5,)"),
        ({"names": ("a", "c")}, "'c'"),
        ({"name": "first"}, "twice"),
    ],
)
def test_sources_that_do_not_fit_together(acclimate, files, tmp_path, other, said):
    first, target = files("first", 0), files("target", 0.5)
    second = files(**{"name": "other", "shift": 1, **other})
    done = acclimate("fit", "--source", first, "--source", second, "--target", target, *SHORT)
    assert done.code == 2
    assert said in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert not (tmp_path / "acclimate-runs").exists()
