"""``--set algorithm.KEY=VALUE``: options of the chosen parts, as text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from acclimate.core.errors import ConfigurationError, near_miss

SECTIONS = {"algorithm": "algorithm_options", "network": "network_options"}


def parse_assignments(texts: Sequence[str]) -> dict[str, dict[str, Any]]:
    """``["algorithm.weight=0.5"]`` → ``{"algorithm_options": {"weight": 0.5}}``.

    A value is read as JSON, and as plain text where it is none. Raises ``ConfigurationError``.

    >>> parse_assignments(["algorithm.weight=0.5", "network.normalisation=batch"])
    {'algorithm_options': {'weight': 0.5}, 'network_options': {'normalisation': 'batch'}}
    """
    found: dict[str, dict[str, Any]] = {}
    for text in texts:
        path, equals, value = text.partition("=")
        section, dot, key = path.strip().partition(".")
        if not (equals and dot and key):
            raise ConfigurationError(
                f"--set {text}: write it as algorithm.KEY=VALUE or network.KEY=VALUE"
            )
        if section not in SECTIONS:
            raise ConfigurationError(
                f"--set {text}: no section {section!r}.{near_miss(section, SECTIONS)}"
            )
        found.setdefault(SECTIONS[section], {})[key] = _value(value.strip())
    return found


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
