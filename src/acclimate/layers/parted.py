"""Where the source ends in a joint batch, for layers that treat the domains apart."""

from __future__ import annotations

from torch import nn

from acclimate.core.errors import ConfigurationError


class PartedByDomain:
    """Mixed into normalisation layers that have to know which rows of a batch are of the source.

    ``source_rows``: so many items at the beginning of a training batch; ``None`` = unknown.
    ``batch_rows``: how many items the whole batch has; ``None`` = as many as a layer has rows. Some
    networks normalise tokens or windows, where an item has several rows that follow one another.
    """

    source_rows: int | None = None
    batch_rows: int | None = None

    def rows_of_source(self, rows: int) -> int | None:
        """How many of a layer's ``rows`` are of the source; ``None`` where nobody has said."""
        if self.source_rows is None or self.batch_rows in (None, rows):
            return self.source_rows
        assert self.batch_rows is not None
        each, rest = divmod(rows, self.batch_rows)
        if rest or not each:
            raise ConfigurationError(
                f"a BatchNorm layer sees {rows} rows of {self.batch_rows} items, which cannot be "
                "told apart by domain: give --batch-norm frozen or batch"
            )
        return each * self.source_rows


def keep_domains_apart(network: nn.Module, source_rows: int) -> None:
    """Tell every layer that treats the domains apart where the source ends in the next batch."""
    for module in network.modules():
        if isinstance(module, PartedByDomain):
            module.source_rows = source_rows
