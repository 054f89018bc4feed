"""Where output goes: results on standard output, progress and notes on standard error.

A result is printed once it is complete, so that an error leaves standard output empty.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

Cell = str | int | float | None

# wide enough that nothing is cut or wrapped in a file or a pipe
_UNLIMITED = 10_000

_way_on: list[str] = []


def set_way_on(advice: str | None) -> None:
    """What to tell a user who interrupts the command, e.g. ``"acclimate fit … --resume"``."""
    _way_on[:] = [advice] if advice else []


def way_on() -> str | None:
    """The advice last given to ``set_way_on``."""
    return _way_on[0] if _way_on else None


def note(text: str) -> None:
    """One line on standard error."""
    print(text, file=sys.stderr, flush=True)


def warn(text: str) -> None:
    """One line on standard error, marked as a warning."""
    note(f"warning: {text}")


def warn_of_skipped(
    lines: Sequence[str], owner: str = "", at_most: int = 10, listed: str = ""
) -> None:
    """A warning for each file that was left out, or for the first few and how many there are.

    ``owner``: whose they are; ``listed``: where all of them are named.
    """
    beginning = f"{owner}: skipped" if owner else "skipped"
    for line in lines[:at_most]:
        warn(f"{beginning} {line}")
    if len(lines) > at_most:
        warn(f"{beginning} {len(lines):,} files in all" + (f"; {listed}" if listed else ""))


def print_json(result: Mapping[str, Any]) -> None:
    """Print exactly one JSON object; NaN and infinities, which JSON lacks, become ``null``."""
    print(json.dumps(finite(result), indent=2, allow_nan=False))


def finite(value: Any) -> Any:
    """``value`` with every NaN and infinity replaced by ``None``, at any depth.

    >>> finite({"auroc": float("nan"), "shares": (0.5, float("inf"))})
    {'auroc': None, 'shares': [0.5, None]}
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [finite(item) for item in value]
    return value


def print_line(text: str = "") -> None:
    """One line of a result on standard output."""
    print(text)


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[Cell]], title: str | None = None
) -> None:
    """Print a table; fractions get three decimals, ``None`` a dash, numbers stand right."""
    from rich import box
    from rich.table import Table

    table = Table(
        title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False
    )
    for index, column in enumerate(columns):
        numeric = all(not isinstance(row[index], str) for row in rows) and bool(rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(format_cell(cell) for cell in row))
    standard_output().print(table)
    print_line()


def format_cell(cell: Cell) -> str:
    """A cell as text.

    >>> format_cell(0.51234), format_cell(3), format_cell(None)
    ('0.512', '3', '–')
    """
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return "–"
    return f"{cell:.3f}" if isinstance(cell, float) else str(cell)


def standard_output() -> Console:
    """The console for results; as wide as its text when it is not a terminal."""
    width = None if sys.stdout.isatty() else _UNLIMITED
    return _console_class()(width=width, markup=False, highlight=False, emoji=False)


def standard_error() -> Console:
    """The console for progress."""
    return _console_class()(stderr=True, markup=False, highlight=False, emoji=False)


def progress() -> Progress:
    """A progress display on standard error that disappears when it is done.

    Nothing is shown where standard error is not a terminal: a log file wants lines, not bars.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = standard_error()
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


@cache
def _console_class() -> type[Console]:
    from rich.console import Console

    class PipeAwareConsole(Console):
        """Leaves a closed pipe to the command line's own handling instead of exiting with 1."""

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    return PipeAwareConsole
