"""Whether a folder is free for a run, or holds the run that is to be continued."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pydantic_core import to_jsonable_python

from acclimate.core.errors import RunError
from acclimate.core.records import RECORD_NAME, DomainSummary, RunRecord, read_record
from acclimate.training.parts import make_algorithm
from acclimate.training.settings import FitSettings

#: settings that decide nothing of what is computed
WATCHED_ONLY = ("loggers",)


#: where a run takes place, not what it computes: it may go on elsewhere
PLACES = ("devices", "nodes", "strategy")


#: seconds; processes that a killed one had started to read its data hold its lock for some more
PATIENCE = 10.0


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep other processes of this machine and user from training in ``folder``.

    Raises ``RunError`` where one does. The lock lies with the system's temporary files, so that a folder
    which cannot be had is left as it is; where it cannot be made, nothing is kept from anybody.
    """
    name = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    user = getattr(os, "getuid", lambda: 0)()
    lock = FileLock(Path(tempfile.gettempdir()) / f"acclimate-{user}-{name}.lock")
    held: AbstractContextManager[object]
    try:
        held = lock.acquire(timeout=PATIENCE)
    except Timeout as error:
        raise RunError(
            f"{folder} is being trained by another process: wait for its end, or choose another --output"
        ) from error
    except (OSError, NotImplementedError):
        held = nullcontext()
    with held:
        yield


def remove_leftovers(folder: Path) -> None:
    """Drop files that a kill left half-written beside the whole ones; for one process alone."""
    for part in folder.rglob(".*.part"):
        part.unlink(missing_ok=True)


def check_folder(folder: Path, settings: FitSettings, resume: bool) -> None:
    """Raise ``RunError`` where the folder is not free, or holds another run than this one."""
    if not (folder / RECORD_NAME).exists():
        if folder.is_file():
            raise RunError(f"{folder} is a file; choose another --output")
        # a run that was killed while it wrote its first record leaves a part of it and no more
        if folder.exists() and not all(path.match(".*.part") for path in folder.iterdir()):
            raise RunError(f"{folder} is not empty and holds no run; choose another --output")
        return
    if not resume:
        raise RunError(
            f"{folder} already holds a run; continue it with --resume or choose another --output"
        )
    before = read_record(folder)
    now_ = settings.model_dump(mode="json")
    for name in WATCHED_ONLY:
        now_.pop(name)
    _check_same_settings(folder, with_defaults(before.settings), now_)
    if before.method:
        # defaults may have changed with the version; older records do not have them
        _check_same_settings(
            folder, before.method, make_algorithm(settings).model_dump(mode="json")
        )


def with_defaults(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings as they were stored, also by an older version.

    A setting that came with a later one had no effect before: it was as its default is.
    """
    defaults = {
        name: to_jsonable_python(field.get_default(call_default_factory=True))
        for name, field in FitSettings.model_fields.items()
        if not field.is_required()
    }
    return {**defaults, **settings}


def check_data(folder: Path, domains: tuple[DomainSummary, DomainSummary]) -> None:
    """Raise ``RunError`` where ``folder`` holds a run on other data than source and target here."""
    if (folder / RECORD_NAME).exists():
        problem = difference(read_record(folder), domains)
        if problem is not None:
            raise RunError(
                f"{folder} holds a run on other data: {problem}; choose another folder, or give it "
                "the data it began with"
            )


def difference(record: RunRecord, domains: tuple[DomainSummary, DomainSummary]) -> str | None:
    """How the data of a run differ from source and target here, in words; ``None`` if they do not."""
    sides = (("source", record.source, domains[0]), ("target", record.target, domains[1]))
    for side, before, now_ in sides:
        if before.name != now_.name:
            return f"its {side} was {before.name} and is now {now_.name}"
        if before.class_names != now_.class_names:
            return f"the classes of its {side} {before.name} were others"
        if before.items != now_.items:
            counts = [
                ", ".join(f"{part} {count:,}" for part, count in each.items.items())
                for each in (before, now_)
            ]
            return f"the items of its {side} {before.name} were {counts[0]} and are now {counts[1]}"
    return None


def _check_same_settings(folder: Path, before: dict[str, Any], now_: dict[str, Any]) -> None:
    """Raise where a run would be continued with other settings than it was begun with."""
    changed = [
        key
        for key in now_
        if before.get(key) != now_[key]
        and key not in PLACES
        and not (key == "start_from" and _same_run(before.get(key), now_[key]))
    ]
    if changed:
        lines = ", ".join(
            f"{key} was {before.get(key)!r} and is now {now_[key]!r}" for key in changed
        )
        raise RunError(f"{folder} cannot be continued with other settings: {lines}")


def _same_run(before: str | None, now_: str | None) -> bool:
    """Whether two names of a folder mean the same one: written another way, or moved since."""
    if before is None or now_ is None:
        return False
    old, new = Path(before), Path(now_)
    moved = old.name == new.name and new.exists() and not old.exists()
    return moved or old.resolve() == new.resolve()
