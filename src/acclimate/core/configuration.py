"""Typed, frozen options with errors that name the near miss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from acclimate.core.errors import ConfigurationError, near_miss


class Options(BaseModel):
    """Base of every configuration object: frozen, no unknown keys, values validated."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False
    )

    @classmethod
    def build(cls, owner: str, values: Mapping[str, Any]) -> Self:
        """Validate ``values``; every problem is gathered into one ``ConfigurationError``.

        Args:
            owner: how messages call this object, e.g. ``"algorithm dann"``.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            problems = "; ".join(_explain(cls, problem) for problem in error.errors())
            raise ConfigurationError(f"{owner}: {problems}") from error


def _explain(cls: type[Options], problem: Any) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        if not cls.model_fields:
            return f"no option {key!r}: it has none"
        return f"no option {key!r}.{near_miss(key, cls.model_fields)}"
    message = problem["msg"].removeprefix("Value error, ")
    return f"{key}: {message} (got {problem['input']!r})" if key else message
