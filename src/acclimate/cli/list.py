"""``acclimate list``: what there is to choose from."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any

import typer

from acclimate.cli import console
from acclimate.cli.options import JsonOption
from acclimate.core.errors import UnknownNameError, near_miss

EXAMPLE = "Example: acclimate list algorithms"

# kind → (module, its registry)
REGISTRIES = {
    "algorithms": ("acclimate.algorithms", "algorithms"),
    "networks": ("acclimate.models", "networks"),
    "datasets": ("acclimate.data", "datasets"),
    "validators": ("acclimate.validators", "validators"),
    "retrieval-validators": ("acclimate.validators.retrieval", "retrieval_validators"),
    "objectives": ("acclimate.objectives", "objectives"),
    "adapters": ("acclimate.shallow", "adapters"),
}


def register(app: typer.Typer) -> None:
    app.command("list", epilog=EXAMPLE)(list_names)


def list_names(
    kind: Annotated[
        str | None,
        typer.Argument(help=f"One of {', '.join(REGISTRIES)}; without it all are listed."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """List algorithms, networks, data sets, validators, objectives, shallow adapters; a line on each."""
    if kind is not None and kind not in REGISTRIES:
        raise UnknownNameError(f"there is no list of {kind!r}.{near_miss(kind, REGISTRIES)}")
    found = {name: entries(name) for name in ([kind] if kind else REGISTRIES)}
    if json:
        console.print_json(found)
        return
    for name, rows in found.items():
        cells = [(row["name"], _marked(row)) for row in rows]
        console.print_table([name, "description"], cells)


def entries(kind: str) -> list[dict[str, Any]]:
    """Name, first line of the description and oracle mark of everything of one kind."""
    module, attribute = REGISTRIES[kind]
    registry = getattr(import_module(module), attribute)
    return [
        {
            "name": name,
            "description": describe(item),
            "oracle": bool(getattr(item, "oracle", False)),
        }
        for name, item in registry.items()
    ]


def describe(item: Any) -> str:
    """The first line of an item's ``description`` (text or method), else of its docstring."""
    text = getattr(item, "description", None)
    text = text() if callable(text) else text
    lines = str(text or item.__doc__ or "").strip().splitlines()
    return lines[0].replace("``", "") if lines else ""


def _marked(row: dict[str, Any]) -> str:
    text: str = row["description"]
    return text if not row["oracle"] or "oracle" in text.lower() else f"oracle: {text}"
