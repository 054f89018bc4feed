"""A way to run the command line in this process."""

from typing import NamedTuple

import pytest

from acclimate.cli.main import run


class Done(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def acclimate(capsys, monkeypatch, tmp_path):
    """Run one command line in an empty folder; data and cache of the machine are out of sight."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ACCLIMATE_DATA", raising=False)
    monkeypatch.delenv("ACCLIMATE_DEBUG", raising=False)
    monkeypatch.setenv("ACCLIMATE_CACHE", str(tmp_path / "cache"))

    def call(*arguments):
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return call
