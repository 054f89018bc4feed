"""Archives of photos, unpacked once into the cache: photos are opened one by one, and often."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
import zlib
from pathlib import Path

from acclimate.core.errors import DataError
from acclimate.core.files import explain_write_errors
from acclimate.data.images import EXTENSIONS


def unpacked(archive: Path, folder: Path) -> Path:
    """``folder`` with the pictures of ``archive`` (.tar, .tar.gz), unpacked if it is not there yet.

    It appears whole or not at all; processes that want the same wait for the first. Raises
    ``DataError`` for a damaged archive, ``RunError`` where the folder cannot be written.
    """
    from filelock import FileLock

    if folder.is_dir():
        return folder
    with explain_write_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not folder.is_dir():
                _unpack(archive, folder)
    return folder


def _unpack(archive: Path, folder: Path) -> None:
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    temporary.chmod(0o755)  # mkdtemp's is its owner's alone
    try:
        with tarfile.open(archive) as opened:
            for member in opened:
                if member.isfile() and Path(member.name).suffix.lower() in EXTENSIONS:
                    opened.extract(member, temporary, filter="data")
        temporary.rename(folder)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise DataError(
            f"{archive} is truncated or damaged ({error}); delete it and fetch it again"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
