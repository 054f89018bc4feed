"""One measurement in a process of its own, so that none inherits another's memory and warm caches."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from typing import Any

from acclimate.core.errors import RunError


def in_own_process(whose: str, work: Callable[..., Any], *arguments: Any) -> Any:
    """What ``work(*arguments)`` returns, all of it picklable; ``whose`` begins the line of a failure.

    Raises ``RunError`` with whatever went wrong there.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(theirs, work, arguments))
    process.start()
    theirs.close()
    try:
        found, problem = ours.recv()
    except EOFError:
        found, problem = None, "it ended without a word; was there enough memory?"
    process.join()
    if problem is not None:
        raise RunError(f"{whose}: {problem}")
    return found


def _run(pipe: Any, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    try:
        pipe.send((work(*arguments), None))
    except Exception as error:  # whatever went wrong is said by the other process
        pipe.send((None, " ".join(f"{type(error).__name__}: {error}".split())))
