"""Results of a table, each a checked file of its own."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from acclimate.core.errors import RecordError
from acclimate.core.files import write_text_atomically

Result = TypeVar("Result", bound=BaseModel)


def write_result(path: Path, result: BaseModel) -> None:
    """One file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text_atomically(path, result.model_dump_json(indent=2) + "\n")


def read_results(kind: type[Result], paths: Iterable[Path], table: str) -> list[Result]:
    """The results in ``paths``, by name; raises ``RecordError`` for a file that is none of ``table``."""
    found = []
    for path in sorted(paths):
        try:
            found.append(kind.model_validate_json(path.read_text(encoding="utf-8")))
        except (ValidationError, ValueError) as error:
            raise RecordError(
                f"{path} is no result of {table}: remove it and call the command again"
            ) from error
    return found
