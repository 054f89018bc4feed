"""``acclimate doctor``: what this machine offers, what is set, and what stands in the way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer

from acclimate.cli import console
from acclimate.cli.options import JsonOption

EXAMPLE = "Example: acclimate doctor --json"


def register(app: typer.Typer) -> None:
    app.command("doctor", epilog=EXAMPLE)(doctor)


def doctor(json: JsonOption = False) -> None:
    """Show versions, devices, thread settings and the data found, with advice where it helps."""
    from acclimate.cli import diagnosis

    result: dict[str, Any] = {
        "versions": diagnosis.versions(),
        "machine": diagnosis.machine(),
        "devices": diagnosis.devices(),
        "threads": diagnosis.threads(),
        "data": diagnosis.data(),
    }
    result["findings"] = diagnosis.findings(result)
    if json:
        console.print_json(result)
    else:
        _print(result)


def _print(result: Mapping[str, Any]) -> None:
    for part in ("versions", "machine", "threads"):
        console.print_table([part, "value"], [(k, _text(v)) for k, v in result[part].items()])
    rows = [(device["name"], device["kind"], device["memory_gib"]) for device in result["devices"]]
    console.print_table(["device", "kind", "memory GiB"], rows)
    data = result["data"]
    places = [(k, _text(v)) for k, v in data.items() if k != "sets"]
    console.print_table(["data", "value"], places)
    sets = [(name, ", ".join(f"{k} {v}" for k, v in s.items())) for name, s in data["sets"].items()]
    console.print_table(["data set", "splits"], sets)
    if not result["findings"]:
        console.print_line("Nothing stands in the way.")
    for finding in result["findings"]:
        console.print_line(f"! {finding['what']}: {finding['advice']}")


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.1f}"
    return "–" if value is None else str(value)
