"""Tables of the Markdown pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table_line(cells: Sequence[str]) -> str:
    """One line of a table.

    >>> table_line(["row", "n"])
    '| row | n |'
    """
    return "| " + " | ".join(cells) + " |"


def table_of(columns: Sequence[str], lines: Iterable[Sequence[str]]) -> list[str]:
    """A whole table: head, rule and lines.

    >>> table_of(["row", "n"], [["dann", "3"]])
    ['| row | n |', '|---|---|', '| dann | 3 |']
    """
    return [table_line(columns), "|" + "---|" * len(columns), *map(table_line, lines)]
