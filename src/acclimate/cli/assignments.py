"""``--set algorithm.KEY=VALUE``: options of the chosen parts, as text."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from acclimate.core.errors import ConfigurationError, near_miss

SECTIONS = {
    "algorithm": "algorithm_options",
    "network": "network_options",
    "objective": "objective_options",
}


def parse_assignments(
    texts: Sequence[str], own_options: Mapping[str, str] | None = None
) -> dict[str, dict[str, Any]]:
    """``["algorithm.weight=0.5"]`` → ``{"algorithm_options": {"weight": 0.5}}``.

    A value is read as JSON, and as plain text where it is none. ``own_options``: settings that
    have an option of their own, ``{"learning_rate": "--lr"}``. Raises ``ConfigurationError``.

    >>> parse_assignments(["algorithm.weight=0.5", "network.normalisation=batch"])
    {'algorithm_options': {'weight': 0.5}, 'network_options': {'normalisation': 'batch'}}
    """
    found: dict[str, dict[str, Any]] = {}
    for text in texts:
        path, equals, value = text.partition("=")
        section, dot, key = path.strip().partition(".")
        option = _own_option(section if not dot else key, own_options or {})
        if option and (not dot or section not in SECTIONS):
            raise ConfigurationError(
                f"--set {text}: {path.strip()} has an option of its own; write {option}"
                + (f" {value.strip()}" if equals else "")
            )
        if not (equals and dot and key and value.strip()):
            raise ConfigurationError(
                f"--set {text}: write it as algorithm.KEY=VALUE or network.KEY=VALUE"
            )
        if section not in SECTIONS:
            raise ConfigurationError(
                f"--set {text}: no section {section!r}.{near_miss(section, SECTIONS)}"
            )
        found.setdefault(SECTIONS[section], {})[key] = _value(text, value.strip())
    return found


def _own_option(name: str, options: Mapping[str, str]) -> str | None:
    plain = name.strip("-").replace("-", "_")
    if plain in options:
        return options[plain]
    return next((option for option in options.values() if option == f"--{name.strip('-')}"), None)


def _value(text: str, value: str) -> Any:
    try:
        read = json.loads(value)
    except ValueError:
        read = value
    if isinstance(read, str | float) and _is_not_finite(read):
        raise ConfigurationError(f"--set {text}: should be a finite number")
    return read


def _is_not_finite(value: str | float) -> bool:
    try:
        return not math.isfinite(float(value))
    except ValueError:
        return False
