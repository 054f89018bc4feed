"""Either the old file or the new one."""

import errno
import os
import stat

import pytest

from acclimate.core.errors import RunError
from acclimate.core.files import replace_atomically, write_text_atomically


def test_writes_and_replaces(tmp_path):
    path = tmp_path / "new" / "file.txt"
    write_text_atomically(path, "äöü λ\n")
    assert path.read_text(encoding="utf-8") == "äöü λ\n"
    write_text_atomically(path, "second")
    assert path.read_text(encoding="utf-8") == "second"
    assert [entry.name for entry in path.parent.iterdir()] == ["file.txt"]


@pytest.mark.parametrize("error", [RuntimeError("power"), KeyboardInterrupt()])
def test_a_failure_in_the_middle_leaves_the_old_file(error, tmp_path):
    path = tmp_path / "file"
    path.write_text("old")

    def fail():
        with replace_atomically(path) as temporary:
            temporary.write_text("half")
            assert path.read_text() == "old"
            raise error

    with pytest.raises(type(error)):
        fail()
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("name", ["fsync", "replace"])
def test_a_full_disk_is_one_line(name, tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_text("old")

    def full(*_arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(*((os, "fsync") if name == "fsync" else ("pathlib.Path.replace",)), full)
    with pytest.raises(RunError, match="no disk space left while writing") as caught:
        write_text_atomically(path, "new")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_missing_permission_is_one_line(tmp_path, monkeypatch):
    def denied(**_arguments):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("tempfile.mkstemp", denied)
    with pytest.raises(RunError, match=r"cannot write .*Permission denied"):
        write_text_atomically(tmp_path / "file", "new")


def test_other_errors_are_not_dressed_up(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        write_text_atomically(tmp_path / "folder", "text")


def test_results_are_readable_for_others(tmp_path):
    before = os.umask(0o022)
    try:
        write_text_atomically(tmp_path / "file", "text")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o644
