"""``acclimate data cache``: the decoded pictures that are kept for later runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from acclimate.cli import console
from acclimate.cli.options import JsonOption
from acclimate.core.errors import ConfigurationError, RunError

if TYPE_CHECKING:
    from acclimate.data.picture_cache import CacheEntry, PictureCache

CACHE_EXAMPLE = "Example: acclimate data cache --remove 3f9c07"
_SHOWN_KEY = 12


def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Remove everything.")] = False,
    remove: Annotated[
        list[str] | None,
        typer.Option("--remove", metavar="KEY", help="Remove one entry; may be given repeatedly."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """List the decoded pictures that are kept for later runs, the last used first; remove some.

    They are bounded by ACCLIMATE_CACHE_LIMIT in MiB (20480 if not set; 0 keeps none). What is
    removed is made again when it is needed.
    """
    from acclimate.data.picture_cache import default_picture_cache

    if clear and remove:
        raise ConfigurationError("--clear removes everything: give it without --remove")
    store = default_picture_cache()
    freed = _removed(store, clear, remove or ())
    entries = store.entries()
    total = sum(entry.bytes for entry in entries)
    if json:
        console.print_json(
            {
                "folder": str(store.folder),
                "limit_bytes": store.limit_bytes,
                "bytes": total,
                "freed_bytes": freed,
                "entries": [_facts(entry) for entry in entries],
            }
        )
        return
    if entries:
        columns = ("key", "name", "items", "size", "MiB", "last used")
        console.print_table(columns, [_row(entry) for entry in entries])
    if clear or remove:
        console.print_line(f"freed: {_mebibytes(freed)} MiB")
    limit = store.limit_bytes >> 20
    console.print_line(f"{_mebibytes(total)} of {limit} MiB used in {store.folder}")


def _removed(store: PictureCache, clear: bool, keys: Sequence[str]) -> int:
    """Bytes that became free."""
    entries = store.entries()
    chosen = [entry.key for entry in entries] if clear else [_key(key, entries) for key in keys]
    if not clear and not keys:
        return 0
    try:
        return store.remove(chosen) + store.remove_leftovers()
    except OSError as error:
        raise RunError(
            f"cannot remove from {store.folder}: {error.strerror or error}; end the runs that use it, "
            "or give yourself the right to write there"
        ) from error


def _key(text: str, entries: Sequence[CacheEntry]) -> str:
    found = [entry.key for entry in entries if text and entry.key.startswith(text)]
    if len(found) == 1:
        return found[0]
    what = f"begins {len(found)} keys" if found else "is the key of no entry"
    raise ConfigurationError(f"--remove {text} {what}; 'acclimate data cache' lists them")


def _facts(entry: CacheEntry) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "key": entry.key,
        "bytes": entry.bytes,
        "last_used": _time(entry).isoformat(timespec="seconds"),
        "damaged": entry.pictures is None,
    }
    if entry.pictures is not None:
        recipe = entry.pictures.recipe
        facts |= {
            "name": entry.pictures.name,
            "items": entry.pictures.count,
            "unreadable": len(entry.pictures.problems),
            "size": recipe.size,
            "width": recipe.width or recipe.size,
            "channels": recipe.channels,
            "fit": recipe.fit,
        }
    return facts


def _row(entry: CacheEntry) -> tuple[str | int | None, ...]:
    key, used = entry.key[:_SHOWN_KEY], _time(entry).astimezone().strftime("%Y-%m-%d %H:%M")
    if entry.pictures is None:
        return (key, "(damaged)", None, None, _mebibytes(entry.bytes), used)
    recipe = entry.pictures.recipe
    size = f"{recipe.channels}×{recipe.size}×{recipe.width or recipe.size} {recipe.fit}"
    return (key, entry.pictures.name, entry.pictures.count, size, _mebibytes(entry.bytes), used)


def _time(entry: CacheEntry) -> datetime:
    return datetime.fromtimestamp(entry.used, UTC)


def _mebibytes(count: int) -> str:
    return f"{count / 2**20:.1f}"
