"""Killed at any moment and continued, a run ends as if nothing had happened."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch

from acclimate.algorithms import names_for
from acclimate.core.errors import RecordError, RunError
from acclimate.core.records import read_record
from acclimate.training import run_folder
from acclimate.training.fit import fit
from acclimate.training.observer import Observer


class StoppedError(Exception):
    """Stands for whatever ends a run before its time."""


class StopAt(Observer):
    """Raises once ``step`` steps are done, when they are logged or after they were evaluated."""

    def __init__(self, step, moment="logged"):
        self.step, self.moment = step, moment

    def logged(self, step, values):
        if self.moment == "logged" and step >= self.step:
            raise StoppedError

    def evaluated(self, evaluation):
        if self.moment == "evaluated" and evaluation.step >= self.step:
            raise StoppedError


@pytest.fixture
def same(rows_of, tensors_of, outcome_of):
    """Assert that two run folders hold the same run."""

    def compare(first, second):
        assert tensors_of(first / "model.safetensors") == tensors_of(second / "model.safetensors")
        names = [sorted(p.name for p in (f / "checkpoints").iterdir()) for f in (first, second)]
        assert names[0] == names[1]
        for name in names[0]:
            ours, theirs = (tensors_of(f / "checkpoints" / name) for f in (first, second))
            assert ours == theirs
        assert rows_of(first) == rows_of(second)
        assert outcome_of(read_record(first)) == outcome_of(read_record(second))

    return compare


@pytest.mark.parametrize("name", [*names_for("classification"), "dann+mi"])
@pytest.mark.parametrize(("step", "moment"), [(8, "logged"), (6, "evaluated")])
def test_stopped_and_continued(name, step, moment, settings_of, same, tmp_path):
    settings = settings_of(algorithm=name, network_options={"dropout": 0.2})
    fit(settings, tmp_path / "whole", baseline=False)
    cut = tmp_path / "cut"
    with pytest.raises(StoppedError):
        fit(settings, cut, baseline=False, observer=StopAt(step, moment))
    assert read_record(cut).status == "failed"
    fit(settings, cut, baseline=False, resume=True)
    same(tmp_path / "whole", cut)


def test_every_optimiser_and_several_stops(settings_of, same, tmp_path):
    for number, optimiser in enumerate(("sgd", "adam", "adamw")):
        settings = settings_of(optimiser=optimiser, schedule="paper", gradient_clip=1.0)
        whole, cut = tmp_path / f"whole{number}", tmp_path / f"cut{number}"
        fit(settings, whole, baseline=False)
        for step in (4, 8, 12):
            with pytest.raises(StoppedError):
                fit(settings, cut, baseline=False, resume=step > 4, observer=StopAt(step))
        fit(settings, cut, baseline=False, resume=True)
        same(whole, cut)


def test_an_interruption_says_so(settings_of, tmp_path):
    class Interrupt(Observer):
        def logged(self, step, values):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(settings_of(), tmp_path / "run", baseline=False, observer=Interrupt())
    assert read_record(tmp_path / "run").status == "interrupted"


def test_the_baseline_is_continued_too(settings_of, same, tmp_path):
    settings = settings_of(algorithm="dann")
    fit(settings, tmp_path / "whole")
    cut = tmp_path / "cut"
    with pytest.raises(StoppedError):
        fit(settings, cut, observer=StopAt(6))
    assert (cut / "baseline" / "record.json").exists()
    assert not (cut / "checkpoints").exists()
    fit(settings, cut, resume=True)
    same(tmp_path / "whole", cut)
    same(tmp_path / "whole" / "baseline", cut / "baseline")


@pytest.mark.parametrize("whose", [".", "baseline"])
def test_damaged_outputs_of_a_run_without_its_verdict_are_one_line(whose, settings_of, tmp_path):
    """They are asked for once more where a run was stopped between training and verdict."""
    settings = settings_of(algorithm="dann")
    record = fit(settings, tmp_path / "run")
    record.model_copy(update={"verdict": None}).write(tmp_path / "run")
    stored = sorted((tmp_path / "run" / whose / "evaluations").glob("step-*.npz"))
    stored[-1].write_bytes(stored[-1].read_bytes()[:500])
    with pytest.raises(RecordError, match="cannot be read: it is damaged") as caught:
        fit(settings, tmp_path / "run", resume=True)
    assert "\n" not in str(caught.value)


def test_a_second_stage_is_continued_even_without_the_first(settings_of, same, tmp_path):
    fit(settings_of(algorithm="dann", seed=5), tmp_path / "first", baseline=False)
    options = {"start": 0.0, "threshold": 0.5}
    settings = settings_of(
        algorithm="dann+mi", algorithm_options=options, start_from=str(tmp_path / "first")
    )
    fit(settings, tmp_path / "whole", baseline=False)
    cut = tmp_path / "cut"
    with pytest.raises(StoppedError):
        fit(settings, cut, baseline=False, observer=StopAt(2))  # before the first checkpoint
    with pytest.raises(StoppedError):
        fit(settings, cut, baseline=False, resume=True, observer=StopAt(8))
    shutil.rmtree(tmp_path / "first")
    fit(settings, cut, baseline=False, resume=True)
    same(tmp_path / "whole", cut)
    # and a finished one can be asked for again
    assert fit(settings, cut, baseline=False, resume=True).status == "finished"


def test_a_finished_run_is_left_alone(settings_of, tmp_path):
    settings = settings_of()
    folder = tmp_path / "run"
    first = fit(settings, folder, baseline=False)
    before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()}

    class Nothing(Observer):
        def run_started(self, name, steps, start):
            raise AssertionError("trained again")

    assert fit(settings, folder, baseline=False, resume=True, observer=Nothing()) == first
    after = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()}
    assert after == before


def test_other_settings_are_named(settings_of, tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(StoppedError):
        fit(settings_of(), folder, baseline=False, observer=StopAt(4))
    with pytest.raises(RunError, match=r"learning_rate was 0.004 and is now 0.5") as caught:
        fit(settings_of(learning_rate=0.5, seed=3), folder, baseline=False, resume=True)
    assert "seed was 0 and is now 3" in str(caught.value)
    assert "batch_size" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_existing_folder_is_not_touched(settings_of, tmp_path):
    folder = tmp_path / "run"
    fit(settings_of(), folder, baseline=False)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(RunError, match="already holds a run; continue it with --resume"):
        fit(settings_of(), folder, baseline=False)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before

    other = tmp_path / "holiday"
    other.mkdir()
    (other / "photo.txt").write_text("dear")
    with pytest.raises(RunError, match="not empty and holds no run"):
        fit(settings_of(), other, baseline=False)
    with pytest.raises(RunError, match="is a file"):
        fit(settings_of(), other / "photo.txt", baseline=False)
    assert [path.name for path in other.iterdir()] == ["photo.txt"]


def test_it_goes_on_at_the_newest_checkpoint(settings_of, tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(StoppedError):
        fit(settings_of(), folder, baseline=False, observer=StopAt(9, "evaluated"))

    class Watch(Observer):
        def run_started(self, name, steps, start):
            assert start == 9

    fit(settings_of(), folder, baseline=False, resume=True, observer=Watch())


def test_two_processes_do_not_train_in_one_folder(settings_of, same, tmp_path, monkeypatch):
    settings = settings_of(algorithm="dann")
    fit(settings, tmp_path / "whole")
    with pytest.raises(StoppedError):
        fit(settings, tmp_path / "cut", observer=StopAt(6))
    monkeypatch.setattr(run_folder, "PATIENCE", 0.1)
    (tmp_path / "link").symlink_to(tmp_path / "cut")
    before = (tmp_path / "cut" / "record.json").read_bytes()
    with (
        run_folder.alone_in(tmp_path / "cut"),
        pytest.raises(RunError, match="is being trained by another process"),
    ):
        fit(settings, tmp_path / "link", resume=True)
    assert (tmp_path / "cut" / "record.json").read_bytes() == before
    fit(settings, tmp_path / "cut", resume=True)
    same(tmp_path / "whole", tmp_path / "cut")


def test_leftovers_of_a_killed_writer_do_not_matter(settings_of, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / ".record.json.x7.part").write_text("{")
    fit(settings_of(), folder, baseline=False, resume=True)
    assert not list(folder.rglob("*.part"))


@pytest.mark.parametrize("harm", ["cut", "empty", "garbage"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(harm, settings_of, same, tmp_path):
    settings = settings_of()
    fit(settings, tmp_path / "whole", baseline=False)
    cut = tmp_path / "cut"
    with pytest.raises(StoppedError):
        fit(settings, cut, baseline=False, observer=StopAt(9, "evaluated"))
    older, newest = sorted((cut / "checkpoints").iterdir())
    content = newest.read_bytes()
    newest.write_bytes({"cut": content[:-10], "empty": b"", "garbage": b"x" * 500}[harm])

    starts = []

    class Watch(Observer):
        def run_started(self, name, steps, start):
            starts.append(start)

    fit(settings, cut, baseline=False, resume=True, observer=Watch())
    assert starts == [int(older.stem.removeprefix("step-"))]
    same(tmp_path / "whole", cut)


def test_no_readable_checkpoint_is_one_line(settings_of, tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(StoppedError):
        fit(settings_of(), folder, baseline=False, observer=StopAt(9, "evaluated"))
    for path in (folder / "checkpoints").iterdir():
        path.write_bytes(b"no")
    with pytest.raises(RunError, match="no checkpoint can be read") as caught:
        fit(settings_of(), folder, baseline=False, resume=True)
    assert "\n" not in str(caught.value)


def start(folder, settings, resume):
    """The command line in a process of its own."""
    arguments = [sys.executable, "-m", "acclimate", "fit", "--output", str(folder), "--no-report"]
    if resume:
        arguments.append("--resume")
    else:
        for name in ("source", "target", "steps", "batch_size", "evaluations", "device"):
            arguments += [f"--{name.replace('_', '-')}", str(getattr(settings, name))]
        arguments += ["--log-every", str(settings.log_every)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    return subprocess.Popen(
        arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
    )


def test_killed_at_random_moments(settings_of, same, tmp_path):
    """The run, source-only and adapted, is killed without warning and called again."""
    settings = settings_of(steps=240, evaluations=24, log_every=5)
    fit(settings, tmp_path / "whole")
    cut = tmp_path / "cut"
    moments = random.Random()
    delays = [moments.uniform(0.0, 0.8) for _ in range(2)]
    for delay in delays:
        process = start(cut, settings, resume=cut.exists())
        count = _files(cut)
        while process.poll() is None and _files(cut) == count:
            time.sleep(0.005)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stderr.close()
        # at whatever moment: what is there can be read
        assert read_record(cut).status in ("running", "finished")
        if (cut / "baseline" / "record.json").exists():
            read_record(cut / "baseline")
    process = start(cut, settings, resume=True)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, (delays, errors)
    same(tmp_path / "whole", cut)
    same(tmp_path / "whole" / "baseline", cut / "baseline")
    assert not list(cut.rglob("*.part"))


def _files(folder):
    return len(list(folder.rglob("*.npz"))) if folder.exists() else 0


def test_another_version_with_other_defaults_is_not_continued(settings_of, tmp_path):
    """A default that has changed since is as much another run as an option that was changed."""
    fit(settings_of(algorithm="dann"), tmp_path / "run", baseline=False)
    path = tmp_path / "run" / "record.json"
    record = json.loads(path.read_text())
    assert record["method"]["gamma"] == 10.0
    record["method"]["gamma"] = 5.0
    path.write_text(json.dumps(record))
    with pytest.raises(RunError, match=r"gamma was 5.0 and is now 10.0"):
        fit(settings_of(algorithm="dann"), tmp_path / "run", baseline=False, resume=True)
