"""What a logger is, and what several of them share."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from acclimate.core.errors import AcclimateError, ConfigurationError, UnknownNameError, near_miss
from acclimate.core.files import write_text_atomically
from acclimate.core.registry import Registry

ONLY_CSV = "csv"  # metrics.csv is always written; as a name it stands for nothing beside it
IDS_NAME = "logger-ids.json"


@dataclass(frozen=True)
class LoggedRun:
    """The run that is logged.

    ``settings``: whatever JSON can hold, nested. ``resumed_at``: steps done when it was continued,
    0 for a new one. ``logged_until``: the last step that an earlier process logged, which may lie
    after ``resumed_at``; 0 where there was none.
    """

    folder: Path
    name: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    resumed_at: int = 0
    logged_until: int = 0

    @property
    def title(self) -> str:
        return self.name or self.folder.resolve().name

    def remembered_id(self, logger: str) -> str | None:
        """The id under which ``logger`` knows this run, from before it was continued."""
        try:
            found = json.loads((self.folder / IDS_NAME).read_text(encoding="utf-8")).get(logger)
        except (OSError, ValueError, AttributeError):
            return None
        return found if isinstance(found, str) and found else None

    def remember_id(self, logger: str, identity: str) -> None:
        path = self.folder / IDS_NAME
        known = {name: i for name in loggers.names() if (i := self.remembered_id(name))}
        write_text_atomically(path, json.dumps({**known, logger: identity}) + "\n")


class Logger(Protocol):
    """Draws curves somewhere. Made from a ``LoggedRun``.

    ``module``: the library it needs, which its constructor imports. ``remote``: it may become
    unreachable, which must not end a training; it is dropped with a warning then.
    """

    module: ClassVar[str]
    remote: ClassVar[bool]

    def __init__(self, run: LoggedRun) -> None: ...

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """A point of each named curve; steps never decrease within a process."""
        ...

    def close(self, failed: bool = False) -> None: ...


loggers: Registry[type[Logger]] = Registry("logger")


def check_loggers(names: Iterable[str]) -> None:
    """Raise ``ConfigurationError`` for a logger that does not exist or is not installed."""
    for name in names:
        if name == ONLY_CSV:
            continue
        if name not in loggers:
            known = [*loggers.names(), ONLY_CSV]
            raise UnknownNameError(f"unknown logger {name!r}.{near_miss(name, known)}")
        library(loggers.get(name).module)


def start_loggers(names: Iterable[str], run: LoggedRun) -> dict[str, Logger]:
    """The named loggers, each once, ready for points.

    Raises ``ConfigurationError`` in one line for one that cannot start.
    """
    names = [name for name in dict.fromkeys(names) if name != ONLY_CSV]
    check_loggers(names)
    started: dict[str, Logger] = {}
    try:
        for name in names:
            started[name] = _start(name, run)
    except BaseException:
        for logger in started.values():
            logger.close(failed=True)
        raise
    return started


def _start(name: str, run: LoggedRun) -> Logger:
    made = loggers.get(name)
    if not made.remote:
        return made(run)
    try:
        return made(run)
    except AcclimateError:
        raise
    except Exception as error:  # each library has errors of its own, many of them
        raise ConfigurationError(
            f"--logger {name} cannot start: {one_line(error)}; "
            f"see {name}'s own settings, or leave this logger out"
        ) from error


def library(module: str) -> Any:
    """The library called ``module``; ``ConfigurationError`` with the pip command without it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        root = module.partition(".")[0]
        if getattr(error, "name", None) in (root, module):
            raise ConfigurationError(
                f"--logger {root} needs the package {root}, which is not installed: "
                f"pip install {root}"
            ) from error
        raise ConfigurationError(
            f"--logger {root}: the package {root} cannot be imported ({one_line(error)}): "
            f"pip install --upgrade {root}"
        ) from error


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings with dotted names.

    >>> flat({"a": 1, "b": {"c": None, "d": {}}})
    {'a': 1, 'b.c': None, 'b.d': {}}
    """
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


def one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
