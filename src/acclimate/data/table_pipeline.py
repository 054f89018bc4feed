"""From the columns of a table to vectors: fitted once, on source and unlabelled target together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from acclimate.core.errors import DataError
from acclimate.data.columns import MISSING, Kind, Kinds
from acclimate.data.table_options import TextFeatures

if TYPE_CHECKING:
    from pandas import DataFrame
    from scipy.sparse import csr_matrix
    from sklearn.compose import ColumnTransformer

VOCABULARY = 20_000  # words and pairs of words of a text column
BUCKETS = 2**15  # that words and pairs of words of a text column are hashed into
RARE = 3  # a category or a word in fewer rows teaches nothing
CATEGORIES = 1000  # of a column; the rarest beyond share one feature
_ID_LIKE = 0.9  # share of rows with a category of their own


@dataclass(frozen=True)
class TablePipeline:
    """A fitted scikit-learn ``ColumnTransformer``, and what its columns and features are called."""

    transformer: ColumnTransformer

    @cached_property
    def kinds(self) -> Kinds:
        """The kind of each column, in the transformer's order."""
        found: Kinds = {}
        for name, _, columns in self._parts():
            kind: Kind = "text" if isinstance(columns, str) else name
            found |= dict.fromkeys([columns] if isinstance(columns, str) else columns, kind)
        return found

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        """What each feature is, for people: ``age``, ``age is missing``, ``city = Paris``."""
        return tuple(name for part in self._parts() for name in _names(*part))

    @property
    def width(self) -> int:
        return len(self.feature_names)

    def transform(self, where: str, frame: DataFrame) -> csr_matrix | np.ndarray:
        """Rows (N, width) float32 of columns cast to ``kinds``; sparse where most are zero."""
        from scipy import sparse

        rows = self.transformer.transform(frame)
        with np.errstate(over="ignore"):
            rows = rows.astype(np.float32)
        values = rows.data if sparse.issparse(rows) else rows
        if not np.isfinite(values).all():
            raise DataError(f"{where} holds values too large for float32; scale or drop them")
        return sparse.csr_matrix(rows) if sparse.issparse(rows) else np.ascontiguousarray(rows)

    def unknown(self, frame: DataFrame) -> list[str]:
        """A line for each column with categories that the pipeline has never seen."""
        lines = []
        for name, part, columns in self._parts():
            if name != "category":
                continue
            for column, known in zip(columns, part.categories_, strict=True):
                strange = frame[column][~frame[column].isin(known)]
                if len(strange):
                    lines.append(
                        f"{len(strange)} of {len(frame)} rows have a category in {column!r} that "
                        f"training had not, like {strange.iloc[0]!r}: ignored"
                    )
        return lines

    def wordless(self, rows: csr_matrix | np.ndarray) -> list[str]:
        """A line for each text column with rows in which no word is known."""
        lines = []
        for name, _, columns in self._parts():
            if name.startswith("text"):
                part = rows[:, self.transformer.output_indices_[name]]
                empty = int((np.asarray(abs(part).sum(axis=1)).ravel() == 0).sum())
                if empty:
                    lines.append(
                        f"{empty} of {rows.shape[0]} rows have no known word in {columns!r}"
                    )
        return lines

    def _parts(self) -> list[tuple[Any, Any, Any]]:
        return [part for part in self.transformer.transformers_ if part[0] != "remainder"]


def fit_pipeline(
    frames: Sequence[DataFrame], kinds: Kinds, text_features: TextFeatures = "tf-idf"
) -> TablePipeline:
    """Fit to the rows of all ``frames``, cast to ``kinds``, as one table.

    Numbers: the median where they are missing, with a feature that says so, then mean 0 and
    deviation 1. Categories: a feature each; those in fewer than 3 rows share one. Text: TF-IDF of
    words and pairs of words, of the 20,000 most frequent, or, for ``hashing``, of all of them in
    32,768 buckets, without a list of the words. Raises ``DataError`` for a text column without words
    that come back.
    """
    import pandas
    from sklearn.compose import ColumnTransformer

    transformer = ColumnTransformer(_steps(kinds, text_features), sparse_threshold=0.3)
    everything = pandas.concat(frames, ignore_index=True)
    try:
        transformer.fit(everything)
    except ValueError as error:
        if "vocabulary" in str(error) or "no terms" in str(error):
            raise _wordless([name for name, kind in kinds.items() if kind == "text"]) from error
        raise
    for name, part, column in transformer.transformers_:
        if name.startswith("text") and text_features == "hashing":
            # a bucket's weight tells in how many rows it is filled; 1e-9 is for rounding
            seldom = 1 + np.log((1 + len(everything)) / (1 + RARE))
            if part["weigh"].idf_.min() > seldom + 1e-9:
                raise _wordless([column])
        elif name.startswith("text"):
            # plain numbers: a file of arrays of one number each would take half a minute to write
            part.vocabulary_ = {word: int(place) for word, place in part.vocabulary_.items()}
    return TablePipeline(transformer)


def _wordless(columns: Sequence[str]) -> DataError:
    return DataError(
        f"{' or '.join(map(repr, columns))} has no word that stands in {RARE} rows; is it text? leave "
        "it out with --drop"
    )


def id_like(frame: DataFrame, kinds: Kinds) -> list[str]:
    """A line for each column of categories in which nearly every row has its own."""
    return [
        f"column {name!r} has a value of its own in nearly every row: if it is no category, give "
        f"--text {name!r}, --id {name!r} or --drop {name!r}"
        for name, kind in kinds.items()
        if kind == "category" and len(frame) >= 20 and frame[name].nunique() > _ID_LIKE * len(frame)
    ]


def _steps(kinds: Kinds, text_features: TextFeatures) -> list[tuple[str, Any, Any]]:
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numeric, category, text = (
        [name for name, kind in kinds.items() if kind == wanted]
        for wanted in ("numeric", "category", "text")
    )
    steps: list[tuple[str, Any, Any]] = []
    if numeric:
        imputer = SimpleImputer(strategy="median", add_indicator=True)
        steps.append(
            ("numeric", Pipeline([("impute", imputer), ("scale", StandardScaler())]), numeric)
        )
    if category:
        encoder = OneHotEncoder(
            handle_unknown="infrequent_if_exist", min_frequency=RARE, max_categories=CATEGORIES
        )
        steps.append(("category", encoder, category))
    steps += [(f"text{number}", _words(text_features), name) for number, name in enumerate(text)]
    return steps


def _words(text_features: TextFeatures) -> Any:
    from sklearn.feature_extraction.text import (
        HashingVectorizer,
        TfidfTransformer,
        TfidfVectorizer,
    )
    from sklearn.pipeline import Pipeline

    if text_features == "tf-idf":
        return TfidfVectorizer(
            ngram_range=(1, 2), max_features=VOCABULARY, min_df=RARE, sublinear_tf=True
        )
    # counts as they are: signs that cancel collisions out have no logarithm
    counts = HashingVectorizer(
        ngram_range=(1, 2), n_features=BUCKETS, alternate_sign=False, norm=None
    )
    return Pipeline([("hash", counts), ("weigh", TfidfTransformer(sublinear_tf=True))])


def _names(name: str, part: Any, columns: Any) -> list[str]:
    if name == "numeric":
        missing = part["impute"].indicator_.features_
        return [*columns, *(f"{columns[place]} is missing" for place in missing)]
    if name == "category":
        each = zip(columns, part.categories_, part.infrequent_categories_, strict=True)
        return [one for column, known, rare in each for one in _categories(column, known, rare)]
    if hasattr(part, "steps"):
        return [f"{columns}: bucket {number}" for number in range(len(part["weigh"].idf_))]
    return [f"{columns}: {word}" for word in part.get_feature_names_out()]


def _categories(column: str, known: np.ndarray, rare: np.ndarray | None) -> list[str]:
    """The features of one column: those of frequent categories, then the one that rare ones share."""
    often = [value for value in known if rare is None or value not in set(rare)]
    names = [
        f"{column} is missing" if value == MISSING else f"{column} = {value}" for value in often
    ]
    return names if rare is None else [*names, f"{column} is rare"]
