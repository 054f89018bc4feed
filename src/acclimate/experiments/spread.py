"""Mean and deviation over seeds."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from pydantic import BaseModel


class Spread(BaseModel):
    """Mean and sample standard deviation over ``n`` seeds; ``sd`` is ``None`` for one."""

    mean: float
    sd: float | None
    n: int


def spread_of(values: Sequence[float | None]) -> Spread | None:
    """The spread of the values that are known, ``None`` where none is."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    sd = statistics.stdev(known) if len(known) > 1 else None
    return Spread(mean=statistics.fmean(known), sd=sd, n=len(known))
