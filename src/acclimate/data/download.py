"""Downloads that continue after a break and are checked before anyone sees them."""

from __future__ import annotations

import hashlib
import http.client
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path

from acclimate.core.errors import ChecksumError, DataError
from acclimate.core.files import explain_write_errors

Progress = Callable[[str, int, int | None], None]
"""Called with (file name, bytes so far, bytes in all where known)."""

CHUNK = 1 << 18
ATTEMPTS = 3
"""Breaks that one mirror may have in a row, without a byte gained, before the next is asked."""

NETWORK_ERRORS = (OSError, http.client.HTTPException)


class _BrokenError(Exception):
    """The connection failed; another attempt, or another mirror, may mend it."""


class _RefusedError(_BrokenError):
    """The mirror answered that it will not deliver; asking it again is of no use."""


def file_digest(path: Path, like: str) -> str:
    """The digest of ``path`` written as ``like`` is: ``"md5:…"`` or ``"sha256:…"``."""
    kind = like.partition(":")[0]
    with open(path, "rb") as file:
        return f"{kind}:{hashlib.file_digest(file, kind).hexdigest()}"


def download(
    urls: Iterable[str],
    destination: Path,
    *,
    checksum: str,
    size: int | None = None,
    progress: Progress | None = None,
    timeout: float = 30.0,
) -> Path:
    """Fetch ``destination`` from the first of ``urls`` that delivers it whole.

    What has arrived stays in ``destination.part`` when the connection or the process breaks; the
    next call continues there where the server supports it. The file appears under its own name only
    after its ``checksum`` (``"md5:…"`` or ``"sha256:…"``) was verified. Processes that want the
    same file wait for the first. ``timeout`` in seconds is the longest silence.

    Raises ``DataError`` when no mirror delivers, ``ChecksumError`` when the content is wrong,
    ``RunError`` when the disk is full or not writable.
    """
    from filelock import FileLock

    with explain_write_errors(destination):
        destination.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{destination}.lock"):
            if not destination.exists():
                _download_locked(list(urls), destination, checksum, size, progress, timeout)
    return destination


def _download_locked(
    urls: list[str],
    destination: Path,
    checksum: str,
    size: int | None,
    progress: Progress | None,
    timeout: float,
) -> None:
    part = destination.with_name(destination.name + ".part")
    _check_space(part, size)
    problems: list[str] = []
    mismatch = ""
    for url in urls:
        # a part that another mirror, or an older file, began may not fit this one: once it proves
        # wrong it is fetched anew before the mirror is given up
        for continued in (True, False) if part.exists() else (False,):
            if not continued:
                part.unlink(missing_ok=True)
            try:
                _fetch(url, part, progress, timeout, destination.name)
            except _BrokenError as error:
                problems.append(f"{url}: {error}")
                break
            actual = file_digest(part, checksum)
            if actual == checksum:
                part.replace(destination)
                return
            part.unlink()
            mismatch = f"{url} has {actual}"
    if mismatch:
        raise ChecksumError(
            f"{destination.name} is not the published file: expected {checksum}, but {mismatch}; "
            f"it was removed; try again later, or put the right file at {destination}"
        )
    raise DataError(
        f"could not download {destination.name} ({'; '.join(problems)}): check the network and run "
        f"the same command again, it continues; or put the file at {destination}"
    )


def _check_space(part: Path, size: int | None) -> None:
    have = part.stat().st_size if part.exists() else 0
    free = shutil.disk_usage(part.parent).free
    if size is not None and free < size - have:
        raise DataError(
            f"no disk space for {part.with_suffix('')}: {(size - have) / 2**20:.0f} MiB needed, "
            f"{free / 2**20:.0f} MiB free; free some or set ACCLIMATE_CACHE to another disk"
        )


def _fetch(url: str, part: Path, progress: Progress | None, timeout: float, name: str) -> None:
    """Bring ``part`` to its full length, continuing after breaks, or raise ``_BrokenError``."""
    failures = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            _fetch_once(url, part, progress, timeout, name)
            return
        except _RefusedError:
            raise
        except _BrokenError:
            after = part.stat().st_size if part.exists() else 0
            failures = 0 if after > before else failures + 1
            if failures >= ATTEMPTS:
                raise


def _fetch_once(url: str, part: Path, progress: Progress | None, timeout: float, name: str) -> None:
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "acclimate"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        response = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and have:
            # nothing after what we have: whole already, or wrong; the checksum decides
            return
        raise _RefusedError(f"HTTP {error.code} {error.reason}") from error
    except NETWORK_ERRORS as error:
        raise _BrokenError(str(getattr(error, "reason", error)) or type(error).__name__) from error
    with response:
        if response.status != 206 or not _continues_at(response, have):
            have = 0
        _receive(response, part, have, progress, name)


def _continues_at(response: http.client.HTTPResponse, start: int) -> bool:
    return response.headers.get("Content-Range", "").startswith(f"bytes {start}-")


def _receive(
    response: http.client.HTTPResponse,
    part: Path,
    have: int,
    progress: Progress | None,
    name: str,
) -> None:
    length = response.headers.get("Content-Length")
    total = have + int(length) if length and length.isdigit() else None
    with open(part, "ab" if have else "wb") as file:
        while chunk := _read(response):
            file.write(chunk)
            have += len(chunk)
            if progress is not None:
                progress(name, have, total)
    # http.client reports no error when the peer hangs up between two partial reads
    if total is not None and have < total:
        raise _BrokenError(f"connection lost after {have} of {total} bytes")


def _read(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read(CHUNK)
    except NETWORK_ERRORS as error:
        raise _BrokenError(f"connection lost: {error or type(error).__name__}") from error
