"""What ``--row`` means: rows of a table by name."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from acclimate.core.errors import ConfigurationError, UnknownNameError, near_miss


def named_rows(
    names: Sequence[str],
    pairs: Collection[str],
    rows: Collection[str],
    *,
    table: str,
    pair_is: str = "pair",
) -> set[tuple[str, str]]:
    """(pair, row) behind ``"PAIR"``, ``"PAIR/ROW"`` and ``"*/ROW"``; all of them without a name.

    ``table`` and ``pair_is`` are words for messages. Raises ``ConfigurationError`` for an unknown
    pair and ``UnknownNameError`` for an unknown row, with the near miss.

    >>> sorted(named_rows(["*/dann"], ["a-b", "b-a"], ["source-only", "dann"], table="small"))
    [('a-b', 'dann'), ('b-a', 'dann')]
    """
    chosen: set[tuple[str, str]] = set()
    for name in names or ["*"]:
        pair, _, row = name.partition("/")
        if pair != "*" and pair not in pairs:
            raise ConfigurationError(
                f"{table} has no {pair_is} {pair!r}.{near_miss(pair, list(pairs))}"
            )
        if row and row not in rows:
            raise UnknownNameError(f"{table} has no row {row!r}.{near_miss(row, list(rows))}")
        chosen |= {
            (each, own)
            for each in (pairs if pair == "*" else (pair,))
            for own in ((row,) if row else rows)
        }
    return chosen
