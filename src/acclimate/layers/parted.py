"""Where the source ends in a joint batch, for layers that treat the domains apart."""

from __future__ import annotations

from torch import nn

from acclimate.core.errors import ConfigurationError


class PartedByDomain:
    """Mixed into normalisation layers that have to know which rows of a batch are of the source.

    ``source_rows``: so many items at the beginning of a training batch; ``None`` = unknown.
    ``mixed_rows``: so many at its end are of neither domain, as those that are mixed from both.
    ``batch_rows``: how many items the whole batch has; ``None`` = as many as a layer has rows. Some
    networks normalise tokens or windows, where an item has several rows that follow one another.
    """

    source_rows: int | None = None
    mixed_rows: int = 0
    batch_rows: int | None = None

    def rows_of_source(self, rows: int) -> int | None:
        """How many of a layer's ``rows`` are of the source; ``None`` where nobody has said."""
        return None if self.source_rows is None else self._rows_of(self.source_rows, rows)

    def rows_of_neither(self, rows: int) -> int:
        """How many of a layer's ``rows``, the last ones, are of neither domain."""
        return self._rows_of(self.mixed_rows, rows) if self.mixed_rows else 0

    def _rows_of(self, items: int, rows: int) -> int:
        if self.batch_rows in (None, rows):
            return items
        assert self.batch_rows is not None
        each, rest = divmod(rows, self.batch_rows)
        if rest or not each:
            raise ConfigurationError(
                f"a BatchNorm layer sees {rows} rows of {self.batch_rows} items, which cannot be "
                "told apart by domain: give --batch-norm frozen or batch"
            )
        return each * items


def keep_domains_apart(network: nn.Module, source_rows: int, mixed_rows: int = 0) -> None:
    """Tell every layer that treats the domains apart where the source ends in the next batches.

    The last ``mixed_rows`` are of neither domain.
    """
    for module in network.modules():
        if isinstance(module, PartedByDomain):
            module.source_rows, module.mixed_rows = source_rows, mixed_rows
