"""What the columns of a table mean, as far as a user has to say it."""

from __future__ import annotations

from collections import Counter
from typing import Literal

from pydantic import model_validator

from acclimate.core.configuration import Options

TextFeatures = Literal["tf-idf", "hashing"]


class TableOptions(Options):
    """Names of columns of CSV and Parquet files; every other column is a feature.

    ``label``: the classes. ``text``: words are to be counted in it, and kept in a list (tf-idf) or
    hashed into so many buckets, see ``fit_pipeline``. ``drop``: left out. ``id``: what predictions
    call a row, no feature.
    """

    label: str | None = None
    text: tuple[str, ...] = ()
    text_features: TextFeatures = "tf-idf"
    drop: tuple[str, ...] = ()
    id: str | None = None

    @model_validator(mode="after")
    def _one_meaning_each(self) -> TableOptions:
        twice = [name for name, count in Counter(self.named).items() if count > 1]
        if twice:
            raise ValueError(
                f"column {twice[0]!r} is named twice by --label, --text, --drop and --id; it can be "
                "one of them"
            )
        return self

    @model_validator(mode="after")
    def _text_to_count(self) -> TableOptions:
        if self.text_features != "tf-idf" and not self.text:
            raise ValueError(
                f"--text-features {self.text_features} is of columns of text: name one with --text"
            )
        return self

    @property
    def named(self) -> tuple[str, ...]:
        """All columns that an option names."""
        single = tuple(name for name in (self.label, self.id) if name is not None)
        return (*single, *self.text, *self.drop)

    @property
    def given(self) -> list[str]:
        """The options that say anything, as they are written: ``["--label", "--text"]``."""
        return [
            f"--{name.replace('_', '-')}"
            for name, field in type(self).model_fields.items()
            if getattr(self, name) != field.default
        ]
