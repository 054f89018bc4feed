"""``.npz`` files: ``x`` with images or vectors, ``y`` with labels.

The file may also hold ``class_names`` (strings; ``y`` then counts from 0 into them) and ``layout``
(``"NHWC"`` or ``"NCHW"``) where the shape of ``x`` does not tell which axis is the channels'.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from acclimate.core.errors import ConfigurationError, DataError
from acclimate.core.files import replace_atomically
from acclimate.data.folders import check_class_names

LAYOUTS = ("NHWC", "NCHW")
DAMAGED = (OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, NotImplementedError)


def _is_array(opened: BinaryIO) -> bool:
    opened.seek(0)
    return opened.read(6) == b"\x93NUMPY"


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays of ``path`` that have a meaning here; nothing is unpickled.

    Raises ``DataError`` when it is truncated, no .npz, without ``x``, or holds Python objects.
    """
    known = ("x", "y", "class_names", "layout")
    try:
        # numpy leaves a path open when the archive proves damaged
        with open(path, "rb") as opened:
            # numpy takes whatever has neither beginning for pickled objects
            if opened.read(6)[:2] != b"PK" and not _is_array(opened):
                raise DataError(f"{path} is no .npz file; save one with np.savez(path, x=…, y=…)")
            opened.seek(0)
            file = np.load(opened, allow_pickle=False)
            if isinstance(file, np.ndarray):
                raise DataError(f"{path} holds a single array; save it with np.savez(path, x=…)")
            names = file.files
            content = {name: file[name] for name in known if name in names}
    except ValueError as error:
        if "pickle" in str(error).lower():
            raise DataError(
                f"{path} holds Python objects, which are not loaded for safety; save plain arrays "
                "of numbers or strings"
            ) from error
        raise DataError(_damaged(path, error)) from error
    except DAMAGED as error:
        raise DataError(_damaged(path, error)) from error
    if "x" not in content:
        held = ", ".join(names) or "nothing"
        raise DataError(
            f"{path} has no array 'x' (it has {held}); save it with np.savez(path, x=…)"
        )
    return content


def write_npz(path: Path, x: np.ndarray, y: np.ndarray, class_names: tuple[str, ...]) -> None:
    """Write ``x`` and ``y`` (counting into ``class_names``) so that ``read_npz`` reads them."""
    check_npz_name(path)
    # not compressed: photo noise hardly shrinks, and it would take longer than drawing
    with replace_atomically(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, x=x, y=y, class_names=np.array(class_names))


def check_npz_name(path: Path) -> None:
    """Raise ``ConfigurationError`` where ``path`` is no name for a .npz file."""
    if path.suffix.lower() != ".npz":
        raise ConfigurationError(f"{path} is no name for a .npz file; write {path}.npz")


def _damaged(path: Path, error: Exception) -> str:
    return f"{path} is truncated, damaged or no .npz file ({error}); write it again"


def inputs_of(path: Path, content: dict[str, np.ndarray]) -> np.ndarray:
    """``x`` as uint8 (N, height, width, 1 | 3) or float32 (N, features)."""
    x = content["x"]
    if x.ndim < 2 or x.ndim > 4 or 0 in x.shape:
        raise DataError(
            f"{path}: x has shape {x.shape}; give images (N, H, W), (N, H, W, C), (N, C, H, W) or "
            "vectors (N, D), with at least one item"
        )
    if x.dtype.kind not in "uifb":
        raise DataError(f"{path}: x holds {x.dtype}, not numbers; save it as uint8 or float32")
    check_finite(path, x)
    if x.ndim == 2:
        return _vectors(path, x)
    channels_last = _channels_last(path, x, content.get("layout"))
    return _pixels(path, np.ascontiguousarray(channels_last))


def check_finite(path: Path, x: np.ndarray) -> None:
    """Raise ``DataError`` with the number of NaN and infinite values and the first one's place."""
    if x.dtype.kind != "f":
        return
    wrong = ~np.isfinite(x)
    count = int(wrong.sum())
    if count:
        first = tuple(int(i) for i in np.unravel_index(int(wrong.argmax()), x.shape))
        raise DataError(
            f"{path}: x has {count} values that are NaN or infinite, the first at {list(first)}; "
            "remove or fill them in"
        )


def _vectors(path: Path, x: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        vectors = x.astype(np.float32)
    if not np.isfinite(vectors).all():
        raise DataError(f"{path}: x has values too large for float32; scale them")
    return vectors


def _channels_last(path: Path, x: np.ndarray, layout: np.ndarray | None) -> np.ndarray:
    if x.ndim == 3:
        return x[..., None]
    first, last = x.shape[1] in (1, 3), x.shape[3] in (1, 3)
    given = None if layout is None else str(_text(path, "layout", layout))
    if given is not None and given not in LAYOUTS:
        raise DataError(f"{path}: layout is {given!r}; it may be 'NHWC' or 'NCHW'")
    if given is None and first and last:
        raise DataError(
            f"{path}: x has shape {x.shape}, which may be (N, H, W, C) or (N, C, H, W); say which "
            'with np.savez(path, x=…, y=…, layout="NHWC") or layout="NCHW"'
        )
    channels_first = given == "NCHW" or (given is None and first)
    if not (first if channels_first else last):
        raise DataError(
            f"{path}: x has shape {x.shape}{f' and layout {given}' if given else ''}; images need "
            "1 or 3 channels, as (N, H, W, C) or (N, C, H, W)"
        )
    return x.transpose(0, 2, 3, 1) if channels_first else x


def _pixels(path: Path, x: np.ndarray) -> np.ndarray:
    if x.dtype == np.uint8:
        return x
    if x.dtype.kind != "f":
        raise DataError(
            f"{path}: x holds images as {x.dtype}; save them as uint8 (0 … 255) or "
            "as float in 0 … 1"
        )
    low, high = float(x.min()), float(x.max())
    if low < 0 or high > 1:
        raise DataError(
            f"{path}: x holds images as float from {low:g} to {high:g}; scale them to 0 … 1, or "
            "save them as uint8"
        )
    return np.round(x.astype(np.float32) * 255).astype(np.uint8)


def labels_of(
    path: Path,
    content: dict[str, np.ndarray],
    known: tuple[str, ...] | None,
    labels_needed: bool = False,
) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """(int64 (N,) or ``None`` where there is no ``y``, the class names).

    With ``known`` class names (the source's) labels are mapped to them by name; ``labels_needed``
    as in ``check_class_names``.
    """
    if "y" not in content:
        return None, known or ()
    y = _label_vector(path, content["y"], len(content["x"]))
    names, labels = _named(path, y, content.get("class_names"))
    if known is None:
        return labels, names
    present = {names[k] for k in np.unique(labels)}
    check_class_names(str(path), present, known, labels_needed)
    table = np.array([known.index(n) if n in known else -1 for n in names], dtype=np.int64)
    return table[labels], known


def _text(path: Path, what: str, values: np.ndarray) -> np.ndarray:
    """Bytes and whatever else as strings."""
    if values.dtype.kind != "S":
        return values.astype(np.str_)
    try:
        return np.char.decode(values, "utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: {what} holds bytes that are not UTF-8; save it as text"
        ) from error


def _label_vector(path: Path, y: np.ndarray, count: int) -> np.ndarray:
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    if y.shape != (count,):
        raise DataError(f"{path}: y has shape {y.shape} for {count} items; give one label for each")
    if y.dtype.kind == "f" and np.isfinite(y).all() and (y == np.round(y)).all():
        y = y.astype(np.int64)
    if y.dtype.kind not in "iubUS":
        raise DataError(f"{path}: y holds {y.dtype}; labels are whole numbers or strings")
    y = y.astype(np.int64) if y.dtype.kind in "iub" else _text(path, "y", y)
    if y.dtype.kind == "i" and y.min() < 0:
        raise DataError(
            f"{path}: label {y.min()} of item {int(y.argmin())} is out of range; labels are whole "
            "numbers from 0, or strings"
        )
    return y


def _named(
    path: Path, y: np.ndarray, class_names: np.ndarray | None
) -> tuple[tuple[str, ...], np.ndarray]:
    if class_names is None or y.dtype.kind != "i":
        values, labels = np.unique(y, return_inverse=True)
        return tuple(str(value) for value in values), labels.astype(np.int64)
    names = tuple(map(str, np.atleast_1d(_text(path, "class_names", class_names))))
    if len(set(names)) != len(names):
        raise DataError(f"{path}: class_names has a name twice; give each class its own")
    if y.max() >= len(names):
        raise DataError(
            f"{path}: label {y.max()} of item {int(y.argmax())} is out of range; with "
            f"{len(names)} class_names labels run from 0 to {len(names) - 1}"
        )
    return names, y
