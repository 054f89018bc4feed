"""Writing that leaves either the old file or the new one, never half of one."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from acclimate.core.errors import RunError


@contextlib.contextmanager
def explain_write_errors(path: Path) -> Iterator[None]:
    """Turn a full disk or a missing permission into one line that names the place."""
    full = (
        f"no disk space left while writing {path}: free some or choose another place; "
        "what was written before is intact"
    )
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise RunError(full) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise RunError(
                f"cannot write {path}: {error.strerror}; choose another place"
            ) from error
        raise
    except Exception as error:
        # libraries that write by themselves wrap the system's error in one of their own
        if os.strerror(errno.ENOSPC) in str(error):
            raise RunError(full) from error
        raise


@contextlib.contextmanager
def replace_atomically(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it takes its place in one rename.

    The content is flushed to disk before the rename, so that a power cut leaves a whole file.
    """
    with explain_write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())
            # mkstemp makes files that only their owner reads; results are meant to be shared
            umask = os.umask(0)
            os.umask(umask)
            temporary.chmod(0o666 & ~umask)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def write_text_atomically(path: Path, text: str) -> None:
    """Write ``text`` (UTF-8) to ``path`` so that no reader ever sees a part of it."""
    with replace_atomically(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
