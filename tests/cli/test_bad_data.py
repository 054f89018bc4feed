"""What people really hand to ``fit``: each mistake is one line, and no run folder is left behind."""

import gzip
import json
import shutil

import numpy as np
import pytest

from acclimate.core.records import SCHEMA_VERSION


def fit(acclimate, source, target, *more):
    short = ("--steps", "2", "--batch-size", "2", "--evaluations", "1", "--no-report")
    return acclimate(
        *("fit", "--source", source, "--target", target, "--output", "out"), *short, *more
    )


def check(done, tmp_path, *said):
    assert done.code == 2, done.err
    assert done.out == ""
    assert done.err.count("\n") == 1, done.err
    assert done.err.startswith("error: ")
    for text in said:
        assert text in done.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--algorithm", "dannn"], "Did you mean 'dann'?"),
        (["--network", "mnistcnn"], "Did you mean 'mnist-cnn'?"),
        (["--validator", "entropi"], "Did you mean 'entropy'?"),
        (["--schedule", "cosin"], "Did you mean 'cosine'?"),
        (["--optimiser", "sdg"], "sgd"),
        (["--protocol", "papers"], "Did you mean 'paper'?"),
        (["--algorithm", "dann", "--set", "algorithm.gama=3"], "Did you mean 'gamma'?"),
        (
            ["--algorithm", "dann", "--set", "algorithm.gamma=steep"],
            "--set algorithm.gamma=steep: ",
        ),
        (["--set", "algoritm.gamma=3"], "algorithm"),
        (["--set", "algorithm.gamma"], "algorithm.gamma"),
        (["--steps", "0"], "--steps 0 trains nothing; give 1 or more"),
        (["--steps", "x"], "--steps"),
        (["--lr", "-1"], "--lr -1.0: should be greater than 0"),
        (["--lr", "inf"], "--lr inf: should be a finite number"),
        (["--epochs", "nan"], "--epochs nan: should be a finite number"),
        (["--batch-size", "0"], "--batch-size 0: should be"),
        (["--seed", "-1"], "--seed -1: should be"),
        (["--evaluations", "0"], "--evaluations 0: should be"),
        (["--devices", "0"], "--devices 0: should be"),
        (["--channels", "2"], "--channels 2: should be 1 or 3"),
        (["--momentum", "1"], "--momentum 1.0: should be less than 1"),
        (["--set", "lr=0.1"], "write --lr 0.1"),
        (["--set", "learning_rate=0.1"], "write --lr 0.1"),
        (["--set", "batch-size=3"], "write --batch-size 3"),
        (["--set", "steps"], "write --steps"),
        (["--set", "settings.steps=3"], "write --steps 3"),
        (["--set", "algorithm.gamma="], "algorithm.KEY=VALUE"),
        (["--set", "algorithm.weight=NaN"], "finite"),
        (["--algorithm", "source-only", "--set", "algorithm.weight=1"], "it has none"),
        (["--network", "mnist-cnn", "--set", "network.normalisation=bach"], "'batch'"),
        (["--network", "mnist-cnn", "--set", "network.normalization=batch"], "'normalisation'?"),
        (["--precision", "8"], "precision"),
        (["--device", "gpu"], "gpu"),
        (["--epochs", "1"], "--steps or --epochs"),
        (["--size", "2"], "--size 2: should be greater than or equal to 8"),
    ],
)
def test_wrong_options(acclimate, pictures, tmp_path, options, said):
    check(fit(acclimate, pictures, pictures, *options), tmp_path, said)


def test_options_that_are_not_given(acclimate, tmp_path):
    check(acclimate("fit", "--target", "digits"), tmp_path, "--source")
    check(acclimate("fit", "--source", "digits"), tmp_path, "--target")
    check(acclimate("fit", "--resume"), tmp_path, "--output")


def test_output_that_cannot_be(acclimate, pictures, tmp_path):
    for place, said in (
        ("pictures/cat/0.png", "is a file"),
        ("pictures/cat/0.png/deeper", "is a file"),
        ("pictures/run", "lies inside --source"),
        ("/proc/run", "/proc"),
    ):
        before = sorted(tmp_path.rglob("*"))
        check(fit(acclimate, pictures, pictures, "--output", place), tmp_path, said)
        assert sorted(tmp_path.rglob("*")) == before


def test_places_that_are_not_there(acclimate, pictures, tmp_path):
    check(fit(acclimate, "nowhere/at/all", pictures), tmp_path, "nowhere/at/all")
    check(fit(acclimate, "mnits", pictures), tmp_path, "Did you mean 'mnist'?")
    (tmp_path / "empty").mkdir()
    check(fit(acclimate, "empty", pictures), tmp_path, "empty")
    check(fit(acclimate, pictures, "empty"), tmp_path, "empty")


def test_folders_that_make_no_task(acclimate, pictures, tmp_path):
    shutil.copytree(pictures, tmp_path / "others")
    (tmp_path / "others" / "owl").rename(tmp_path / "others" / "yak")
    check(fit(acclimate, pictures, "others"), tmp_path, "'yak'", "'owl'")
    shutil.copytree(pictures / "cat", tmp_path / "single" / "cat")
    check(fit(acclimate, "single", pictures), tmp_path, "single class")
    check(fit(acclimate, pictures, pictures, "--batch-size", "64"), tmp_path, "--batch-size")
    for path in (tmp_path / "others").rglob("*.png"):
        path.write_bytes(path.read_bytes()[:40])
    check(fit(acclimate, pictures, "others", "--unlabelled-target"), tmp_path, "others")


def test_a_corrupt_picture_is_skipped_and_named(acclimate, pictures):
    (pictures / "cat" / "broken.png").write_bytes(b"\x89PNG")
    done = fit(acclimate, pictures, pictures, "--no-baseline")
    assert done.code == 0, done.err
    assert "broken.png" in done.err


@pytest.fixture
def tables(tmp_path):
    draws = np.random.default_rng(0)
    x, y = draws.normal(size=(60, 5)), np.arange(60) % 3
    np.savez(tmp_path / "good.npz", x=x, y=y)
    broken = x.copy()
    broken[3, 2] = np.nan
    np.savez(tmp_path / "nan.npz", x=broken, y=y)
    np.savez(tmp_path / "objects.npz", x=np.array([{}], dtype=object), y=y)
    np.savez(tmp_path / "wide.npz", x=draws.normal(size=(60, 7)), y=y)
    np.savez(tmp_path / "short.npz", x=x, y=y[:50])
    whole = (tmp_path / "good.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "byte.npz").write_bytes(b"\n")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nan.npz", "NaN"),
        ("objects.npz", "objects"),
        ("wide.npz", "7"),
        ("short.npz", "50"),
        ("cut.npz", "cut.npz"),
        ("byte.npz", "is no .npz file"),
    ],
)
def test_tables_that_cannot_be_used(acclimate, tables, name, said):
    check(fit(acclimate, "good.npz", name), tables, said)


def test_truncated_data_set(acclimate, tmp_path, monkeypatch, pictures):
    folder = tmp_path / "data" / "mnist"
    folder.mkdir(parents=True)
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (folder / f"{name}-ubyte.gz").write_bytes(gzip.compress(b"\0\0\x08\x03\0\0")[:-4])
    monkeypatch.setenv("ACCLIMATE_DATA", str(tmp_path / "data"))
    check(fit(acclimate, "mnist", pictures), tmp_path, "mnist")


def test_folder_that_is_taken(acclimate, pictures, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "record.json").write_text("{}")
    done = fit(acclimate, pictures, pictures)
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert (tmp_path / "out" / "record.json").read_text() == "{}"
    assert len(list((tmp_path / "out").iterdir())) == 1


def test_record_of_a_newer_version(acclimate, run_folder):
    record = json.loads((run_folder / "record.json").read_text())
    record["schema_version"] = SCHEMA_VERSION + 1
    (run_folder / "record.json").write_text(json.dumps(record))
    for line in (["report", run_folder], ["fit", "--output", run_folder, "--resume"]):
        done = acclimate(*line)
        assert done.code == 2
        assert "update acclimate" in done.err
        assert done.err.count("\n") == 1


def test_advice_names_only_options_the_command_has(acclimate, run_folder, pictures, tmp_path):
    np.savez(tmp_path / "vectors.npz", x=np.eye(6, dtype=np.float32), y=np.arange(6) % 2)
    (pictures / "owl").rename(pictures / "yak")
    for line, said in (
        (["evaluate", run_folder, "--data", pictures], "the model 'cat', 'dog', 'owl'"),
        (["evaluate", run_folder, "--data", tmp_path / "vectors.npz"], "takes pictures of 3×28×28"),
        (["predict", run_folder, tmp_path / "vectors.npz"], "takes pictures of 3×28×28"),
    ):
        done = acclimate(*line)
        assert (done.code, done.out, done.err.count("\n")) == (2, "", 1), done.err
        assert said in done.err
        assert "--" not in done.err
    check(fit(acclimate, pictures, "vectors.npz"), tmp_path, "two of a kind")
