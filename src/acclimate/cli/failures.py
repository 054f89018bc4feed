"""Every way a command can fail, as one line on standard error and an exit code.

0 done, 1 unexpected, 2 something the user can mend, 130 interrupted, 141 the reader went away.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from acclimate.cli import console
from acclimate.cli.processes import said_by_main_process
from acclimate.core.errors import AcclimateError, near_miss

# recent versions of typer carry their own copy of click; this finds the class in either
UsageError: Any = typer.BadParameter.__base__

_USERS_TO_MEND = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS}
_USERS_TO_MEND |= {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG}

_MEMORY_MESSAGES = ("can't allocate memory", "not enough memory", "out of memory")


class CarriedError(Exception):
    """What typer would turn into an exit code or a message of its own, carried past it."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(str(error))
        self.error = error


CARRIED = (KeyboardInterrupt, BrokenPipeError, EOFError)


def explained(action: Callable[[], int], *, debug: bool) -> int:
    """Run ``action`` and return its exit code, or explain its failure and return that one's.

    ``debug`` (or ``ACCLIMATE_DEBUG=1``) adds the traceback of any failure.
    """
    debug = debug or os.environ.get("ACCLIMATE_DEBUG", "") not in ("", "0")
    try:
        code = action()
        sys.stdout.flush()
        return code
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
    except CarriedError as carried:
        return _explain(carried.error, debug=debug)
    except BaseException as error:
        return _explain(error, debug=debug)


def _explain(error: BaseException, *, debug: bool) -> int:
    if isinstance(error, BrokenPipeError):
        return _reader_gone()
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return 130 if said_by_main_process() else _fail(_interruption(), 130, prefix="")
    if isinstance(error, AcclimateError) and said_by_main_process():
        return 2
    if debug:
        traceback.print_exception(error)
    if isinstance(error, AcclimateError):
        return _fail(str(error), 2)
    if isinstance(error, UsageError):
        return _fail(_usage(error), 2)
    if _is_pydantic(error):
        return _fail(_invalid(error), 2)
    if _is_out_of_memory(error):
        return _fail(_memory_advice(), 1)
    if isinstance(error, OSError) and error.errno in _USERS_TO_MEND:
        where = f"{error.filename}: " if error.filename else ""
        return _fail(f"{where}{error.strerror}", 2)
    return _fail(_unexpected(error, debug=debug), 1)


def _fail(message: str, code: int, prefix: str = "error: ") -> int:
    lines = (line.strip() for line in message.splitlines())
    console.note(prefix + "; ".join(line for line in lines if line))
    return code


def _reader_gone() -> int:
    # the interpreter flushes standard output once more at exit, which would complain again
    devnull = os.open(os.devnull, os.O_WRONLY)
    with contextlib.suppress(io.UnsupportedOperation):  # where tests stand in for the terminal
        os.dup2(devnull, sys.stdout.fileno())
    os.close(devnull)
    return 141


def _interruption() -> str:
    advice = console.way_on()
    return f"interrupted; to go on: {advice}" if advice else "interrupted; nothing half-written"


def _usage(error: Any) -> str:
    message = error.format_message()
    context = getattr(error, "ctx", None)
    option = getattr(error, "option_name", None)
    if option and context is not None and "Did you mean" not in message:
        names = [
            name for parameter in context.command.get_params(context) for name in parameter.opts
        ]
        options = [name for name in names if name.startswith("-")]
        message = f"no such option {option}.{near_miss(option, options)}"
    if _is_pydantic(error.__context__):  # typer checks types with it and drops what was given
        message = f"{message} (got {error.__context__.errors()[0]['input']!r})"
    message = message[:1].lower() + message[1:]
    command = context.command_path if context is not None else "acclimate"
    return f"{message.rstrip()} (see {command} --help)"


def _is_pydantic(error: BaseException | None) -> bool:
    pydantic = sys.modules.get("pydantic")  # not loaded: then it cannot have raised
    return pydantic is not None and isinstance(error, pydantic.ValidationError)


def _invalid(error: Any) -> str:
    problems = (
        f"{'.'.join(str(part) for part in problem['loc']) or error.title}: "
        f"{problem['msg'].removeprefix('Value error, ')} (got {str(problem['input'])[:60]!r})"
        for problem in error.errors()
    )
    return "; ".join(problems)


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(part in text for part in _MEMORY_MESSAGES)


def _memory_advice() -> str:
    advice = console.way_on()
    return "out of memory: try a smaller --batch-size or --size, or close other programs" + (
        f"; to go on: {advice}" if advice else ""
    )


def _unexpected(error: BaseException, *, debug: bool) -> str:
    what = f"unexpected {type(error).__name__}: {error}"
    return what if debug else f"{what} ({_save_traceback(error)})"


def _save_traceback(error: BaseException) -> str:
    text = "".join(traceback.format_exception(error))
    try:
        handle, name = tempfile.mkstemp(prefix="acclimate-error-", suffix=".txt")
        os.close(handle)
        Path(name).write_text(f"{sys.argv}\n{text}", encoding="utf-8", errors="backslashreplace")
    except OSError:
        return "run it again with --debug to see where"
    return f"details in {name}"
