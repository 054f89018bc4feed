"""A fitted pipeline on disk, in skops' format, which holds arrays and JSON and no pickle."""

from __future__ import annotations

import json
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from acclimate.core.errors import ModelFileError
from acclimate.core.files import replace_atomically
from acclimate.data.table_pipeline import TablePipeline

TABLE_NAME = "table.skops"

#: everything that a pipeline of ours consists of; a file with anything else is not read
TRUSTED = frozenset(
    {
        "builtins.dict",
        "builtins.list",
        "builtins.slice",
        "builtins.str",
        "builtins.tuple",
        "numpy.dtype",
        "numpy.float64",
        "numpy.int64",
        "numpy.ndarray",
        "sklearn.compose._column_transformer.ColumnTransformer",
        "sklearn.feature_extraction.text.HashingVectorizer",
        "sklearn.feature_extraction.text.TfidfTransformer",
        "sklearn.feature_extraction.text.TfidfVectorizer",
        "sklearn.impute._base.MissingIndicator",
        "sklearn.impute._base.SimpleImputer",
        "sklearn.pipeline.Pipeline",
        "sklearn.preprocessing._data.StandardScaler",
        "sklearn.preprocessing._encoders.OneHotEncoder",
    }
)
#: how skops may rebuild them: no functions, methods or objects that rebuild themselves
LOADERS = frozenset(
    f"{kind}Node"
    for kind in ("DType", "Dict", "Json", "List", "NdArray", "Object", "Slice", "Tuple", "Type")
)


def save_pipeline(path: Path, pipeline: TablePipeline) -> None:
    from skops import io

    with replace_atomically(path) as temporary:
        io.dump(pipeline.transformer, temporary, compression=zipfile.ZIP_DEFLATED)


def load_pipeline(path: Path) -> TablePipeline:
    """The pipeline of a run; raises ``ModelFileError`` where it is not one of ours."""
    from sklearn.exceptions import InconsistentVersionWarning
    from skops import io

    try:
        with zipfile.ZipFile(path) as archive:
            schema = json.loads(archive.read("schema.json"))
        _check(path, schema)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InconsistentVersionWarning)
            loaded = io.load(path, trusted=sorted(TRUSTED))
        pipeline = TablePipeline(loaded)
        _ = pipeline.kinds, pipeline.feature_names  # one that is fitted has both
    except FileNotFoundError as error:
        raise ModelFileError(f"{path} is missing; the run has not finished or was moved") from error
    except ModelFileError:
        raise
    # whatever a damaged file makes of skops and scikit-learn
    except Exception as error:
        raise ModelFileError(
            f"{path} is damaged or no pipeline of a run ({type(error).__name__}); pickled ones are "
            "never read"
        ) from error
    return pipeline


def _check(path: Path, schema: Any) -> None:
    """Refuse what is not in ``TRUSTED`` before anything is built."""
    wrong = sorted(
        {name for name, loader in _types(schema) if name not in TRUSTED or loader not in LOADERS}
    )
    if wrong:
        raise ModelFileError(
            f"{path} holds {', '.join(wrong[:3])}, which no pipeline of acclimate has: it is not loaded"
        )
    if schema.get("__class__") != "ColumnTransformer":
        raise ModelFileError(f"{path} holds no pipeline of a run")


def _types(node: Any) -> Iterator[tuple[str, str]]:
    """Type and loader of every object that a skops file describes."""
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            # an entry that lacks one of the three is none that skops writes
            if "__class__" in one or "__loader__" in one:
                yield f"{one.get('__module__')}.{one.get('__class__')}", str(one.get("__loader__"))
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
