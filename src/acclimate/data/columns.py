"""What kind each column of a table is, and the columns cast to it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from acclimate.core.errors import DataError

if TYPE_CHECKING:
    from pandas import DataFrame, Series

Kind = Literal["numeric", "category", "text", "empty"]
Kinds = dict[str, Kind]
MISSING = "(missing)"
"""The category of rows that have none."""
LARGEST = 1e100
"""The largest number of a column, either way: sums of its square are numbers still."""

_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}([ T].*)?|\d{1,2}([./-])\d{1,2}\2\d{2,4}( .*)?")
_LOOKED_AT = 100  # strings of a column, to see whether they are dates
_WORDS = {"numeric": "numbers", "category": "words", "text": "text", "empty": "nothing"}


def kinds_of(where: str, frame: DataFrame, text: tuple[str, ...]) -> Kinds:
    """The kind of each column; raises ``DataError`` for dates, lists and infinite numbers."""
    return {
        str(name): _kind(f"{where}: column {name!r}", frame[name], name in text) for name in frame
    }


def common_kinds(
    known: Kinds, known_as: str, found: Kinds, found_as: str, way_out: str = ""
) -> Kinds:
    """Kinds of two tables with the same columns; one without any value takes the other's.

    Raises ``DataError`` naming the column and both tables where they differ, with a ``way_out``.
    """
    both = {}
    for name, kind in known.items():
        other = found[name]
        if "empty" not in (kind, other) and kind != other:
            raise DataError(
                f"column {name!r} holds {_WORDS[kind]} in {known_as} and {_WORDS[other]} in {found_as}: "
                f"make them alike{way_out}"
            )
        both[name] = other if kind == "empty" else kind
    return both


def check_same_columns(
    known: Mapping[str, Any],
    known_as: str,
    found: Mapping[str, Any],
    found_as: str,
    way_out: str = "",
) -> None:
    """Raise ``DataError`` naming the columns that ``found`` lacks and those that only it has."""
    lacking = [name for name in known if name not in found]
    extra = [name for name in found if name not in known]
    if lacking or extra:
        parts = [f"has no {_listed(lacking)}"] if lacking else []
        parts += [f"has {_listed(extra)} besides"] if extra else []
        raise DataError(
            f"{found_as} {' and '.join(parts)}, compared with {known_as}: give both the same "
            f"columns{way_out}"
        )


def cast(frame: DataFrame, kinds: Kinds) -> DataFrame:
    """The columns of ``kinds`` in its order: numbers as float64, words and text as strings."""
    import pandas

    columns = {}
    for name, kind in kinds.items():
        if kind == "numeric":
            columns[name] = _numbers(frame[name])
        else:
            filled = "" if kind == "text" else MISSING
            column = frame[name].astype(object)
            columns[name] = column.where(column.notna(), filled).map(str).astype(object)
    return pandas.DataFrame(columns)


def _numbers(column: Series) -> Any:
    if column.dtype.kind in "iufb" and isinstance(column.dtype, np.dtype):
        return column.to_numpy(np.float64)
    values = column.astype(object)
    return values.where(values.notna(), np.nan).to_numpy().astype(np.float64)


def _kind(where: str, column: Series, is_text: bool) -> Kind:
    present = column.dropna()
    if not len(present):
        return "text" if is_text else "empty"
    kind = _kind_of_values(where, present)
    if is_text:
        if kind == "numeric" or _all_numbers(present):
            raise DataError(f"{where} holds numbers and no text; it needs no --text")
        return "text"
    if kind == "numeric":
        numbers = _numbers(present)
        wrong = np.flatnonzero(~np.isfinite(numbers))
        if len(wrong):
            raise DataError(
                f"{where} has {len(wrong)} infinite values, the first in row {present.index[wrong[0]]}: "
                "replace them, or leave the cells empty to have them imputed"
            )
        large = np.flatnonzero(np.abs(numbers) > LARGEST)
        if len(large):
            raise DataError(
                f"{where} has {numbers[large[0]]:g} in row {present.index[large[0]]}, too large to compute "
                "with: scale the column or leave it out with --drop"
            )
    elif _all_dates(present):
        raise DataError(
            f"{where} holds dates, like {present.iloc[0]}: convert them to numbers or drop the column"
        )
    return kind


def _kind_of_values(where: str, present: Series) -> Kind:
    import pandas

    if pandas.api.types.is_datetime64_any_dtype(present) or present.dtype.kind in "mM":
        raise DataError(f"{where} holds dates: convert them to numbers or drop the column")
    if present.dtype.kind in "iufb":
        return "numeric"
    types = set(map(type, present))
    if types <= {bool, np.bool_, int, float, Decimal}:
        return "numeric"
    if types <= {str}:
        return "category"
    odd = next(kind for kind in types if kind is not str)
    raise DataError(f"{where} holds {odd.__name__}: make it numbers or words, or drop the column")


def _all_numbers(present: Series) -> bool:
    import pandas

    return bool(pandas.to_numeric(present.astype("str"), errors="coerce").notna().all())


def _all_dates(present: Series) -> bool:
    return all(_DATE.fullmatch(str(value).strip()) for value in present.iloc[:_LOOKED_AT])


def _listed(names: list[str], at_most: int = 8) -> str:
    shown = ", ".join(repr(name) for name in names[:at_most])
    more = f", … ({len(names)} in all)" if len(names) > at_most else ""
    return f"column{'s' if len(names) > 1 else ''} {shown}{more}"
