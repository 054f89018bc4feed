"""Bad input: exit code 2, one line on standard error, nothing else anywhere."""

import errno
import os
import signal
import subprocess
import sys
import time

import pytest
from pydantic import BaseModel, Field

from acclimate.cli import console
from acclimate.cli.failures import explained
from acclimate.core.errors import DataError

COMMAND = [sys.executable, "-m", "acclimate.cli.main"]

MISTAKES = {
    "unknown command": (["lst"], "Did you mean 'list'?"),
    "unknown option": (["list", "--jsn"], "Did you mean '--json'?"),
    "unknown subcommand": (["data", "lst"], "Did you mean 'list'?"),
    "unknown kind": (["list", "algorithm"], "Did you mean 'algorithms'?"),
    "missing argument": (["predict"], "missing argument"),
    "missing option": (["evaluate", "run"], "--data"),
    "bad type": (["predict", "run", "x", "--batch-size", "many"], "'many'"),
    "out of range": (["predict", "run", "x", "--batch-size", "0"], "0"),
    "surplus argument": (["doctor", "now"], "now"),
    "unknown data set": (["data", "check", "mnit"], "Did you mean 'mnist'?"),
    "no run": (["evaluate", "nowhere", "--data", "digits"], "nowhere"),
    "no report": (["report", "nowhere"], "nowhere"),
    "report of a wrong ending": (["report", "RUN", "--output", "x.pdf"], "x.pdf"),
    "no pictures": (["predict", "RUN", "EMPTY"], "no pictures in"),
    "missing pictures": (["predict", "RUN", "nowhere"], "nowhere"),
    "missing data": (["evaluate", "RUN", "--data", "nowhere"], "nowhere"),
    "other classes": (["evaluate", "RUN", "--data", "digits", "--split", "train"], "'cat'"),
    "output is an original": (["predict", "RUN", "PIC", "--output", "PIC"], "choose another"),
    "annotating into originals": (["predict", "RUN", "PIC", "--annotate", "PICS"], "overwritten"),
    "debug": (["lst", "--debug"], "Did you mean 'list'?"),
}


@pytest.mark.parametrize(("line", "said"), MISTAKES.values(), ids=MISTAKES)
def test_mistake_is_one_line(acclimate, tmp_path, run_folder, pictures, line, said):
    (tmp_path / "empty").mkdir()
    words = {
        "RUN": run_folder,
        "EMPTY": tmp_path / "empty",
        "PICS": pictures,
        "PIC": pictures / "cat" / "0.png",
    }
    before = everything(tmp_path)
    done = acclimate(*(words.get(word, word) for word in line))
    assert done.code == 2
    assert done.out == ""
    last = done.err.splitlines()[-1]
    assert last.startswith("error: ")
    assert said in last
    if "--debug" not in line:
        assert len(done.err.splitlines()) == 1
    assert everything(tmp_path) == before


def everything(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_json_mistake_leaves_standard_output_empty(acclimate):
    done = acclimate("evaluate", "nowhere", "--data", "digits", "--json")
    assert (done.code, done.out) == (2, "")


def test_damaged_model_files(acclimate, run_folder, pictures):
    (run_folder / "model.safetensors").write_bytes(b"\x80\x04pickled")
    done = acclimate("predict", run_folder, pictures)
    assert done.code == 2
    assert "safetensors" in done.err
    (run_folder / "model.json").write_text("{")
    assert acclimate("evaluate", run_folder, "--data", pictures).code == 2


def fails_with(error):
    def action():
        raise error

    return action


class Settings(BaseModel):
    steps: int = Field(gt=0)
    rate: float


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (DataError("first\nsecond"), 2, "error: first; second\n"),
        (MemoryError(), 1, "--batch-size"),
        (RuntimeError("CUDA out of memory. Tried …"), 1, "--batch-size"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), 1, "--batch-size"),
        (OSError(errno.ENOSPC, "No space left on device", "a/b"), 2, "a/b: No space left"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (EOFError("file ends early"), 1, "unexpected EOFError: file ends early"),
        (BrokenPipeError(), 141, ""),
        (SystemExit(3), 3, ""),
    ],
)
def test_exit_codes(capsys, error, code, said):
    console.set_way_on(None)
    assert explained(fails_with(error), debug=False) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert said in printed.err
    assert printed.err.count("\n") <= 1


def test_all_wrong_settings_in_one_line(capsys):
    assert explained(lambda: Settings.model_validate({"steps": 0}), debug=False) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "steps" in said
    assert "rate" in said


def test_interruption_says_how_to_go_on(capsys):
    console.set_way_on("acclimate fit … --resume")
    explained(fails_with(KeyboardInterrupt()), debug=False)
    assert capsys.readouterr().err == "interrupted; to go on: acclimate fit … --resume\n"


def test_unexpected_error_keeps_its_traceback(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert explained(fails_with(ZeroDivisionError("by zero")), debug=False) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: unexpected ZeroDivisionError: by zero (details in ")
    (saved,) = tmp_path.iterdir()
    assert str(saved) in said
    assert "in action" in saved.read_text()
    assert explained(fails_with(ZeroDivisionError("by zero")), debug=True) == 1
    assert "Traceback" in capsys.readouterr().err


def test_closed_pipe_is_no_error():
    line = " ".join(f"'{word}'" for word in [*COMMAND, "list"])
    done = subprocess.run(
        ["bash", "-c", f"{line} | head -n 1; exit ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.returncode in (0, 141)  # 0: everything fitted into the pipe


def test_interrupted_process_exits_with_130(tmp_path):
    """A real Ctrl-C while a command is at work, through typer and all."""
    code = (
        # a shell starts what runs in its background with Ctrl-C ignored
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import sys, time, typer; from acclimate.cli import main\n"
        "def slow():\n    '''Wait.'''\n    print('ready', flush=True); time.sleep(60)\n"
        "build = main.build_app\n"
        "def with_slow():\n    app = build(); app.command('slow')(slow); return app\n"
        "main.build_app = with_slow\nsys.exit(main.run(['slow']))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert said == "interrupted; nothing half-written\n"


def test_the_script_itself():
    """The installed entry point: codes and streams as a shell sees them, and threads that sleep."""
    done = subprocess.run([*COMMAND, "lst"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert settings_of_threads() == ["PASSIVE", "1000"]
    assert settings_of_threads(OMP_WAIT_POLICY="passive") == ["passive", "1000"]
    assert settings_of_threads(OMP_WAIT_POLICY="ACTIVE") == ["ACTIVE", "None"]
    assert settings_of_threads(GOMP_SPINCOUNT="7") == ["PASSIVE", "7"]


def settings_of_threads(**own):
    """What the entry point makes of a user's own settings."""
    names = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    code = (
        "import sys, os; from acclimate.cli import main; sys.argv = ['acclimate', '--version']\n"
        "try: main.main()\nexcept SystemExit: pass\n"
        f"print(*map(os.environ.get, {names}))"
    )
    environment = {k: v for k, v in os.environ.items() if k not in names}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**environment, **own},
    )
    return done.stdout.splitlines()[-1].split()
